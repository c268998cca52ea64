#include "ssh/sftp_codec.h"

#include "tests/unit/subsystems/peer.h"

/* A message with something in every field; which of it travels is the table's business. */
static struct sftp_msg full(unsigned type, enum sftp_ext ext)
{
	struct sftp_msg m = { .type = (uint8_t)type, .ext = ext, .id = 0x01020304, .version = 3, .flags = 0x1a, .len = 32768,
		.status = 4, .count = 0, .offset = 0x1122334455667788, .path = view_str("/some/path"), .path2 = view_str("other"),
		.handle = view_str("handle"), .data = view_str("data bytes"), .name = view_str("x@example.com"),
		.text = view_str("why"), .lang = view_str("en"), .rest = view_str("") };

	m.attrs = (struct sftp_attrs){ .flags = 15, .size = 1ull << 40, .uid = 1, .gid = 2, .perm = 0100644, .atime = 5, .mtime = 6 };
	return m;
}

static void round_trip(unsigned type, enum sftp_ext ext)
{
	struct sftp_msg in = full(type, ext), out;
	struct view packet;
	struct buf a, b;

	buf_init(&a, 4096, NULL);
	buf_init(&b, 4096, NULL);
	cr_assert_eq(sftp_encode(&a, &in), SSH_OK);
	cr_assert_eq(sftp_frame(view_of(buf_head(&a), buf_len(&a)), &packet), 1);
	cr_assert_eq(packet.len + 4, buf_len(&a));
	cr_assert_eq(sftp_decode(&out, packet), SSH_OK, "%s", sftp_type_name(type));
	cr_assert_eq(out.type, type);
	cr_assert_eq(out.ext, ext);
	cr_assert_eq(sftp_encode(&b, &out), SSH_OK);
	cr_assert_eq(buf_len(&a), buf_len(&b));
	cr_assert_eq(memcmp(buf_head(&a), buf_head(&b), buf_len(&a)), 0, "%s changed", sftp_type_name(type));
	buf_drop(&a);
	buf_drop(&b);
}

Test(sftp_codec, every_message_comes_back)
{
	for (unsigned t = 0; t < 256; t++)
		if (sftp_type_name(t) != NULL && t != SFTP_EXTENDED)
			round_trip(t, SFTP_EXT_UNKNOWN);
	for (int e = 0; e < SFTP_EXT_COUNT; e++)
		round_trip(SFTP_EXTENDED, (enum sftp_ext)e);
	round_trip(99, SFTP_EXT_UNKNOWN);	/* a number nobody knows still has an id */
}

/* A field that ends early is an error; only where the last fields may be missing or are "the rest" is less still a message. */
static void truncations(unsigned type, enum sftp_ext ext)
{
	struct sftp_msg in = full(type, ext), out;
	size_t len, shortest;
	struct buf b;

	buf_init(&b, 4096, NULL);
	cr_assert_eq(sftp_encode(&b, &in), SSH_OK);
	len = buf_len(&b) - 4;
	shortest = type == SFTP_STATUS ? 9 : len;
	for (size_t n = 1; n < len; n++) {
		uint8_t *exact = malloc(n);
		int r;

		memcpy(exact, buf_head(&b) + 4, n);
		r = sftp_decode(&out, view_of(exact, n));
		if (n < shortest)
			cr_assert_eq(r, SSH_E_FORMAT, "%s cut at %zu", sftp_type_name(type), n);
		if (n >= 5 && type != SFTP_INIT && type != SFTP_VERSION)
			cr_assert_eq(out.id, in.id);
		free(exact);
	}
	buf_drop(&b);
}

Test(sftp_codec, every_truncation_is_refused)
{
	for (unsigned t = 0; t < 256; t++)
		if (sftp_type_name(t) != NULL && t != SFTP_EXTENDED)
			truncations(t, SFTP_EXT_UNKNOWN);
	for (int e = 0; e < SFTP_EXT_COUNT; e++)
		truncations(SFTP_EXTENDED, (enum sftp_ext)e);
}

