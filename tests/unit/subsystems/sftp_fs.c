#include "subsystems/sftp_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "subsystems/sftp_longname.h"
#include "tests/unit/subsystems/peer.h"

/* The real file system, in a directory of the test's own that is the current one. */

static struct peer p;
static struct sftp_fs *fs;
static char top[] = "/tmp/coppice-sftp-XXXXXX";

static void begin(void)
{
	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
	umask(022);
	fs = sftp_fs_new();
	peer_begin(&p, &sftp_fs_ops, fs, 0);
	alarm(30);		/* whatever waits for a FIFO ends here */
}

static void end(void)
{
	char command[64];

	peer_end(&p);
	sftp_fs_free(fs);
	cr_assert_eq(chdir("/"), 0);
	snprintf(command, sizeof command, "rm -rf %s", top);
	cr_assert_eq(system(command), 0);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static int holds(const char *name, const char *text)
{
	char b[100] = "";
	FILE *f = fopen(name, "r");
	size_t n;

	if (f == NULL)
		return 0;
	n = fread(b, 1, sizeof b - 1, f);
	fclose(f);
	return n == strlen(text) && memcmp(b, text, n) == 0;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0 ? st.st_mode & 07777 : 0;
}

TestSuite(sftp_fs, .init = begin, .fini = end);

Test(sftp_fs, write_and_read_back)
{
	struct kept h = peer_open(&p, "f", SFTP_READ_FLAG | SFTP_WRITE_FLAG | SFTP_CREAT);

	peer_status(&p, to_write(&h, 0, "hello", 5), SFTP_FX_OK);
	peer_status(&p, to_write(&h, 100, "x", 1), SFTP_FX_OK);
	cr_assert(view_is(peer_read(&p, &h, 1, 4, SFTP_DATA)->data, "ello"));
	cr_assert_eq(peer_read(&p, &h, 0, 4000, SFTP_DATA)->data.len, 101);
	cr_assert_eq(peer_read(&p, &h, 101, 1, SFTP_STATUS)->status, SFTP_FX_EOF);
	cr_assert_eq(peer_ask(&p, on_handle(SFTP_FSTAT, &h), SFTP_ATTRS)->attrs.size, 101);
	peer_status(&p, on_ext(SFTP_EXT_FSYNC, on_handle(0, &h)), SFTP_FX_OK);
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_OK);
	cr_assert_eq(mode_of("f"), 0644);
}

Test(sftp_fs, open_modes)
{
	struct sftp_msg m = on_path(SFTP_OPEN, "secret");
	struct kept h;

	m.flags = SFTP_WRITE_FLAG | SFTP_CREAT;
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_PERMISSIONS, .perm = 0100600 };
	peer_ask(&p, m, SFTP_HANDLE);
	cr_assert_eq(mode_of("secret"), 0600);
	m.flags |= SFTP_EXCL;
	peer_status(&p, m, SFTP_FX_FAILURE);
	put("f", "12345");
	h = peer_open(&p, "f", SFTP_WRITE_FLAG | SFTP_APPEND);
	peer_status(&p, to_write(&h, 0, "67", 2), SFTP_FX_OK);
	cr_assert(holds("f", "1234567"));
	peer_open(&p, "f", SFTP_WRITE_FLAG | SFTP_TRUNC);
	cr_assert(holds("f", ""));
	m = on_path(SFTP_OPEN, "none");
	m.flags = SFTP_READ_FLAG;
	peer_status(&p, m, SFTP_FX_NO_SUCH_FILE);
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	peer_status(&p, to_write(&h, 0, "x", 1), SFTP_FX_NO_SUCH_FILE);	/* EBADF, as OpenSSH maps it */
}

