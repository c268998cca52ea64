#include "ssh/compress.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

#include "base/err.h"
#include "ssh/session.h"
#include "tests/unit/ssh/pair.h"

/* compress - the two streams alone: round trips, what peers' streams look like, what hostile ones may cost, and moving. */

#define MAX SSH_PACKET_MAX

static uint8_t room[2 * SSH_PACKET_MAX];

/* kinds of payloads: nothing but one byte, words, and what does not compress */
static void fill(uint8_t *p, size_t n, int kind, uint64_t seed)
{
	static const char words[] = "the quick brown fox jumps over the lazy dog and drwxr-xr-x 2 root root 4096 ";

	if (kind == 0)
		memset(p, (int)seed, n);
	else if (kind == 1)
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)words[(i * (1 + seed % 3) + (i / 97) * seed) % (sizeof words - 1)];
	else
		pair_random(&seed, p, n);
}

static void taken(struct inflater *f, struct view packet, const uint8_t *p, size_t n)
{
	struct view payload;
	int r = inflater_take(f, packet, MAX, &payload);

	cr_assert_eq(r, SSH_OK, "%zu of %zu bytes: %s", packet.len, n, err_name(r));
	cr_assert_eq(payload.len, n, "%zu, not %zu", payload.len, n);
	cr_assert_arr_eq(payload.p, p, n);
}

Test(compress, every_size_fits_its_bound_and_comes_back)
{
	static uint8_t p[SSH_PACKET_MAX];
	struct deflater *d;
	struct inflater *f;
	size_t len;

	for (int kind = 0; kind < 3; kind++) {
		cr_assert_eq(deflater_new(&d, NULL), SSH_OK);
		cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
		for (size_t n = 1; n <= sizeof p; n = n < 700 ? n + 1 : n + n / 3 + 1) {
			if (n > sizeof p / 2)
				n = sizeof p;
			fill(p, n, kind, n);
			cr_assert_eq(deflater_put(d, p, n, room, &len), SSH_OK, "%zu bytes, kind %d", n, kind);
			cr_assert_leq(len, deflater_bound(d, n));
			taken(f, view_of(room, len), p, n);
		}
		deflater_free(d);
		inflater_free(f);
	}
}

/* Dropbear takes 21 bytes more than it would uncompressed. */
Test(compress, random_bytes_hardly_grow)
{
	static uint8_t p[32768];
	struct deflater *d;
	size_t len;

	cr_assert_eq(deflater_new(&d, NULL), SSH_OK);
	for (uint64_t i = 0; i < 40; i++) {
		fill(p, sizeof p, 2, i);
		cr_assert_eq(deflater_put(d, p, sizeof p, room, &len), SSH_OK);
		cr_assert_leq(len, sizeof p + 21);
	}
	deflater_free(d);
}

/* ---- peers -------------------------------------------------------------------------------------- */

/* Takes packets with an inflater that stays and with one that is moved before each. */
struct movers { struct inflater *still, *moved; unsigned moves, refused; };

static int move(struct inflater **f)
{
	struct inflater *next;
	struct buf b;
	struct wr w;
	struct rd in;
	int r;

	buf_init(&b, 1 << 20, NULL);
	w = wr_to(&b);
	if ((r = inflater_export(*f, &w)) == SSH_OK) {
		cr_assert_eq(wr_done(&w), SSH_OK);
		in = rd_of(buf_head(&b), buf_len(&b));
		cr_assert_eq(inflater_import(&next, &in, NULL), SSH_OK);
		cr_assert_eq(rd_done(&in), SSH_OK);
		inflater_free(*f);
		*f = next;
	} else {
		cr_assert_eq(r, SSH_E_NOT_NOW, "%s", err_name(r));
	}
	buf_drop(&b);
	return r;
}

