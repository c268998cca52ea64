#include "ssh/der.h"

int der_peek(const struct rd *in)
{
	return rd_left(in) > 0 ? in->p[0] : -1;
}

/* X.690 10.1: one byte below 128, else as few as it takes; nothing we read needs more than 65,535. */
static size_t length(struct rd *in)
{
	size_t n = rd_u8(in);

	if (n < 0x80)
		return n;
	if (n == 0x81) {
		n = rd_u8(in);
		in->bad |= n < 0x80;
	} else if (n == 0x82) {
		n = rd_u16(in);
		in->bad |= n < 0x100;
	} else {
		in->bad = 1;
	}
	return n;
}

struct view der_get(struct rd *in, uint8_t tag)
{
	size_t n;

	if (rd_u8(in) != tag)
		in->bad = 1;
	n = length(in);
	return rd_raw(in, n);
}

struct rd der_open(struct rd *in, uint8_t tag)
{
	struct rd body = rd_view(der_get(in, tag));

	body.bad = in->bad;
	return body;
}

struct view der_number(struct rd *in, size_t max)
{
	struct view v = der_get(in, DER_INTEGER);

	if (v.len == 0 || (v.p[0] & 0x80) != 0 || (v.len > 1 && v.p[0] == 0 && (v.p[1] & 0x80) == 0)) {
		in->bad = 1;
		return view_of(NULL, 0);
	}
	if (v.p[0] == 0)
		v = view_of(v.p + 1, v.len - 1);
	if (v.len > max) {
		in->bad = 1;
		return view_of(NULL, 0);
	}
	return v;
}

uint64_t der_small(struct rd *in)
{
	struct view v = der_number(in, 8);
	uint64_t n = 0;

	for (size_t i = 0; i < v.len; i++)
		n = n << 8 | v.p[i];
	if (n > INT64_MAX)
		in->bad = 1;
	return in->bad ? 0 : n;
}

struct view der_bits(struct rd *in)
{
	struct view v = der_get(in, DER_BITS);

	if (v.len == 0 || v.p[0] != 0) {
		in->bad = 1;
		return view_of(NULL, 0);
	}
	return view_of(v.p + 1, v.len - 1);
}