/* security.md F6: none of these may wait, for reading or for writing. */
Test(sftp_fs, only_regular_files_are_opened)
{
	static const char *const names[] = { "fifo", "link-to-fifo", "socket", "/dev/null", "/dev/zero", "dir" };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert_eq(mkfifo("fifo", 0666), 0);
	cr_assert_eq(symlink("fifo", "link-to-fifo"), 0);
	cr_assert_eq(mkdir("dir", 0777), 0);
	cr_assert_eq(bind(s, (struct sockaddr *)&un, sizeof un), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (uint32_t flags = 0; flags < 64; flags++) {
			struct sftp_msg m = on_path(SFTP_OPEN, names[i]);

			m.flags = flags;
			peer_status(&p, m, SFTP_FX_FAILURE);
		}
	peer_status(&p, on_path(SFTP_OPENDIR, "fifo"), SFTP_FX_NO_SUCH_FILE);
	cr_assert_eq(sftp_server_open(p.s), 0);
	close(s);
}

Test(sftp_fs, attributes)
{
	struct sftp_msg m = on_path(SFTP_SETSTAT, "f");
	struct sftp_attrs *a;
	struct kept h;

	put("f", "0123456789");
	m.attrs = (struct sftp_attrs){ .flags = 15, .size = 4, .perm = 0104711, .uid = getuid(), .gid = getgid(), .atime = 1000, .mtime = 2000 };
	peer_status(&p, m, SFTP_FX_OK);
	a = &peer_ask(&p, on_path(SFTP_STAT, "f"), SFTP_ATTRS)->attrs;
	cr_assert_eq(a->flags, 15);
	cr_assert_eq(a->size, 4);
	cr_assert_eq(a->perm & 0777, 0711);
	cr_assert_eq(a->atime, 1000);
	cr_assert_eq(a->mtime, 2000);
	cr_assert_eq(a->uid, getuid());
	h = peer_open(&p, "f", SFTP_WRITE_FLAG);
	m = on_handle(SFTP_FSETSTAT, &h);
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_SIZE | SFTP_ATTR_PERMISSIONS | SFTP_ATTR_ACMODTIME, .size = 1, .perm = 0600, .atime = 3, .mtime = 4 };
	peer_status(&p, m, SFTP_FX_OK);
	a = &peer_ask(&p, on_handle(SFTP_FSTAT, &h), SFTP_ATTRS)->attrs;
	cr_assert_eq(a->size, 1);
	cr_assert_eq(a->perm, 0100600);
	cr_assert_eq(a->mtime, 4);
	/* All of it is tried: the size fails (no such file to truncate: a directory), the mode holds. */
	cr_assert_eq(mkdir("d", 0755), 0);
	m = on_path(SFTP_SETSTAT, "d");
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_SIZE | SFTP_ATTR_PERMISSIONS, .size = 1, .perm = 0700 };
	peer_status(&p, m, SFTP_FX_FAILURE);
	cr_assert_eq(mode_of("d"), 0700);
	cr_assert_eq(symlink("f", "l"), 0);
	m = on_ext(SFTP_EXT_LSETSTAT, on_path(0, "l"));
	m.attrs = (struct sftp_attrs){ .flags = SFTP_ATTR_ACMODTIME, .atime = 7, .mtime = 8 };
	peer_status(&p, m, SFTP_FX_OK);
	cr_assert_eq(peer_ask(&p, on_path(SFTP_LSTAT, "l"), SFTP_ATTRS)->attrs.mtime, 8);
	cr_assert_eq(peer_ask(&p, on_path(SFTP_STAT, "l"), SFTP_ATTRS)->attrs.mtime, 4);
}

/* RENAME never overwrites, posix-rename does. */
Test(sftp_fs, rename)
{
	put("a", "A");
	put("b", "B");
	cr_assert_eq(mkdir("d", 0755), 0);
	cr_assert_eq(mkdir("e", 0755), 0);
	peer_status(&p, on_paths(SFTP_RENAME, "a", "b"), SFTP_FX_FAILURE);
	peer_status(&p, on_paths(SFTP_RENAME, "d", "e"), SFTP_FX_FAILURE);
	cr_assert(holds("a", "A") && holds("b", "B"));
	peer_status(&p, on_paths(SFTP_RENAME, "a", "c"), SFTP_FX_OK);
	cr_assert(holds("c", "A") && access("a", F_OK) != 0);
	peer_status(&p, on_paths(SFTP_RENAME, "d", "g"), SFTP_FX_OK);
	peer_status(&p, on_paths(SFTP_RENAME, "none", "x"), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_ext(SFTP_EXT_POSIX_RENAME, on_paths(0, "c", "b")), SFTP_FX_OK);
	cr_assert(holds("b", "A") && access("c", F_OK) != 0);
	cr_assert_eq(symlink("nowhere", "dangling"), 0);
	peer_status(&p, on_paths(SFTP_RENAME, "b", "dangling"), SFTP_FX_FAILURE);
}

Test(sftp_fs, links)
{
	put("f", "F");
	peer_status(&p, on_paths(SFTP_SYMLINK, "f", "l"), SFTP_FX_OK);
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_READLINK, "l"), SFTP_NAME), "f"));
	cr_assert(holds("l", "F"));
	peer_status(&p, on_ext(SFTP_EXT_HARDLINK, on_paths(0, "f", "h")), SFTP_FX_OK);
	peer_status(&p, on_path(SFTP_REMOVE, "f"), SFTP_FX_OK);
	cr_assert(holds("h", "F"));
	peer_status(&p, on_path(SFTP_READLINK, "h"), SFTP_FX_BAD_MESSAGE);
	peer_status(&p, on_path(SFTP_MKDIR, "d"), SFTP_FX_OK);
	peer_status(&p, on_path(SFTP_REMOVE, "d"), SFTP_FX_FAILURE);
	peer_status(&p, on_path(SFTP_RMDIR, "d"), SFTP_FX_OK);
	peer_status(&p, on_path(SFTP_RMDIR, "d"), SFTP_FX_NO_SUCH_FILE);
}

