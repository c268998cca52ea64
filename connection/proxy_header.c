#include "connection/proxy_header.h"

#include <string.h>

#include "base/err.h"
#include "base/wire.h"

#define V2_FIXED 16u		/* signature, version and command, family, length */
#define TLV_CRC32C 0x03u

static const uint8_t v1_mark[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t v2_mark[] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

static enum proxy_verdict bad(struct proxy_header *h, const char *why)
{
	h->why = why;
	return PROXY_BAD;
}

/* ---- version 1: a line ----------------------------------------------------------------- */

/* The word before the next blank or the end, blank taken; 0: none, or too long. */
static int word(struct view *line, char *out, size_t size)
{
	const uint8_t *blank = line->len > 0 ? memchr(line->p, ' ', line->len) : NULL;
	size_t n = blank != NULL ? (size_t)(blank - line->p) : line->len, skip = blank != NULL ? n + 1 : n;

	if (n == 0 || n >= size || memchr(line->p, '\0', n) != NULL)
		return 0;
	memcpy(out, line->p, n);
	out[n] = '\0';
	*line = view_of(line->p + skip, line->len - skip);
	return blank == NULL || line->len > 0;
}

static int port(struct view *line, uint16_t *to)
{
	char text[8];
	unsigned value = 0;

	if (!word(line, text, sizeof text) || strlen(text) > 5 || (text[0] == '0' && text[1] != '\0'))
		return 0;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		value = value * 10 + (unsigned)(*p - '0');
	}
	*to = (uint16_t)value;
	return value <= 65535;
}

static int address(struct view *line, uint8_t family, struct addr *to)
{
	char text[48];

	return word(line, text, sizeof text) && addr_parse_ip(to, text) == SSH_OK && to->family == family;
}

static enum proxy_verdict line_taken(struct proxy_header *h, struct view line)
{
	char kind[8];
	uint8_t family;

	h->version = 1;
	h->own = line.len >= 7 && memcmp(line.p, "UNKNOWN", 7) == 0 && (line.len == 7 || line.p[7] == ' ');
	if (h->own)	/* whatever follows is to be ignored (2.1) */
		return PROXY_TAKEN;
	if (!word(&line, kind, sizeof kind) || (strcmp(kind, "TCP4") != 0 && strcmp(kind, "TCP6") != 0))
		return bad(h, "unknown protocol");
	family = kind[3] == '4' ? ADDR_IPV4 : ADDR_IPV6;
	if (!address(&line, family, &h->peer) || !address(&line, family, &h->local))
		return bad(h, "malformed address");
	if (!port(&line, &h->peer.port) || !port(&line, &h->local.port) || line.len > 0)
		return bad(h, "malformed port");
	addr_unmap(&h->peer);
	addr_unmap(&h->local);
	return PROXY_TAKEN;
}

static enum proxy_verdict version_1(struct proxy_header *h, const uint8_t *p, size_t n)
{
	size_t look = n < PROXY_V1_MAX ? n : PROXY_V1_MAX;
	const uint8_t *cr = memchr(p, '\r', look);

	if (cr == NULL || cr + 1 == p + look) {
		if (memchr(p, '\n', look) != NULL)
			return bad(h, "line without CR LF");
		return n < PROXY_V1_MAX ? PROXY_MORE : bad(h, "line too long");
	}
	if (cr[1] != '\n' || memchr(p, '\n', (size_t)(cr - p)) != NULL)
		return bad(h, "line without CR LF");
	h->len = (size_t)(cr - p) + 2;
	return line_taken(h, view_of(p + sizeof v1_mark, (size_t)(cr - p) - sizeof v1_mark));
}

/* ---- version 2: binary ------------------------------------------------------------------- */