Test(sftp_codec, frame)
{
	uint8_t b[16] = { 0, 0, 0, 5, 1, 0, 0, 0, 3, 9, 9 };
	struct view p;

	for (size_t n = 0; n < 9; n++)
		cr_assert_eq(sftp_frame(view_of(b, n), &p), 0);
	cr_assert_eq(sftp_frame(view_of(b, 9), &p), 1);
	cr_assert_eq(sftp_frame(view_of(b, 11), &p), 1);
	cr_assert_eq(p.len, 5);
	put_u32(b, 4);
	cr_assert_eq(sftp_frame(view_of(b, 4), &p), SSH_E_FORMAT);
	put_u32(b, 0);
	cr_assert_eq(sftp_frame(view_of(b, 4), &p), SSH_E_FORMAT);
	put_u32(b, SFTP_PACKET_MAX);
	cr_assert_eq(sftp_frame(view_of(b, 4), &p), 0);
	put_u32(b, SFTP_PACKET_MAX + 1);
	cr_assert_eq(sftp_frame(view_of(b, 4), &p), SSH_E_TOO_BIG);
	put_u32(b, 0xffffffff);
	cr_assert_eq(sftp_frame(view_of(b, 4), &p), SSH_E_TOO_BIG);
}

/* The order of SYMLINK's arguments is OpenSSH's, not the draft's: target first. */
Test(sftp_codec, symlink_sends_the_target_first)
{
	struct sftp_msg m = { .type = SFTP_SYMLINK, .id = 7, .path = view_str("T"), .path2 = view_str("link") };
	static const uint8_t wire[] = { 0, 0, 0, 18, 20, 0, 0, 0, 7, 0, 0, 0, 1, 'T', 0, 0, 0, 4, 'l', 'i', 'n', 'k' };
	struct buf b;

	buf_init(&b, 100, NULL);
	cr_assert_eq(sftp_encode(&b, &m), SSH_OK);
	cr_assert_eq(buf_len(&b), sizeof wire);
	cr_assert_eq(memcmp(buf_head(&b), wire, sizeof wire), 0);
	buf_drop(&b);
}

Test(sftp_codec, extended_attributes_are_read_over)
{
	static const uint8_t good[] = { 0x80, 0, 0, 4, 0, 0, 1, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b', 'c' };
	static const uint8_t many[] = { 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct sftp_attrs a;
	struct rd r = rd_of(good, sizeof good);

	sftp_get_attrs(&r, &a);
	cr_assert_eq(rd_done(&r), SSH_OK);
	cr_assert_eq(a.perm, 0777);
	r = rd_of(many, sizeof many);
	sftp_get_attrs(&r, &a);		/* ends with the packet, not with the count */
	cr_assert_eq(rd_done(&r), SSH_E_FORMAT);
}

Test(sftp_codec, a_packet_over_the_limit_is_not_written)
{
	static uint8_t big[SFTP_PACKET_MAX];
	struct sftp_msg m = { .type = SFTP_DATA, .data = view_of(big, sizeof big) };
	struct buf b;

	buf_init(&b, 4 * SFTP_PACKET_MAX, NULL);
	cr_assert_eq(buf_append(&b, "x", 1), SSH_OK);
	cr_assert_eq(sftp_encode(&b, &m), SSH_E_FULL);
	cr_assert_eq(buf_len(&b), 1);
	m.data.len = SFTP_PACKET_MAX - 9;
	cr_assert_eq(sftp_encode(&b, &m), SSH_OK);
	buf_drop(&b);
}

Test(sftp_codec, texts)
{
	cr_assert_str_eq(sftp_status_text(SFTP_FX_NO_SUCH_FILE), "No such file");
	cr_assert_str_eq(sftp_status_text(SFTP_FX_OP_UNSUPPORTED), "Operation unsupported");
	cr_assert_str_eq(sftp_status_text(9), "Unknown error");
	cr_assert_str_eq(sftp_ext_name(SFTP_EXT_STATVFS), "statvfs@openssh.com");
	cr_assert_str_eq(sftp_ext_version(SFTP_EXT_STATVFS), "2");
	cr_assert_null(sftp_ext_name(SFTP_EXT_COUNT));
	cr_assert_null(sftp_type_name(99));
	cr_assert_null(sftp_type_name(1000));
}
