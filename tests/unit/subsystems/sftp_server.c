#include "subsystems/sftp_server.h"

#include "base/mem.h"
#include "tests/fuzz/fake_fs.h"
#include "tests/unit/subsystems/peer.h"

static struct fake_fs fs;
static struct peer p;

static void begin(unsigned flags)
{
	memset(&fs, 0, sizeof fs);
	fake_make(&fs, "dir", 1);
	memcpy(fake_make(&fs, "f", 0)->data, "0123456789", 10);
	fake_find(&fs, "f")->attrs.size = 10;
	peer_begin(&p, &fake_ops, &fs, flags);
}

static void end(void)
{
	cr_assert_eq(sftp_server_open(p.s), (unsigned)fs.open_files);
	peer_end(&p);
	cr_assert_eq(fs.open_files, 0, "a file stayed open");
}

Test(sftp_server, version_tells_the_extensions)
{
	struct rd r;
	struct view name, version;
	int seen = 0;

	begin(0);
	r = rd_view(p.m.rest);
	while (rd_left(&r) > 0) {
		name = rd_string(&r, 100);
		version = rd_string(&r, 100);
		if (view_is(name, "posix-rename@openssh.com") || view_is(name, "hardlink@openssh.com") || view_is(name, "fsync@openssh.com") ||
		    view_is(name, "limits@openssh.com") || view_is(name, "lsetstat@openssh.com"))
			seen += view_is(version, "1");
		if (view_is(name, "statvfs@openssh.com") || view_is(name, "fstatvfs@openssh.com"))
			seen += view_is(version, "2");
	}
	cr_assert_eq(rd_done(&r), SSH_OK);
	cr_assert_eq(seen, 7);
	end();
}

Test(sftp_server, init_comes_first_and_once)
{
	struct sftp_msg stat = on_path(SFTP_STAT, "f"), init = { .type = SFTP_INIT, .version = 3 };

	begin(0);
	peer_send(&p, &init);
	cr_assert_eq(sftp_server_run(p.s), SSH_E_PROTOCOL);
	end();
	memset(&p, 0, sizeof p);
	p.s = sftp_server_new(&fake_ops, &fs, 0, NULL);
	peer_send(&p, &stat);
	cr_assert_eq(sftp_server_run(p.s), SSH_E_PROTOCOL);
	cr_assert_eq(sftp_server_output(p.s).len, 0);
	peer_end(&p);
}

Test(sftp_server, after_an_error_nothing_is_taken)
{
	uint8_t big[4] = { 0xff, 0xff, 0xff, 0xff };
	size_t room;

	begin(0);
	peer_feed(&p, big, 4);
	cr_assert_eq(sftp_server_run(p.s), SSH_E_TOO_BIG);
	cr_assert_eq(sftp_server_run(p.s), SSH_E_TOO_BIG);
	cr_assert_null(sftp_server_room(p.s, &room));
	end();
}

Test(sftp_server, read)
{
	struct kept h;

	begin(0);
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	cr_assert(view_is(peer_read(&p, &h, 0, 4, SFTP_DATA)->data, "0123"));
	cr_assert(view_is(peer_read(&p, &h, 8, 100, SFTP_DATA)->data, "89"));
	cr_assert_eq(peer_read(&p, &h, 10, 1, SFTP_STATUS)->status, SFTP_FX_EOF);
	cr_assert_eq(peer_read(&p, &h, 0, 0, SFTP_DATA)->data.len, 0);
	/* A length is never memory: as much as there is, at most SFTP_READ_MAX. */
	cr_assert_eq(peer_read(&p, &h, 0, UINT32_MAX, SFTP_DATA)->data.len, 10);
	cr_assert_leq(sftp_server_held(p.s), 4 * SFTP_PACKET_MAX);
	cr_assert_eq(peer_read(&p, &h, 1ull << 63, 1, SFTP_STATUS)->status, SFTP_FX_BAD_MESSAGE);
	cr_assert_eq(peer_read(&p, &h, UINT64_MAX, 1, SFTP_STATUS)->status, SFTP_FX_BAD_MESSAGE);
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_OK);
	cr_assert_eq(peer_read(&p, &h, 0, 1, SFTP_STATUS)->status, SFTP_FX_FAILURE);
	end();
}

