#include "ssh/keyfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "ssh/crypto/crypto.h"

#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END_LINE   "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC      "openssh-key-v1"	/* and its NUL (PROTOCOL.key) */
#define FILE_MAX   65536u		/* RSA 16384 takes 12 KiB */
#define LINE_CHARS 70u			/* as ssh-keygen breaks lines */
#define PAD_BLOCK  8u			/* of cipher "none" */

/* ---- base64 (RFC 4648 4) ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a digit, or -1. */
static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* line: a newline after so many characters and at the end; 0: none. */
static void encode_base64(struct wr *w, struct view bytes, size_t line)
{
	size_t column = 0;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t v = (uint32_t)bytes.p[i] << 16;

		v |= have > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0;
		v |= have > 2 ? bytes.p[i + 2] : 0;
		for (size_t k = 0; k < 4; k++) {
			wr_u8(w, k <= have ? (uint8_t)alphabet[v >> (18 - 6 * k) & 63] : '=');
			if (line > 0 && ++column == line) {
				wr_u8(w, '\n');
				column = 0;
			}
		}
	}
	if (column > 0)
		wr_u8(w, '\n');
}

/* One group of four characters; the last may end in '='. Bytes written (1..3) or SSH_E_FORMAT. */
static int decode_group(const uint8_t c[4], uint8_t out[3])
{
	int pad = c[3] != '=' ? 0 : c[2] != '=' ? 1 : 2;
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		int d = i >= 4 - pad ? 0 : digit(c[i]);

		if (d < 0)
			return SSH_E_FORMAT;
		v = v << 6 | (uint32_t)d;
	}
	out[0] = (uint8_t)(v >> 16), out[1] = (uint8_t)(v >> 8), out[2] = (uint8_t)v;
	if ((pad > 0 && out[2] != 0) || (pad > 1 && out[1] != 0))
		return SSH_E_FORMAT;	/* one spelling for each key */
	return 3 - pad;
}

/* skip: line ends between the characters are allowed. */
static int decode_base64(struct buf *b, struct view text, int skip)
{
	uint8_t group[4], out[3] = { 0 };
	size_t have = 0;
	int n = 3, r;

	for (size_t i = 0; i < text.len; i++) {
		if (skip && (text.p[i] == '\n' || text.p[i] == '\r'))
			continue;
		if (n != 3)		/* something after the padding */
			return SSH_E_FORMAT;
		group[have++] = text.p[i];
		if (have < sizeof group)
			continue;
		have = 0;
		TRY(n = decode_group(group, out));
		TRY(buf_append(b, out, (size_t)n));
	}
	secret_wipe(group, sizeof group);
	secret_wipe(out, sizeof out);
	return have == 0 ? SSH_OK : SSH_E_FORMAT;
}

int keyfile_decode_base64(struct buf *b, struct view text)
{
	size_t before = buf_len(b);
	int r = text.len == 0 ? SSH_E_FORMAT : decode_base64(b, text, 0);

	if (r < 0)
		buf_truncate(b, before);
	return r;
}

/* ---- reading ---- */

/* The text between the two lines; SSH_E_KEYFILE. */
static int unwrap(struct view file, struct view *body)
{
	size_t begin = sizeof BEGIN_LINE - 1, end = sizeof END_LINE - 1, at = begin;

	if (file.len > FILE_MAX || file.len < begin + end || memcmp(file.p, BEGIN_LINE, begin) != 0)
		return SSH_E_KEYFILE;
	if (file.p[at] != '\n' && file.p[at] != '\r')
		return SSH_E_KEYFILE;
	while (at < file.len && file.p[at] != '-')
		at++;
	if (file.len - at < end || memcmp(file.p + at, END_LINE, end) != 0)
		return SSH_E_KEYFILE;
	*body = view_of(file.p + begin, at - begin);
	return SSH_OK;
}

/* Private part: check numbers, key, comment, padding 1 2 3 … */
static int read_section(struct privkey **res, struct view section, struct view *comment)
{
	struct rd in = rd_view(section);
	uint32_t check = rd_u32(&in);
	int r;

	if (section.len % PAD_BLOCK != 0 || check != rd_u32(&in))
		return SSH_E_KEYFILE;
	TRY(privkey_read_private(res, &in));
	*comment = rd_string(&in, SSH_BLOB_MAX);
	if (rd_left(&in) >= PAD_BLOCK)
		return SSH_E_KEYFILE;
	for (uint8_t want = 1; rd_left(&in) > 0; want++)
		if (rd_u8(&in) != want)
			return SSH_E_KEYFILE;
	return rd_done(&in);
}