uint32_t proxy_header_crc(const uint8_t *p, size_t n, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= i >= hole && i - hole < 4 ? 0 : p[i];	/* its own field counts as zeros (2.2.3) */
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The vectors behind the addresses, from at to the end of the header. Only the checksum says something to us. */
static enum proxy_verdict vectors(struct proxy_header *h, const uint8_t *p, size_t at)
{
	while (at < h->len) {
		size_t n;

		if (h->len - at < 3 || (n = be16(p + at + 1)) > h->len - at - 3)
			return bad(h, "malformed TLV");
		if (p[at] == TLV_CRC32C) {
			if (n != 4)
				return bad(h, "malformed checksum");
			if (proxy_header_crc(p, h->len, at + 3) != ((uint32_t)be16(p + at + 3) << 16 | be16(p + at + 5)))
				return bad(h, "wrong checksum");
		}
		at += 3 + n;
	}
	return PROXY_TAKEN;
}

static void ip_end(struct addr *to, uint8_t family, const uint8_t *ip, size_t n, const uint8_t *at_port)
{
	*to = (struct addr){ .family = family, .port = be16(at_port) };
	memcpy(to->ip, ip, n);
	addr_unmap(to);
}

/* The whole header is there. */
static enum proxy_verdict binary_taken(struct proxy_header *h, const uint8_t *p)
{
	static const struct { uint8_t family; size_t ip, block; } kinds[] = {
		{ ADDR_NONE, 0, 0 }, { ADDR_IPV4, 4, 12 }, { ADDR_IPV6, 16, 36 }, { ADDR_UNIX, 0, 216 },
	};
	unsigned command = p[12] & 0x0f, family = p[13] >> 4, transport = p[13] & 0x0f;
	const uint8_t *block = p + V2_FIXED;
	size_t ip;

	if (command > 1)
		return bad(h, "unknown command");
	h->own = command == 0;
	if (h->own)	/* LOCAL: the block is skipped, its family too */
		return PROXY_TAKEN;
	if (family > 3 || transport > 2)
		return bad(h, "unknown address family");
	if (h->len < V2_FIXED + kinds[family].block)
		return bad(h, "addresses cut short");
	if (family == 0 || transport != 1) {	/* UNSPEC, and datagrams, which nobody speaks SSH over */
		h->own = 1;
		return family == 0 ? PROXY_TAKEN : vectors(h, p, V2_FIXED + kinds[family].block);
	}
	ip = kinds[family].ip;
	if (family == 3) {
		h->peer.family = h->local.family = ADDR_UNIX;
	} else {
		ip_end(&h->peer, kinds[family].family, block, ip, block + 2 * ip);
		ip_end(&h->local, kinds[family].family, block + ip, ip, block + 2 * ip + 2);
	}
	return vectors(h, p, V2_FIXED + kinds[family].block);
}

static enum proxy_verdict version_2(struct proxy_header *h, const uint8_t *p, size_t n)
{
	h->version = 2;
	if (n > 12 && p[12] >> 4 != 2)
		return bad(h, "unknown version");
	if (n < V2_FIXED)
		return PROXY_MORE;
	h->len = V2_FIXED + be16(p + 14);
	if (h->len > PROXY_V2_MAX)
		return bad(h, "too long");
	return n < h->len ? PROXY_MORE : binary_taken(h, p);
}

/* ---- which ------------------------------------------------------------------------------------ */

static int begins(const uint8_t *p, size_t n, const uint8_t *mark, size_t len)
{
	return memcmp(p, mark, n < len ? n : len) == 0;
}

enum proxy_verdict proxy_header_parse(struct proxy_header *h, const uint8_t *p, size_t n)
{
	memset(h, 0, sizeof *h);
	if (n == 0)
		return PROXY_MORE;
	if (begins(p, n, v1_mark, sizeof v1_mark))
		return n < sizeof v1_mark ? PROXY_MORE : version_1(h, p, n);
	if (begins(p, n, v2_mark, sizeof v2_mark))
		return n < sizeof v2_mark ? PROXY_MORE : version_2(h, p, n);
	return PROXY_ABSENT;
}