Test(sftp_server, write)
{
	struct kept h;

	begin(0);
	h = peer_open(&p, "new", SFTP_WRITE_FLAG | SFTP_CREAT);
	peer_status(&p, to_write(&h, 0, "hello", 5), SFTP_FX_OK);
	peer_status(&p, to_write(&h, 5, " there", 6), SFTP_FX_OK);
	cr_assert_eq(fake_find(&fs, "new")->attrs.size, 11);
	cr_assert_eq(memcmp(fake_find(&fs, "new")->data, "hello there", 11), 0);
	peer_status(&p, to_write(&h, INT64_MAX, "x", 1), SFTP_FX_FAILURE);
	peer_status(&p, to_write(&h, 1ull << 63, "x", 1), SFTP_FX_FAILURE);
	peer_status(&p, to_write(&h, 0, "", 0), SFTP_FX_OK);
	fs.fail_with = ENOSPC;
	peer_status(&p, to_write(&h, 0, "x", 1), SFTP_FX_FAILURE);
	cr_assert(view_is(p.m.text, strerror(ENOSPC)));
	fs.fail_with = 0;
	h = peer_open(&p, "new", SFTP_WRITE_FLAG | SFTP_APPEND);
	peer_status(&p, to_write(&h, 0, "!", 1), SFTP_FX_OK);
	cr_assert_eq(fake_find(&fs, "new")->attrs.size, 12);
	end();
}

Test(sftp_server, open_flags_and_errors)
{
	struct sftp_msg m = on_path(SFTP_OPEN, "f");

	begin(0);
	m.flags = SFTP_WRITE_FLAG | SFTP_CREAT | SFTP_EXCL;
	peer_status(&p, m, SFTP_FX_FAILURE);
	m.path = view_str("none");
	m.flags = SFTP_READ_FLAG;
	peer_status(&p, m, SFTP_FX_NO_SUCH_FILE);
	m.path = view_of("a\0b", 3);
	peer_status(&p, m, SFTP_FX_BAD_MESSAGE);
	peer_open(&p, "f", SFTP_WRITE_FLAG | SFTP_TRUNC);
	cr_assert_eq(fake_find(&fs, "f")->attrs.size, 0);
	m = on_path(SFTP_OPEN, "private");
	m.flags = SFTP_WRITE_FLAG | SFTP_CREAT;
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_PERMISSIONS, .perm = 0600 };
	peer_ask(&p, m, SFTP_HANDLE);
	cr_assert_eq(fake_find(&fs, "private")->attrs.perm, 0100600);
	end();
}

Test(sftp_server, paths_have_a_limit)
{
	static char longest[SFTP_PATH_MAX + 1];

	begin(0);
	memset(longest, 'a', SFTP_PATH_MAX);
	peer_status(&p, on_path(SFTP_STAT, longest), SFTP_FX_BAD_MESSAGE);
	longest[SFTP_PATH_MAX - 1] = '\0';
	peer_status(&p, on_path(SFTP_STAT, longest), SFTP_FX_NO_SUCH_FILE);
	end();
}

Test(sftp_server, handles)
{
	uint8_t forged[8] = { 0 };
	struct kept h, again;
	struct sftp_msg m = { .type = SFTP_CLOSE };

	begin(0);
	m.handle = view_of(forged, 8);
	peer_status(&p, m, SFTP_FX_FAILURE);		/* nothing is open */
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_OK);
	again = peer_open(&p, "f", SFTP_READ_FLAG);
	cr_assert_neq(memcmp(h.v, again.v, 8), 0, "an old handle became a new one");
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_FAILURE);
	put_u32(forged, SFTP_HANDLES_MAX);
	peer_status(&p, m, SFTP_FX_FAILURE);
	put_u32(forged, UINT32_MAX);
	peer_status(&p, m, SFTP_FX_FAILURE);
	for (size_t n = 0; n < 8; n++) {
		m.handle = view_of(again.v, n);
		peer_status(&p, m, SFTP_FX_FAILURE);
	}
	peer_status(&p, on_handle(SFTP_READDIR, &again), SFTP_FX_FAILURE);	/* a file is no directory */
	h = peer_opendir(&p, "dir");
	peer_status(&p, on_handle(SFTP_FSTAT, &h), SFTP_FX_FAILURE);
	peer_status(&p, to_write(&h, 0, "x", 1), SFTP_FX_FAILURE);
	cr_assert_eq(peer_read(&p, &h, 0, 1, SFTP_STATUS)->status, SFTP_FX_FAILURE);
	end();
}