static void real(const char *path, const char *expect)
{
	char full[200];

	snprintf(full, sizeof full, "%s%s", top, expect);
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_REALPATH, path), SFTP_NAME), full), "%s", path);
}

Test(sftp_fs, realpath)
{
	cr_assert_eq(mkdir("d", 0755), 0);
	put("d/f", "");
	cr_assert_eq(symlink("d", "l"), 0);
	cr_assert_eq(symlink("d/missing", "dangling"), 0);
	cr_assert_eq(symlink("loop", "loop"), 0);
	real("", "");
	real(".", "");
	real("d/../d/./f", "/d/f");
	real("l/f", "/d/f");
	real("missing", "/missing");
	real("l/missing", "/d/missing");
	real("dangling", "/d/missing");
	peer_status(&p, on_path(SFTP_REALPATH, "missing/x"), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_REALPATH, "missing/"), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_REALPATH, "missing/.."), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_REALPATH, "d/f/x"), SFTP_FX_NO_SUCH_FILE);
	peer_status(&p, on_path(SFTP_REALPATH, "loop"), SFTP_FX_NO_SUCH_FILE);
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_REALPATH, "/"), SFTP_NAME), "/"));
	cr_assert(reply_names(peer_ask(&p, on_path(SFTP_REALPATH, "/no-such-name-here"), SFTP_NAME), "/no-such-name-here"));
}

Test(sftp_fs, readdir_of_a_big_directory)
{
	unsigned seen = 0, special = 0;
	struct kept h;
	char name[32];

	cr_assert_eq(mkdir("d", 0755), 0);
	for (int i = 0; i < 333; i++) {
		snprintf(name, sizeof name, "d/file-%d", i);
		put(name, "x");
	}
	h = peer_opendir(&p, "d");
	for (;;) {
		struct sftp_msg m = on_handle(SFTP_READDIR, &h);
		struct rd r;

		peer_send(&p, &m);
		cr_assert_eq(sftp_server_run(p.s), SSH_OK);
		cr_assert(peer_take(&p));
		if (p.m.type == SFTP_STATUS)
			break;
		r = rd_view(p.m.rest);
		for (uint32_t i = 0; i < p.m.count; i++) {
			struct view a, b;
			struct sftp_attrs at;

			sftp_get_name(&r, &a, &b, &at);
			special += view_is(a, ".") || view_is(a, "..");
			seen++;
			cr_assert_gt(b.len, a.len);
			cr_assert(view_same(view_of(b.p + b.len - a.len, a.len), a), "the long form ends with the name");
			cr_assert_eq(at.flags, 15);
		}
		cr_assert_eq(rd_done(&r), SSH_OK);
	}
	cr_assert_eq(p.m.status, SFTP_FX_EOF);
	cr_assert_eq(seen, 335);
	cr_assert_eq(special, 2);
	peer_status(&p, on_handle(SFTP_CLOSE, &h), SFTP_FX_OK);
}

Test(sftp_fs, space)
{
	struct kept h;
	struct rd r;

	put("f", "");
	h = peer_open(&p, "f", SFTP_READ_FLAG);
	peer_ask(&p, on_ext(SFTP_EXT_STATVFS, on_path(0, ".")), SFTP_EXTENDED_REPLY);
	cr_assert_eq(p.m.rest.len, 88);
	r = rd_view(p.m.rest);
	cr_assert_gt(rd_u64(&r), 0);
	peer_ask(&p, on_ext(SFTP_EXT_FSTATVFS, on_handle(0, &h)), SFTP_EXTENDED_REPLY);
	peer_status(&p, on_ext(SFTP_EXT_STATVFS, on_path(0, "none")), SFTP_FX_NO_SUCH_FILE);
}

Test(sftp_fs, longname)
{
	struct id_names *ids = calloc(1, sizeof *ids);
	struct stat st = { .st_mode = S_IFREG | 04755, .st_nlink = 2, .st_uid = 4000000, .st_gid = 4000001, .st_size = 1234 };
	char out[256];

	setenv("TZ", "UTC", 1);
	tzset();
	st.st_mtime = 1700000000;	/* 2023-11-14 22:13:20 */
	cr_assert_str_eq(sftp_longname(out, sizeof out, "name", &st, ids, 1700000100), "-rwsr-xr-x    2 4000000  4000001      1234 Nov 14 22:13 name");
	cr_assert_str_eq(sftp_longname(out, sizeof out, "name", &st, ids, 1800000000), "-rwsr-xr-x    2 4000000  4000001      1234 Nov 14  2023 name");
	st.st_mode = S_IFDIR | 01777;
	st.st_uid = st.st_gid = 0;
	cr_assert_str_eq(sftp_longname(out, sizeof out, "d", &st, ids, 1700000100), "drwxrwxrwt    2 root     root         1234 Nov 14 22:13 d");
	cr_assert_str_eq(id_user(ids, 4000000 + ID_NAMES), "4000064");
	cr_assert_str_eq(id_user(ids, 4000000), "4000000");
	free(ids);
}
