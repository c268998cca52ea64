/*
 * inflate - a peer's compressed packets. Input: a byte, then packets of uint16 length and bytes; lengths are taken modulo 8192. Two
 * inflaters take the same: one stays, the other is exported and imported before each packet. They must agree to the last byte, keep
 * their bounds, and give their memory back. With the first byte odd the packets are payloads instead, which our own compressor,
 * moved and marked between them, makes packets of: then they must come back.
 */
#include "ssh/compress.h"
#include "tests/fuzz/ssh_fuzz.h"

#define MAX 40000u	/* small, so that bombs are found */

struct side { struct inflater *f; long live; struct mem mem; };

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);

static void begin(struct side *s)
{
	s->live = 0;
	s->mem = (struct mem){ fuzz_counted, &s->live };
	FUZZ_MUST(inflater_new(&s->f, &s->mem) == SSH_OK);
}

static void end(struct side *s)
{
	inflater_free(s->f);
	FUZZ_MUST(s->live == 0);
}

static void move(struct side *s)
{
	struct inflater *next;
	struct buf b;
	struct wr w;
	struct rd in;
	int r;

	buf_init(&b, 1 << 20, NULL);
	w = wr_to(&b);
	r = inflater_export(s->f, &w);
	FUZZ_MUST(r == SSH_OK || r == SSH_E_NOT_NOW);
	if (r == SSH_OK) {
		FUZZ_MUST(wr_done(&w) == SSH_OK);
		in = rd_of(buf_head(&b), buf_len(&b));
		FUZZ_MUST(inflater_import(&next, &in, &s->mem) == SSH_OK && rd_done(&in) == SSH_OK);
		inflater_free(s->f);
		s->f = next;
	}
	buf_drop(&b);
}

static struct view piece(const uint8_t **d, size_t *n)
{
	size_t k = *n < 2 ? 0 : ((size_t)(*d)[0] << 8 | (*d)[1]) % 8192;
	struct view v;

	*d += *n < 2 ? *n : 2;
	*n -= *n < 2 ? *n : 2;
	k = k < *n ? k : *n;
	v = view_of(*d, k);
	*d += k, *n -= k;
	return v;
}

static void packets(const uint8_t *d, size_t n)
{
	struct side still, moved;
	int r = SSH_OK;

	begin(&still);
	begin(&moved);
	while (n > 0 && r == SSH_OK) {
		struct view p = piece(&d, &n), a, b;

		move(&moved);
		r = inflater_take(still.f, p, MAX, &a);
		FUZZ_MUST(inflater_take(moved.f, p, MAX, &b) == r);
		FUZZ_MUST(r == SSH_OK || r == SSH_E_TOO_BIG || r == SSH_E_COMPRESS);
		FUZZ_MUST(r != SSH_OK || (a.len > 0 && a.len <= MAX && view_same(a, b)));
		FUZZ_MUST(inflater_size(still.f) <= 2 * (MAX + 1));
	}
	end(&still);
	end(&moved);
}

static struct deflater *move_deflater(struct deflater *d)
{
	struct deflater *next;
	struct buf b;
	struct wr w;
	struct rd in;

	buf_init(&b, 64, NULL);
	w = wr_to(&b);
	FUZZ_MUST(deflater_export(d, &w) == SSH_OK && wr_done(&w) == SSH_OK);
	in = rd_of(buf_head(&b), buf_len(&b));
	FUZZ_MUST(deflater_import(&next, &in, NULL) == SSH_OK && rd_done(&in) == SSH_OK);
	deflater_free(d);
	buf_drop(&b);
	return next;
}

static void payloads(const uint8_t *d, size_t n, uint8_t how)
{
	static uint8_t packet[16384];
	struct deflater *c;
	struct side s;

	begin(&s);
	FUZZ_MUST(deflater_new(&c, NULL) == SSH_OK);
	for (unsigned i = 0; n > 0; i++) {
		struct view p = piece(&d, &n), back;
		size_t len;

		if (p.len == 0)
			continue;
		if ((how >> i % 8) & 1)
			c = move_deflater(c);
		else if (i % 3 == 0)
			deflater_mark(c);
		FUZZ_MUST(deflater_bound(c, p.len) <= sizeof packet);
		FUZZ_MUST(deflater_put(c, p.p, p.len, packet, &len) == SSH_OK);
		if (i % 2)
			move(&s);
		FUZZ_MUST(inflater_take(s.f, view_of(packet, len), MAX, &back) == SSH_OK && view_same(back, p));
	}
	deflater_free(c);
	end(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	if (n == 0)
		return 0;
	if (d[0] & 1)
		payloads(d + 1, n - 1, d[0]);
	else
		packets(d + 1, n - 1);
	return 0;
}