Test(sftp_server, handles_have_a_limit)
{
	struct kept h = { .len = 0 };
	struct sftp_msg m = on_path(SFTP_OPEN, "f");

	begin(0);
	m.flags = SFTP_READ_FLAG;
	for (unsigned i = 0; i < SFTP_HANDLES_MAX; i++)
		h = peer_open(&p, "f", SFTP_READ_FLAG);
	peer_status(&p, m, SFTP_FX_FAILURE);
	peer_status(&p, on_path(SFTP_OPENDIR, "dir"), SFTP_FX_FAILURE);
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_OK);
	peer_open(&p, "f", SFTP_READ_FLAG);
	cr_assert_eq(sftp_server_open(p.s), SFTP_HANDLES_MAX);
	end();
}

Test(sftp_server, stat_and_setstat)
{
	struct sftp_attrs a = { .flags = SFTP_ATTR_SIZE | SFTP_ATTR_PERMISSIONS | SFTP_ATTR_ACMODTIME, .size = 4, .perm = 0640, .mtime = 9 };
	struct sftp_msg m = on_path(SFTP_SETSTAT, "f");
	struct kept h;

	begin(0);
	m.attrs = a;
	peer_status(&p, m, SFTP_FX_OK);
	cr_assert_eq(peer_ask(&p, on_path(SFTP_STAT, "f"), SFTP_ATTRS)->attrs.size, 4);
	cr_assert_eq(p.m.attrs.perm, 0100640);
	cr_assert_eq(peer_ask(&p, on_path(SFTP_LSTAT, "f"), SFTP_ATTRS)->attrs.mtime, 9);
	m.attrs.size = UINT64_MAX;
	peer_status(&p, m, SFTP_FX_BAD_MESSAGE);
	m.path = view_str("none");
	m.attrs = a;
	peer_status(&p, m, SFTP_FX_NO_SUCH_FILE);
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	m = on_handle(SFTP_FSETSTAT, &h);
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_SIZE, .size = 2 };
	peer_status(&p, m, SFTP_FX_OK);
	cr_assert_eq(peer_ask(&p, on_handle(SFTP_FSTAT, &h), SFTP_ATTRS)->attrs.size, 2);
	m.attrs.size = 1ull << 63;
	peer_status(&p, m, SFTP_FX_BAD_MESSAGE);
	m = on_ext(SFTP_EXT_LSETSTAT, on_path(0, "f"));
	m.attrs = a;
	peer_status(&p, m, SFTP_FX_BAD_MESSAGE);	/* a size, of a link */
	m.attrs.flags = SFTP_ATTR_PERMISSIONS;
	peer_status(&p, m, SFTP_FX_OK);
	end();
}

Test(sftp_server, directories_come_in_batches_and_end)
{
	unsigned total = 0, batches = 0;
	struct kept h;

	begin(0);
	fs.entries = 250;
	h = peer_opendir(&p, "dir");
	for (;;) {
		struct sftp_msg m = on_handle(SFTP_READDIR, &h);

		m.id = ++p.id;
		peer_send(&p, &m);
		cr_assert_eq(sftp_server_run(p.s), SSH_OK);
		cr_assert(peer_take(&p));
		if (p.m.type == SFTP_STATUS)
			break;
		cr_assert_eq(p.m.type, SFTP_NAME);
		struct rd r = rd_view(p.m.rest);
		for (uint32_t i = 0; i < p.m.count; i++) {
			struct view name, longname;
			struct sftp_attrs a;
			char expect[32];

			sftp_get_name(&r, &name, &longname, &a);
			snprintf(expect, sizeof expect, "entry-%u", total++);
			cr_assert(view_is(name, expect));
		}
		cr_assert_eq(rd_done(&r), SSH_OK);
		batches++;
	}
	cr_assert_eq(p.m.status, SFTP_FX_EOF);
	cr_assert_eq(total, 250);
	cr_assert_eq(batches, 3);
	peer_status(&p, on_handle(SFTP_READDIR, &h), SFTP_FX_EOF);
	fs.fail_with = EIO;
	peer_status(&p, on_handle(SFTP_READDIR, &h), SFTP_FX_FAILURE);
	fs.fail_with = 0;
	peer_status(&p, on_path(SFTP_OPENDIR, "f"), SFTP_FX_NO_SUCH_FILE);	/* ENOTDIR */
	end();
}