static int read_decoded(struct privkey **res, struct view bytes, struct view *comment)
{
	struct rd in = rd_view(bytes);
	struct view magic = rd_raw(&in, sizeof MAGIC), cipher, kdf, options, blob, section;
	uint32_t keys;
	int r;

	if (in.bad || memcmp(magic.p, MAGIC, sizeof MAGIC) != 0)
		return SSH_E_KEYFILE;
	cipher = rd_string(&in, SSH_ALG_NAME_MAX);
	kdf = rd_string(&in, SSH_ALG_NAME_MAX);
	options = rd_string(&in, SSH_BLOB_MAX);
	keys = rd_u32(&in);
	blob = rd_string(&in, SSH_BLOB_MAX);
	section = rd_string(&in, FILE_MAX);
	if (in.bad)
		return SSH_E_KEYFILE;
	if (!view_is(cipher, "none"))
		return SSH_E_PASSPHRASE;	/* an AEAD's tag may follow, so ask this before rd_done() */
	if (rd_done(&in) < 0 || keys != 1 || !view_is(kdf, "none") || options.len > 0)
		return SSH_E_KEYFILE;
	TRY(read_section(res, section, comment));
	return view_same(blob, privkey_blob(*res)) ? SSH_OK : SSH_E_KEYFILE;
}

/* Whatever is wrong inside, the caller hears that the file is damaged. */
static int file_error(int r)
{
	switch (r) {
	case SSH_E_FORMAT:
	case SSH_E_BAD_VALUE:
	case SSH_E_FULL:
		return SSH_E_KEYFILE;
	default:
		return r;
	}
}

int keyfile_read_private(struct privkey **res, struct view file, char comment[256])
{
	struct buf b;
	struct view body, text = { NULL, 0 };
	int r;

	*res = NULL;
	if (comment != NULL)
		comment[0] = '\0';
	buf_init(&b, FILE_MAX, NULL);
	if ((r = unwrap(file, &body)) == SSH_OK && (r = decode_base64(&b, body, 1)) == SSH_OK)
		r = read_decoded(res, view_of(buf_head(&b), buf_len(&b)), &text);
	if (r < 0) {
		privkey_free(*res);
		*res = NULL;
	} else if (comment != NULL) {
		size_t n = text.len < 255 ? text.len : 255;

		if (n > 0)
			memcpy(comment, text.p, n);
		comment[n] = '\0';
	}
	buf_drop(&b);
	return file_error(r);
}

/* ---- writing ---- */

static int write_section(struct wr *w, const struct privkey *k, const char *comment)
{
	size_t mark = wr_string_begin(w);
	uint8_t check[4];
	int r;

	crypto_random(NULL, check, sizeof check);
	wr_raw(w, check, sizeof check);
	wr_raw(w, check, sizeof check);
	TRY(privkey_write_private(k, w));
	wr_cstr(w, comment);
	for (uint8_t pad = 1; w->error == 0 && (buf_len(w->b) - mark) % PAD_BLOCK != 0; pad++)
		wr_u8(w, pad);
	wr_string_end(w, mark);
	return wr_done(w);
}

int keyfile_write_private(struct buf *out, const struct privkey *k, const char *comment)
{
	struct buf b;
	struct wr w = wr_to(&b), text = wr_to(out);
	size_t before = buf_len(out);
	int r;

	buf_init(&b, FILE_MAX, NULL);
	wr_raw(&w, MAGIC, sizeof MAGIC);
	wr_cstr(&w, "none");
	wr_cstr(&w, "none");
	wr_cstr(&w, "");
	wr_u32(&w, 1);
	wr_view(&w, privkey_blob(k));
	if ((r = write_section(&w, k, comment)) == SSH_OK) {
		wr_raw(&text, BEGIN_LINE "\n", sizeof BEGIN_LINE);
		encode_base64(&text, view_of(buf_head(&b), buf_len(&b)), LINE_CHARS);
		wr_raw(&text, END_LINE "\n", sizeof END_LINE);
		r = wr_done(&text);
	}
	if (r < 0)
		buf_truncate(out, before);
	buf_drop(&b);
	return r;
}

static int one_line(struct view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < ' ' || text.p[i] == 0x7f)
			return 0;
	return 1;
}

int keyfile_write_public(struct buf *out, struct view blob, const char *comment)
{
	struct rd in = rd_view(blob);
	struct view name = rd_string(&in, SSH_ALG_NAME_MAX);
	struct wr w = wr_to(out);
	size_t before = buf_len(out);
	int r;

	if (in.bad || !one_line(view_str(comment)))
		return SSH_E_FORMAT;
	if (!one_line(name) || (name.len > 0 && memchr(name.p, ' ', name.len) != NULL))
		return SSH_E_FORMAT;
	wr_raw(&w, name.p, name.len);
	wr_u8(&w, ' ');
	encode_base64(&w, blob, 0);
	if (comment != NULL && *comment != '\0') {
		wr_u8(&w, ' ');
		wr_raw(&w, comment, strlen(comment));
	}
	wr_u8(&w, '\n');
	if ((r = wr_done(&w)) < 0)
		buf_truncate(out, before);
	return r;
}
