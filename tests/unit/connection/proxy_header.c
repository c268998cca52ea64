/* proxy_header: examples of proxy-protocol.txt, every cut, every truncation, everything that must be refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "connection/proxy_header.h"

static const uint8_t mark[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

struct bytes { uint8_t v[1024]; size_t n; };

static void put(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->v + b->n, p, n);
	b->n += n;
}

/* Version and command, family, then what follows with its length. */
static struct bytes v2(uint8_t command, uint8_t family, const void *rest, size_t n)
{
	struct bytes b = { .n = 0 };

	put(&b, mark, sizeof mark);
	put(&b, &(uint8_t[]){ command, family, (uint8_t)(n >> 8), (uint8_t)n }, 4);
	if (n > 0)
		put(&b, rest, n);
	return b;
}

static void set_length(struct bytes *b)
{
	b->v[14] = (uint8_t)((b->n - 16) >> 8);
	b->v[15] = (uint8_t)(b->n - 16);
}

static void add_tlv(struct bytes *b, uint8_t type, const void *p, size_t n)
{
	put(b, &(uint8_t[]){ type, (uint8_t)(n >> 8), (uint8_t)n }, 3);
	put(b, p, n);
	set_length(b);
}

static void add_checksum(struct bytes *b)
{
	uint32_t crc;

	add_tlv(b, 3, "\0\0\0\0", 4);
	crc = proxy_header_crc(b->v, b->n, b->n - 4);
	for (int i = 0; i < 4; i++)
		b->v[b->n - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

static const uint8_t tcp4[12] = { 203, 0, 113, 7, 192, 0, 2, 1, 0xc3, 0x51, 0, 22 };
static const uint8_t tcp6[36] = { 0x20, 1, 0xd, 0xb8, [15] = 7, [16] = 0x20, [17] = 1, [18] = 0xd, [19] = 0xb8, [31] = 1,
	[32] = 0xc3, [33] = 0x51, [34] = 0, [35] = 22 };

/* Nothing before its end is a verdict, whatever follows changes none; each beginning is a copy, so that ASan sees a look beyond. */
static struct proxy_header taken(struct bytes b)
{
	struct proxy_header h;
	size_t n = b.n;

	for (size_t i = 0; i < n; i++) {
		uint8_t *copy = malloc(i + 1);

		memcpy(copy, b.v, i);
		cr_assert_eq(proxy_header_parse(&h, copy, i), PROXY_MORE, "after %zu of %zu bytes", i, n);
		free(copy);
	}
	put(&b, "SSH-2.0-x\r\n", 11);
	cr_assert_eq(proxy_header_parse(&h, b.v, b.n), PROXY_TAKEN);
	cr_assert_eq(h.len, n);
	cr_assert_eq(proxy_header_parse(&h, b.v, n), PROXY_TAKEN);
	cr_assert_eq(h.len, n);
	return h;
}

/* Malformed, and never taken on the way there. */
static void refused(struct bytes b, const char *why)
{
	struct proxy_header h;

	for (size_t i = 0; i < b.n; i++) {
		enum proxy_verdict v = proxy_header_parse(&h, b.v, i);

		cr_assert(v == PROXY_MORE || v == PROXY_BAD, "%s: verdict %d after %zu bytes", why, (int)v, i);
	}
	cr_assert_eq(proxy_header_parse(&h, b.v, b.n), PROXY_BAD, "%s: taken", why);
	cr_assert_str_eq(h.why, why);
}

static struct bytes text(const char *s)
{
	struct bytes b = { .n = 0 };

	put(&b, s, strlen(s));
	return b;
}

static void ends(const struct proxy_header *h, const char *peer, const char *local)
{
	char a[ADDR_TEXT_MAX];

	cr_assert_not(h->own);
	cr_assert_str_eq(addr_text(&h->peer, a), peer, "%s", a);
	cr_assert_str_eq(addr_text(&h->local, a), local, "%s", a);
}

Test(proxy_header, version_1)
{
	struct proxy_header h = taken(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001 22\r\n"));

	cr_assert_eq(h.version, 1);
	ends(&h, "203.0.113.7:50001", "192.0.2.1:22");
	h = taken(text("PROXY TCP6 2001:db8::7 2001:db8::1 50001 22\r\n"));
	ends(&h, "[2001:db8::7]:50001", "[2001:db8::1]:22");
	h = taken(text("PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 1 0\r\n"));
	cr_assert_eq(h.peer.family, ADDR_IPV4);
	ends(&h, "203.0.113.7:1", "192.0.2.1:0");
	h = taken(text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"));
	ends(&h, "255.255.255.255:65535", "255.255.255.255:65535");
	h = taken(text("PROXY UNKNOWN\r\n"));
	cr_assert(h.own);
	/* the longest there may be (2.1) */
	h = taken(text("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"));
	cr_assert(h.own);
	cr_assert_eq(h.len, PROXY_V1_MAX);
}

Test(proxy_header, version_1_refused)
{
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001 22\n"), "line without CR LF");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001 22\rX"), "line without CR LF");
	refused(text("PROXY TCP4\n 203.0.113.7 192.0.2.1 50001 22\r\n"), "line without CR LF");
	refused(text("PROXY TCP5 203.0.113.7 192.0.2.1 50001 22\r\n"), "unknown protocol");
	refused(text("PROXY \r\n"), "unknown protocol");
	refused(text("PROXY UNKNOWNX\r\n"), "unknown protocol");
	refused(text("PROXY tcp4 203.0.113.7 192.0.2.1 50001 22\r\n"), "unknown protocol");
	refused(text("PROXY TCP4 203.0.113 192.0.2.1 50001 22\r\n"), "malformed address");
	refused(text("PROXY TCP4 2001:db8::7 192.0.2.1 50001 22\r\n"), "malformed address");
	refused(text("PROXY TCP6 203.0.113.7 192.0.2.1 50001 22\r\n"), "malformed address");
	refused(text("PROXY TCP4  203.0.113.7 192.0.2.1 50001 22\r\n"), "malformed address");
	refused(text("PROXY TCP4 203.0.113.7\r\n"), "malformed address");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 65536 22\r\n"), "malformed port");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 022 22\r\n"), "malformed port");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 -1 22\r\n"), "malformed port");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001\r\n"), "malformed port");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001 22 \r\n"), "malformed port");
	refused(text("PROXY TCP4 203.0.113.7 192.0.2.1 50001 22 9\r\n"), "malformed port");
	refused(text("PROXY UNKNOWN fffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    "line too long");
}

Test(proxy_header, version_2)
{
	struct proxy_header h = taken(v2(0x21, 0x11, tcp4, sizeof tcp4));
	uint8_t unix_ends[216] = "/run/there";

	cr_assert_eq(h.version, 2);
	ends(&h, "203.0.113.7:50001", "192.0.2.1:22");
	h = taken(v2(0x21, 0x21, tcp6, sizeof tcp6));
	ends(&h, "[2001:db8::7]:50001", "[2001:db8::1]:22");
	h = taken(v2(0x21, 0x31, unix_ends, sizeof unix_ends));
	cr_assert_not(h.own);
	cr_assert_eq(h.peer.family, ADDR_UNIX);
	h = taken(v2(0x20, 0x00, NULL, 0));
	cr_assert(h.own, "LOCAL");
	h = taken(v2(0x20, 0xff, tcp6, 5));
	cr_assert(h.own, "LOCAL: the block is skipped, its family too");
	h = taken(v2(0x21, 0x00, "what it likes", 13));
	cr_assert(h.own, "UNSPEC");
	h = taken(v2(0x21, 0x12, tcp4, sizeof tcp4));
	cr_assert(h.own, "datagrams");
	h = taken(v2(0x21, 0x10, tcp4, sizeof tcp4));
	cr_assert(h.own, "unspecified transport");
}

Test(proxy_header, vectors)
{
	struct bytes b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	struct proxy_header h;
	static uint8_t fill[PROXY_V2_MAX];

	add_tlv(&b, 0x01, "ssh", 3);
	add_tlv(&b, 0x04, "", 0);
	add_checksum(&b);
	add_tlv(&b, 0xe0, "ours", 4);
	h = (struct proxy_header){ 0 };
	cr_assert_eq(proxy_header_parse(&h, b.v, b.n), PROXY_BAD, "a vector behind it is covered by the checksum");
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	add_tlv(&b, 0xe0, "ours", 4);
	add_checksum(&b);
	h = taken(b);
	ends(&h, "203.0.113.7:50001", "192.0.2.1:22");
	for (size_t i = 16; i < b.n; i++) {	/* any bit of it */
		struct bytes c = b;

		if (i == b.n - 7)
			continue;	/* the checksum's own type: then there is none */
		c.v[i] ^= 0x20;
		cr_assert_neq(proxy_header_parse(&h, c.v, c.n), PROXY_TAKEN, "byte %zu changed", i);
	}
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	add_tlv(&b, 0x04, fill, PROXY_V2_MAX - b.n - 3);
	cr_assert_eq(b.n, PROXY_V2_MAX);
	taken(b);
}

/* RFC 3720 B.4: 32 bytes of zeros, of ones, and counting up. */
Test(proxy_header, crc32c)
{
	uint8_t b[32] = { 0 };

	cr_assert_eq(proxy_header_crc(b, 32, SIZE_MAX), 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	cr_assert_eq(proxy_header_crc(b, 32, SIZE_MAX), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		b[i] = i;
	cr_assert_eq(proxy_header_crc(b, 32, SIZE_MAX), 0x46dd794e);
}

Test(proxy_header, version_2_refused)
{
	static const uint8_t zeros[PROXY_V2_MAX];
	struct bytes b;

	refused(v2(0x11, 0x11, tcp4, sizeof tcp4), "unknown version");
	refused(v2(0x22, 0x11, tcp4, sizeof tcp4), "unknown command");
	refused(v2(0x21, 0x41, tcp4, sizeof tcp4), "unknown address family");
	refused(v2(0x21, 0x13, tcp4, sizeof tcp4), "unknown address family");
	refused(v2(0x21, 0x11, tcp4, sizeof tcp4 - 1), "addresses cut short");
	refused(v2(0x21, 0x21, tcp6, sizeof tcp6 - 1), "addresses cut short");
	refused(v2(0x21, 0x31, zeros, 215), "addresses cut short");
	refused(v2(0x21, 0x11, zeros, PROXY_V2_MAX - 15), "too long");
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	put(&b, "\x04\0", 2);
	set_length(&b);
	refused(b, "malformed TLV");
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	put(&b, "\x04\0\x02x", 4);
	set_length(&b);
	refused(b, "malformed TLV");
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	add_tlv(&b, 3, "\0\0\0", 3);
	refused(b, "malformed checksum");
	b = v2(0x21, 0x11, tcp4, sizeof tcp4);
	add_tlv(&b, 3, "\1\2\3\4", 4);
	refused(b, "wrong checksum");
}

Test(proxy_header, absent)
{
	static const char *const not_one[] = { "SSH-2.0-OpenSSH_9.2\r\n", "PROXIES", "proxy tcp4", "GET / HTTP/1.0\r\n", "\r\n\r\nSSH-", "\n", "" };
	struct proxy_header h;

	for (size_t i = 0; not_one[i][0] != '\0'; i++)
		cr_assert_eq(proxy_header_parse(&h, (const uint8_t *)not_one[i], strlen(not_one[i])), PROXY_ABSENT, "%s", not_one[i]);
	cr_assert_eq(proxy_header_parse(&h, (const uint8_t *)"", 0), PROXY_MORE);
}