Test(sftp_server, names)
{
	begin(0);
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_REALPATH, "x"), SFTP_NAME), "/real/x"));
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_REALPATH, ""), SFTP_NAME), "/real/."));
	peer_status(&p, on_paths(SFTP_SYMLINK, "target", "link"), SFTP_FX_OK);
	cr_assert_str_eq(fake_find(&fs, "link")->target, "target");
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_READLINK, "link"), SFTP_NAME), "target"));
	peer_status(&p, on_path(SFTP_READLINK, "f"), SFTP_FX_BAD_MESSAGE);
	peer_status(&p, on_paths(SFTP_RENAME, "f", "link"), SFTP_FX_FAILURE);
	peer_status(&p, on_paths(SFTP_RENAME, "f", "g"), SFTP_FX_OK);
	peer_status(&p, on_ext(SFTP_EXT_POSIX_RENAME, on_paths(0, "g", "link")), SFTP_FX_OK);
	peer_status(&p, on_ext(SFTP_EXT_HARDLINK, on_paths(0, "link", "h")), SFTP_FX_OK);
	peer_status(&p, on_ext(SFTP_EXT_HARDLINK, on_paths(0, "nothing", "h2")), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_REMOVE, "h"), SFTP_FX_OK);
	peer_status(&p, on_path(SFTP_REMOVE, "h"), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_MKDIR, "d2"), SFTP_FX_OK);
	cr_assert_eq(fake_find(&fs, "d2")->attrs.perm, 040777);
	peer_status(&p, on_path(SFTP_MKDIR, "d2"), SFTP_FX_FAILURE);
	peer_status(&p, on_path(SFTP_RMDIR, "d2"), SFTP_FX_OK);
	cr_assert(reply_names(peer_ask(&p, on_ext(SFTP_EXT_HOME, on_path(0, "me")), SFTP_NAME), "/real/me"));
	cr_assert(reply_names(peer_ask(&p, on_ext(SFTP_EXT_EXPAND_PATH, on_path(0, "~me/x")), SFTP_NAME), "/real//real/me/x"));
	cr_assert(reply_names(peer_ask(&p, on_ext(SFTP_EXT_EXPAND_PATH, on_path(0, "y")), SFTP_NAME), "/real/y"));
	end();
}

Test(sftp_server, space_and_limits)
{
	struct kept h;
	struct rd r;

	begin(0);
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	peer_ask(&p, on_ext(SFTP_EXT_STATVFS, on_path(0, "/")), SFTP_EXTENDED_REPLY);
	cr_assert_eq(p.m.rest.len, 88);
	peer_ask(&p, on_ext(SFTP_EXT_FSTATVFS, on_handle(0, &h)), SFTP_EXTENDED_REPLY);
	r = rd_view(p.m.rest);
	for (uint64_t i = 0; i < 11; i++)
		cr_assert_eq(rd_u64(&r), 1000 + i);
	peer_status(&p, on_ext(SFTP_EXT_FSYNC, on_handle(0, &h)), SFTP_FX_OK);
	peer_ask(&p, on_ext(SFTP_EXT_LIMITS, (struct sftp_msg){ 0 }), SFTP_EXTENDED_REPLY);
	r = rd_view(p.m.rest);
	cr_assert_eq(rd_u64(&r), SFTP_PACKET_MAX);
	cr_assert_eq(rd_u64(&r), SFTP_READ_MAX);
	cr_assert_eq(rd_u64(&r), SFTP_READ_MAX);
	cr_assert_eq(rd_u64(&r), SFTP_HANDLES_MAX);
	cr_assert_eq(rd_done(&r), SSH_OK);
	end();
}

Test(sftp_server, unknown_requests_are_answered)
{
	static const uint8_t numbers[] = { 0, 21, 99, 101, 105, 201, 255 };

	begin(0);
	for (size_t i = 0; i < sizeof numbers; i++)
		peer_status(&p, (struct sftp_msg){ .type = numbers[i] }, SFTP_FX_OP_UNSUPPORTED);
	peer_status(&p, (struct sftp_msg){ .type = SFTP_EXTENDED, .name = view_str("x@y") }, SFTP_FX_OP_UNSUPPORTED);
	end();
}

