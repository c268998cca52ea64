#include "ssh/base64.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

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

void base64_encode(struct wr *w, struct view bytes, size_t line)
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

int base64_decode(struct buf *b, struct view text, int lines, size_t *at)
{
	uint8_t group[4], out[3] = { 0 };
	size_t have = 0, i;
	int n = 3, r = SSH_OK;

	for (i = 0; i < text.len && r == SSH_OK; i++) {
		if (lines && (text.p[i] == '\n' || text.p[i] == '\r'))
			continue;
		if (n != 3 || (text.p[i] != '=' && digit(text.p[i]) < 0)) {	/* after the padding, or nothing we know */
			r = SSH_E_FORMAT;
			break;
		}
		group[have++] = text.p[i];
		if (have < sizeof group)
			continue;
		have = 0;
		if ((n = decode_group(group, out)) < 0)
			r = n;
		else
			r = buf_append(b, out, (size_t)n);
	}
	secret_wipe(group, sizeof group);
	secret_wipe(out, sizeof out);
	if (at != NULL)
		*at = i < text.len ? i : text.len;
	return r == SSH_OK && have > 0 ? SSH_E_FORMAT : r;
}