static void movers_take(struct movers *m, const uint8_t *packet, size_t len, const uint8_t *p, size_t n)
{
	if (move(&m->moved) == SSH_OK)
		m->moves++;
	else
		m->refused++;
	taken(m->still, view_of(packet, len), p, n);
	taken(m->moved, view_of(packet, len), p, n);
}

static void movers_begin(struct movers *m)
{
	memset(m, 0, sizeof *m);
	cr_assert_eq(inflater_new(&m->still, NULL), SSH_OK);
	cr_assert_eq(inflater_new(&m->moved, NULL), SSH_OK);
}

static void movers_end(struct movers *m)
{
	inflater_free(m->still);
	inflater_free(m->moved);
}

static size_t some_size(uint64_t *seed)
{
	uint8_t b[3];

	pair_random(seed, b, sizeof b);
	return 1 + (b[0] < 200 ? b[1] : b[1] * 128u + b[2]);
}

/* OpenSSH: partial flush; asyncssh and Dropbear: sync flush; paramiko: full flush. Every level and window. */
static void stock_peer(int flush, int level, int window, uint64_t seed)
{
	static uint8_t p[40000];
	struct movers m;
	z_stream z;

	memset(&z, 0, sizeof z);
	cr_assert_eq(deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	movers_begin(&m);
	for (int i = 0; i < 60; i++) {
		size_t n = some_size(&seed);

		fill(p, n, i % 3, seed);
		z.next_in = p, z.avail_in = (unsigned)n;
		z.next_out = room, z.avail_out = sizeof room;
		cr_assert_eq(deflate(&z, flush), Z_OK);
		movers_take(&m, room, sizeof room - z.avail_out, p, n);
	}
	cr_assert_eq(m.refused, 0u, "%u of %u not moved: flush %d level %d", m.refused, m.moves, flush, level);
	deflateEnd(&z);
	movers_end(&m);
}

Test(compress, stock_peers_and_their_states)
{
	static const int flushes[] = { Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH };

	for (int i = 0; i < 3; i++)
		for (int level = 0; level <= 9; level += 3)
			for (int window = 9; window <= 15; window += 3)
				stock_peer(flushes[i], level, window, (uint64_t)(i * 100 + level * 10 + window));
}

/* PuTTY's: one block of the fixed code after the other; each packet ends with an end, an empty block and the head of the next one. */
struct bits { uint8_t *to; size_t len; uint32_t have; unsigned n; };

static void put_bits(struct bits *b, uint32_t value, unsigned n)
{
	b->have |= value << b->n;
	for (b->n += n; b->n >= 8; b->n -= 8, b->have >>= 8)
		b->to[b->len++] = (uint8_t)b->have;
}

static void put_literal(struct bits *b, uint8_t c)
{
	unsigned code = c < 144 ? 0x30u + c : 0x190u + c - 144, n = c < 144 ? 8 : 9, turned = 0;

	for (unsigned i = 0; i < n; i++)
		turned |= (code >> i & 1) << (n - 1 - i);
	put_bits(b, turned, n);
}

Test(compress, a_peer_that_leaves_a_block_open)
{
	static uint8_t p[40000];
	struct bits b = { .to = room };
	struct movers m;
	uint64_t seed = 5;

	movers_begin(&m);
	for (int i = 0; i < 300; i++) {
		size_t n = some_size(&seed);

		b.len = 0;
		if (i == 0) {
			put_bits(&b, 0x78, 8);
			put_bits(&b, 0x01, 8);
			put_bits(&b, 2, 3);
		}
		fill(p, n, 1 + i % 2, seed);
		for (size_t k = 0; k < n; k++)
			put_literal(&b, p[k]);
		put_bits(&b, 0, 7);
		put_bits(&b, 2, 10);
		put_bits(&b, 2, 3);
		movers_take(&m, room, b.len, p, n);
	}
	cr_assert_eq(m.refused, 0u);
	movers_end(&m);
}

/* No peer's: one block without an end for everything, flushed with nothing but stuffing. It is understood, and stays where it is. */
Test(compress, a_block_with_data_in_it_is_not_moved)
{
	uint8_t packet[64];
	struct bits b = { .to = packet };
	struct inflater *f;
	struct view payload;
	struct buf to;
	struct wr w;

	buf_init(&to, 1 << 20, NULL);
	w = wr_to(&to);
	cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
	put_bits(&b, 0x78, 8);
	put_bits(&b, 0x01, 8);
	put_bits(&b, 2, 3);
	for (int i = 0; i < 8; i++)
		put_literal(&b, 'a');
	put_bits(&b, 0, 5);	/* of the end's seven */
	cr_assert_eq(inflater_take(f, view_of(packet, b.len), MAX, &payload), SSH_OK);
	cr_assert(view_is(payload, "aaaaaaaa"));
	cr_assert_eq(inflater_export(f, &w), SSH_E_NOT_NOW);
	b.len = 0;
	put_bits(&b, 0, 2);
	put_bits(&b, 2, 3);
	put_literal(&b, 'b');
	put_bits(&b, 0, 7);
	put_bits(&b, 2, 10);
	put_bits(&b, 0, 7);
	cr_assert_eq(inflater_take(f, view_of(packet, b.len), MAX, &payload), SSH_OK);
	cr_assert(view_is(payload, "b"));
	cr_assert_eq(inflater_export(f, &w), SSH_OK);
	inflater_free(f);
	buf_drop(&to);
}

/* ---- hostile streams ------------------------------------------------------------------------------ */

static size_t packed(const uint8_t *p, size_t n, int flush)
{
	z_stream z;

	memset(&z, 0, sizeof z);
	cr_assert_eq(deflateInit(&z, 9), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)p, z.avail_in = (unsigned)n;
	z.next_out = room, z.avail_out = sizeof room;
	deflate(&z, flush);
	n = sizeof room - z.avail_out;
	deflateEnd(&z);
	return n;
}

static int takes(const uint8_t *packet, size_t len, size_t max)
{
	struct pair_mem m;
	struct inflater *f;
	struct view payload;
	int r;

	pair_mem_init(&m);
	cr_assert_eq(inflater_new(&f, &m.mem), SSH_OK);
	r = inflater_take(f, view_of(packet, len), max, &payload);
	cr_assert(r < 0 || payload.len <= max);
	cr_assert_lt(m.bytes, 700000u, "%zu bytes kept", m.bytes);
	inflater_free(f);
	cr_assert_eq(m.live, 0);
	return r;
}

Test(compress, the_longest_payload_and_one_byte_more)
{
	static uint8_t p[64 << 20];
	static const size_t max[] = { 1, 4095, 4096, 4097, 35000, SSH_PACKET_MAX };

	for (unsigned i = 0; i < sizeof max / sizeof max[0]; i++)
		for (size_t n = max[i] - 1; n <= max[i] + 1; n++)
			if (n > 0)
				cr_assert_eq(takes(room, packed(p, n, Z_SYNC_FLUSH), max[i]), n <= max[i] ? SSH_OK : SSH_E_TOO_BIG, "%zu of %zu", n, max[i]);
	cr_assert_eq(takes(room, packed(p, sizeof p, Z_SYNC_FLUSH), SSH_PACKET_MAX), SSH_E_TOO_BIG);
	cr_assert_eq(takes(room, packed(p, sizeof p, Z_SYNC_FLUSH), SIZE_MAX), SSH_E_TOO_BIG, "whatever is asked for");
}

/* A block of codes of its own and nothing else: 90 bits, for which zlib makes three tables. */
static void put_tables(struct bits *b)
{
	put_bits(b, 4, 3);		/* dynamic */
	put_bits(b, 0, 10);		/* 257 literals, 1 distance */
	put_bits(b, 14, 4);		/* lengths of 18 code length codes: of 18 and of 1 it is 1 */
	for (int i = 0; i < 18; i++)
		put_bits(b, i == 2 || i == 17, 3);
	put_bits(b, 1 | 127 << 1, 8);	/* 138 zeros, 118 zeros, two ones */
	put_bits(b, 1 | 107 << 1, 8);
	put_bits(b, 0, 2);
	put_bits(b, 0, 1);		/* the end */
}

Test(compress, nothing_but_tables)
{
	static uint8_t packet[SSH_PACKET_MAX];
	struct bits b = { .to = packet };
	struct inflater *f;
	struct view v;
	struct rusage u;
	double used;

	put_bits(&b, 0x9c78, 16);
	while (b.len < sizeof packet - 32)
		put_tables(&b);
	put_bits(&b, 2, 3);
	put_literal(&b, 'x');
	put_bits(&b, 0, 14);
	getrusage(RUSAGE_SELF, &u);
	used = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
	cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
	cr_assert_eq(inflater_take(f, view_of(packet, b.len), MAX, &v), SSH_OK);
	cr_assert(view_is(v, "x"));
	inflater_free(f);
	getrusage(RUSAGE_SELF, &u);
	used = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 - used;
	cr_assert_lt(used, 1.0, "%.3f s", used);
}

/* Cut anywhere a stream is an error or the beginning of what it would have been; the rest may still come. */
Test(compress, every_truncation)
{
	static uint8_t p[3000], whole[6000];
	size_t n;

	for (int kind = 0; kind < 3; kind++) {
		fill(p, sizeof p, kind, 3);
		n = packed(p, sizeof p, Z_PARTIAL_FLUSH);
		memcpy(whole, room, n);
		for (size_t cut = 0; cut <= n; cut++) {
			struct inflater *f;
			struct view v;
			size_t got = 0;
			int r;

			cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
			r = inflater_take(f, view_of(whole, cut), MAX, &v);
			cr_assert(r == SSH_OK || r == SSH_E_COMPRESS, "%s", err_name(r));
			if (r == SSH_OK) {
				got = v.len;
				cr_assert_leq(got, sizeof p);
				cr_assert_arr_eq(v.p, p, got);
				r = inflater_take(f, view_of(whole + cut, n - cut), MAX, &v);
				cr_assert_eq(r, got < sizeof p ? SSH_OK : SSH_E_COMPRESS, "nothing in it is an error");
				if (r == SSH_OK)
					cr_assert_arr_eq(v.p, p + got, sizeof p - got);
			}
			inflater_free(f);
		}
	}
}

Test(compress, what_is_no_stream)
{
	static const struct { const char *bytes; size_t n; } bad[] = {
		{ "", 0 }, { "\x78", 1 }, { "\x78\x9c", 2 }, { "\x78\x9d\x03\0", 4 },		/* nothing in it; a wrong check */
		{ "\x88\x1c\x4a\x04\0", 5 }, { "\x77\x85\x4a\x04\0", 5 }, { "\x78\xbb\0\0\0\0\x4a\x04\0", 9 },	/* window, method, dictionary */
		{ "\x78\x9c\x07", 3 }, { "\x78\x9c\x02\x10", 4 },				/* no such block; nothing but an empty one */
		{ "\x78\x9c\0\5\0\0\0hello", 12 },						/* a stored block whose length is wrong */
		{ "\x78\x9c\x03\x05\0", 5 },							/* a distance before the beginning */
	};
	static uint8_t p[100];

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(takes((const uint8_t *)bad[i].bytes, bad[i].n, MAX), SSH_E_COMPRESS, "%u", i);
	cr_assert_eq(takes((const uint8_t *)"\x78\x9c\0\5\0\xfa\xffhello", 12, MAX), SSH_OK, "a stored block that is right");
	cr_assert_eq(takes(room, packed(p, sizeof p, Z_FINISH), MAX), SSH_E_COMPRESS, "a stream that ends");
}

Test(compress, memory_that_is_not_there)
{
	static uint8_t p[100000];
	size_t n;
	int through = 0;

	fill(p, sizeof p, 1, 1);
	n = packed(p, sizeof p, Z_PARTIAL_FLUSH);
	for (long at = 1; !through; at++) {
		struct pair_mem m;
		struct inflater *f;
		struct deflater *d;
		struct view v;
		int r;

		pair_mem_init(&m);
		m.fail_at = at;
		if ((r = inflater_new(&f, &m.mem)) == SSH_OK) {
			r = inflater_take(f, view_of(room, n), MAX, &v);
			inflater_free(f);
		}
		if (r == SSH_OK && (r = deflater_new(&d, &m.mem)) == SSH_OK)
			deflater_free(d);
		through = r == SSH_OK;
		cr_assert(through || r == SSH_E_NOMEM, "request %ld: %s", at, err_name(r));
		cr_assert_eq(m.live, 0);
		cr_assert(!through || at > 8);
	}
}

/* ---- our own stream moves ------------------------------------------------------------------------- */

/* One goes on marked, the other is what an import makes of its state: the same bytes, and the peer sees no difference. */
Test(compress, a_marked_stream_says_what_an_imported_one_says)
{
	static uint8_t p[40000], other[2 * sizeof p];
	struct deflater *d, *moved;
	struct inflater *f;
	uint64_t seed = 11;
	size_t len, same;
	struct buf b;

	cr_assert_eq(deflater_new(&d, NULL), SSH_OK);
	cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
	buf_init(&b, 100, NULL);
	for (int i = 0; i < 200; i++) {
		struct wr w = wr_to(&b);
		struct rd in;

		buf_truncate(&b, 0);
		cr_assert_eq(deflater_export(d, &w), SSH_OK);
		in = rd_of(buf_head(&b), buf_len(&b));
		cr_assert_eq(deflater_import(&moved, &in, NULL), SSH_OK);
		deflater_mark(d);
		deflater_mark(moved);
		for (int k = 0; k < 1 + i % 5; k++) {
			size_t n = some_size(&seed);

			fill(p, n, i % 3, seed);
			cr_assert_eq(deflater_put(d, p, n, room, &len), SSH_OK);
			cr_assert_eq(deflater_put(moved, p, n, other, &same), SSH_OK);
			cr_assert_eq(len, same);
			cr_assert_arr_eq(room, other, len);
			taken(f, view_of(room, len), p, n);
		}
		deflater_free(i % 2 ? d : moved);
		d = i % 2 ? moved : d;
	}
	deflater_free(d);
	inflater_free(f);
	buf_drop(&b);
}

/* A state is ours, but may be damaged: no byte of it makes more than an error. */
Test(compress, damaged_states)
{
	static uint8_t p[500];
	struct inflater *f, *next;
	struct view v;
	struct buf b;
	struct wr w;
	struct rd in;
	size_t n;

	fill(p, sizeof p, 1, 1);
	n = packed(p, sizeof p, Z_PARTIAL_FLUSH);
	cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
	cr_assert_eq(inflater_take(f, view_of(room, n), MAX, &v), SSH_OK);
	buf_init(&b, 1 << 20, NULL);
	w = wr_to(&b);
	cr_assert_eq(inflater_export(f, &w), SSH_OK);
	for (n = 0; n < buf_len(&b); n++) {
		in = rd_of(buf_head(&b), n);
		cr_assert_eq(inflater_import(&next, &in, NULL), SSH_E_STATE);
		for (int bit = 0; bit < 8; bit++) {
			int r;

			buf_head(&b)[n] ^= (uint8_t)(1 << bit);
			in = rd_of(buf_head(&b), buf_len(&b));
			r = inflater_import(&next, &in, NULL);
			cr_assert(r == SSH_OK || r == SSH_E_STATE, "%s", err_name(r));
			inflater_free(next);
			buf_head(&b)[n] ^= (uint8_t)(1 << bit);
		}
	}
	inflater_free(f);
	buf_drop(&b);
}