/* Every request cut at every byte, framed as what is left: an answer to its id, or the end of the session when it has none. */
Test(sftp_server, malformed_requests_are_answered)
{
	struct buf b;

	begin(0);
	buf_init(&b, 4096, NULL);
	for (unsigned t = SFTP_OPEN; t <= SFTP_EXTENDED; t++) {
		struct sftp_msg m = { .type = (uint8_t)t, .id = 77, .path = view_str("f"), .path2 = view_str("g"), .handle = view_str("12345678"),
			.data = view_str("data"), .ext = SFTP_EXT_HARDLINK, .attrs = { .flags = 15 } };
		size_t len;

		if (sftp_type_name(t) == NULL || (t >= SFTP_STATUS && t <= SFTP_ATTRS))
			continue;
		buf_truncate(&b, 0);
		cr_assert_eq(sftp_encode(&b, &m), SSH_OK);
		len = buf_len(&b);
		for (size_t n = 9; n < len; n++) {
			put_u32(buf_head(&b), (uint32_t)(n - 4));
			peer_feed(&p, buf_head(&b), n);
			cr_assert_eq(sftp_server_run(p.s), SSH_OK);
			cr_assert(peer_take(&p));
			cr_assert_eq(p.m.id, 77);
			cr_assert_eq(p.m.status, SFTP_FX_BAD_MESSAGE, "%s cut at %zu", sftp_type_name(t), n);
		}
	}
	cr_assert_eq(fs.calls, 0, "a malformed request reached the file system");
	buf_drop(&b);
	end();
}

Test(sftp_server, read_only_changes_nothing)
{
	static const uint32_t flags[] = { SFTP_WRITE_FLAG, SFTP_READ_FLAG | SFTP_CREAT, SFTP_READ_FLAG | SFTP_TRUNC,
		SFTP_READ_FLAG | SFTP_APPEND, SFTP_CREAT | SFTP_EXCL };
	struct kept h;
	unsigned calls;

	begin(SFTP_SERVER_READ_ONLY);
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	calls = fs.calls;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		struct sftp_msg m = on_path(SFTP_OPEN, "f");

		m.flags = flags[i];
		peer_status(&p, m, SFTP_FX_PERMISSION_DENIED);
	}
	peer_status(&p, to_write(&h, 0, "x", 1), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_path(SFTP_SETSTAT, "f"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_handle(SFTP_FSETSTAT, &h), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_path(SFTP_REMOVE, "f"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_path(SFTP_MKDIR, "d"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_path(SFTP_RMDIR, "dir"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_paths(SFTP_RENAME, "f", "g"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_paths(SFTP_SYMLINK, "f", "g"), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_ext(SFTP_EXT_POSIX_RENAME, on_paths(0, "f", "g")), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_ext(SFTP_EXT_HARDLINK, on_paths(0, "f", "g")), SFTP_FX_PERMISSION_DENIED);
	peer_status(&p, on_ext(SFTP_EXT_LSETSTAT, on_path(0, "f")), SFTP_FX_PERMISSION_DENIED);
	cr_assert_eq(fs.calls, calls, "something reached the file system");
	cr_assert(view_is(peer_read(&p, &h, 0, 4, SFTP_DATA)->data, "0123"));
	end();
}

/* The same stream in one piece and byte by byte gives the same replies. */
Test(sftp_server, pieces_do_not_matter)
{
	struct buf in, whole, pieces;
	struct sftp_msg m[] = { { .type = SFTP_INIT, .version = 3 }, { .type = SFTP_OPEN, .id = 1, .path = view_str("f"), .flags = 1 },
		{ .type = SFTP_READ, .id = 2, .handle = view_of("\0\0\0\0\0\0\0\0", 8), .len = 5 }, { .type = SFTP_STAT, .id = 3, .path = view_str("nothing") },
		{ .type = SFTP_REALPATH, .id = 4, .path = view_str("a") } };

	buf_init(&in, 10000, NULL);
	buf_init(&whole, 10000, NULL);
	buf_init(&pieces, 10000, NULL);
	for (size_t i = 0; i < sizeof m / sizeof *m; i++)
		cr_assert_eq(sftp_encode(&in, &m[i]), SSH_OK);
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		struct buf *out = bytewise ? &pieces : &whole;
		size_t step = bytewise ? 1 : buf_len(&in);

		begin(0);
		peer_end(&p);
		p.s = sftp_server_new(&fake_ops, &fs, 0, NULL);
		for (size_t at = 0; at < buf_len(&in); at += step) {
			peer_feed(&p, buf_head(&in) + at, step);
			cr_assert_eq(sftp_server_run(p.s), SSH_OK);
			cr_assert_eq(buf_append(out, sftp_server_output(p.s).p, sftp_server_output(p.s).len), SSH_OK);
			sftp_server_sent(p.s, sftp_server_output(p.s).len);
		}
		sftp_server_free(p.s);
	}
	cr_assert_gt(buf_len(&whole), 300);
	cr_assert_eq(buf_len(&whole), buf_len(&pieces));
	cr_assert_eq(memcmp(buf_head(&whole), buf_head(&pieces), buf_len(&whole)), 0);
	buf_drop(&in);
	buf_drop(&whole);
	buf_drop(&pieces);
}

/* A client that asks and does not read: requests wait in the input, and then it cannot send more. */
Test(sftp_server, back_pressure)
{
	struct sftp_msg m = { .type = SFTP_READDIR };
	size_t sent = 0, room, answered = 0;
	struct kept h;
	struct buf b;

	begin(0);
	fs.entries = 1 << 30;
	h = peer_opendir(&p, "dir");
	m.handle = kept_view(&h);
	buf_init(&b, 100, NULL);
	cr_assert_eq(sftp_encode(&b, &m), SSH_OK);
	for (;;) {
		uint8_t *to = sftp_server_room(p.s, &room);

		if (to == NULL)
			break;
		memcpy(to, buf_head(&b), buf_len(&b));
		sftp_server_got(p.s, buf_len(&b));
		sent++;
		cr_assert_eq(sftp_server_run(p.s), SSH_OK);
		cr_assert_lt(sent, 1000000, "it never said stop");
	}
	cr_assert_geq(sftp_server_output(p.s).len, SFTP_OUTPUT_HIGH);
	cr_assert_leq(sftp_server_held(p.s), 2u << 20);
	while (sftp_server_output(p.s).len > 0) {	/* the client wakes up: everything asked is answered */
		while (peer_take(&p))
			answered++;
		cr_assert_eq(sftp_server_run(p.s), SSH_OK);
	}
	cr_assert_eq(answered, sent);
	sftp_server_idle(p.s);
	cr_assert_eq(sftp_server_held(p.s), 0);
	buf_drop(&b);
	end();
}

/* The n-th allocation fails, for every n: an answer, or SSH_E_NOMEM, and nothing stays open. */
static int left;
static void *failing(void *ctx, void *v, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(v);
		return NULL;
	}
	return left-- > 0 ? realloc(v, n) : NULL;
}

Test(sftp_server, memory_may_run_out)
{
	const struct mem mem = { failing, NULL };
	struct sftp_msg m[] = { { .type = SFTP_INIT, .version = 3 }, { .type = SFTP_OPEN, .id = 1, .path = view_str("f"), .flags = 1 },
		{ .type = SFTP_READ, .id = 2, .handle = view_of("\0\0\0\0\0\0\0\0", 8), .len = 50000 }, { .type = SFTP_REALPATH, .id = 4, .path = view_str("a") } };
	int finished = 0;
	struct buf in;

	buf_init(&in, 1000, NULL);
	for (size_t i = 0; i < sizeof m / sizeof *m; i++)
		cr_assert_eq(sftp_encode(&in, &m[i]), SSH_OK);
	memset(&fs, 0, sizeof fs);
	fake_make(&fs, "f", 0)->attrs.size = 100;
	for (int n = 0; !finished; n++) {
		struct sftp_server *s;
		size_t room = 0;
		uint8_t *to;

		cr_assert_lt(n, 100);
		left = n;
		if ((s = sftp_server_new(&fake_ops, &fs, 0, &mem)) == NULL)
			continue;
		if ((to = sftp_server_room(s, &room)) != NULL) {
			memcpy(to, buf_head(&in), buf_len(&in));
			sftp_server_got(s, buf_len(&in));
			int r = sftp_server_run(s);
			cr_assert(r == SSH_OK || r == SSH_E_NOMEM || r == SSH_E_FULL, "%d", r);
			finished = r == SSH_OK;
		}
		sftp_server_free(s);
		cr_assert_eq(fs.open_files, 0);
	}
	buf_drop(&in);
}
