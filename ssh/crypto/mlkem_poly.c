#include "ssh/crypto/mlkem_poly.h"

#define Q MLKEM_Q
#define Q_INVERSE (-3327)	/* q^-1 mod 2^16 */
#define R_SQUARED 1353		/* 2^32 mod q */
#define R_SQUARED_128 1441	/* 2^32 / 128 mod q */

/* 2^16 * 17^BitRev7(i) mod q (FIPS 203 appendix A, in Montgomery form) */
static const int16_t zetas[128] = {
	-1044, -758, -359, -1517, 1493, 1422, 287, 202, -171, 622, 1577, 182, 962, -1202, -1474, 1468,
	573, -1325, 264, 383, -829, 1458, -1602, -130, -681, 1017, 732, 608, -1542, 411, -205, -1571,
	1223, 652, -552, 1015, -1293, 1491, -282, -1544, 516, -8, -320, -666, -1618, -1162, 126, 1469,
	-853, -90, -271, 830, 107, -1421, -247, -951, -398, 961, -1508, -725, 448, -1065, 677, -1275,
	-1103, 430, 555, 843, -1251, 871, 1550, 105, 422, 587, 177, -235, -291, -460, 1574, 1653,
	-246, 778, 1159, -147, -777, 1483, -602, 1119, -1590, 644, -872, 349, 418, 329, -156, -75,
	817, 1097, 603, 610, 1322, -1285, -1465, 384, -1215, -136, 1218, -1335, -874, 220, -1187, -1659,
	-1185, -1530, -1278, 794, -1510, -854, -870, 478, -108, -308, 996, 991, 958, -1460, 1522, 1628,
};

/* ---- numbers mod q --------------------------------------------------------------------------- */

/* a / 2^16 mod q, small, for |a| < q * 2^15 (Montgomery) */
static inline int16_t mont(int32_t a)
{
	int16_t t = (int16_t)((uint32_t)a * (uint32_t)Q_INVERSE);

	return (int16_t)((a - (int32_t)t * Q) >> 16);
}

static inline int16_t mul(int16_t a, int16_t b)
{
	return mont((int32_t)a * b);
}

/* The same number mod q, -q/2 .. q/2 (Barrett) */
static inline int16_t reduce(int16_t a)
{
	const int32_t v = ((1 << 26) + Q / 2) / Q;
	int32_t t = (v * a + (1 << 25)) >> 26;

	return (int16_t)(a - t * Q);
}

/* The same number, 0 .. q - 1, for -q <= a < q */
static inline uint16_t positive(int16_t a)
{
	return (uint16_t)(a + ((a >> 15) & Q));
}

/* round(2^d / q * a) mod 2^d; multiplies by a reciprocal: the time of a division may tell its operands */
static inline uint16_t compress(int16_t a, unsigned d)
{
	uint64_t scaled = ((uint64_t)positive(a) << d) + Q / 2;

	return (uint16_t)(((scaled * 20642679) >> 36) & ((1u << d) - 1));	/* 20642679 = ceil(2^36 / q): exact for d <= 10 */
}

static inline int16_t decompress(uint16_t y, unsigned d)
{
	return (int16_t)(((uint32_t)y * Q + (1u << (d - 1))) >> d);
}

/* ---- transform --------------------------------------------------------------------------------- */

void poly_ntt(struct poly *p)
{
	unsigned i = 1;

	for (unsigned len = 128; len >= 2; len /= 2)
		for (unsigned start = 0; start < MLKEM_N; start += 2 * len) {
			int16_t zeta = zetas[i++];

			for (unsigned j = start; j < start + len; j++) {
				int16_t t = mul(zeta, p->c[j + len]);

				p->c[j + len] = (int16_t)(p->c[j] - t);		/* grows by q each round: 8 q at most */
				p->c[j] = (int16_t)(p->c[j] + t);
			}
		}
	for (unsigned j = 0; j < MLKEM_N; j++)
		p->c[j] = reduce(p->c[j]);
}

void poly_inverse_ntt(struct poly *p)
{
	unsigned i = 127;

	for (unsigned len = 2; len <= 128; len *= 2)
		for (unsigned start = 0; start < MLKEM_N; start += 2 * len) {
			int16_t zeta = zetas[i--];

			for (unsigned j = start; j < start + len; j++) {
				int16_t t = p->c[j];

				p->c[j] = reduce((int16_t)(t + p->c[j + len]));
				p->c[j + len] = mul(zeta, (int16_t)(p->c[j + len] - t));
			}
		}
	for (unsigned j = 0; j < MLKEM_N; j++)
		p->c[j] = mul(p->c[j], R_SQUARED_128);
}

void poly_dot(struct poly *r, const struct poly *a, const struct poly *b, unsigned n)
{
	for (unsigned j = 0; j < MLKEM_N / 2; j++) {
		int16_t gamma = j % 2 == 0 ? zetas[64 + j / 2] : (int16_t)-zetas[64 + j / 2];
		int16_t even = 0, odd = 0;

		for (unsigned i = 0; i < n; i++) {
			const int16_t *x = &a[i].c[2 * j], *y = &b[i].c[2 * j];

			even = (int16_t)(even + mul(mul(x[1], y[1]), gamma) + mul(x[0], y[0]));
			odd = (int16_t)(odd + mul(x[0], y[1]) + mul(x[1], y[0]));
		}
		r->c[2 * j] = reduce(even);		/* 2 q for each of three */
		r->c[2 * j + 1] = reduce(odd);
	}
}

void poly_unmont(struct poly *p)
{
	for (unsigned j = 0; j < MLKEM_N; j++)
		p->c[j] = mul(p->c[j], R_SQUARED);
}

void poly_add(struct poly *r, const struct poly *a)
{
	for (unsigned j = 0; j < MLKEM_N; j++)
		r->c[j] = reduce((int16_t)(r->c[j] + a->c[j]));
}

void poly_sub_from(struct poly *r, const struct poly *a)
{
	for (unsigned j = 0; j < MLKEM_N; j++)
		r->c[j] = reduce((int16_t)(a->c[j] - r->c[j]));
}

/* ---- samples ------------------------------------------------------------------------------------- */

void poly_sample_cbd(struct poly *p, const uint8_t in[128])
{
	for (unsigned j = 0; j < MLKEM_N; j++) {
		unsigned nibble = (unsigned)in[j / 2] >> (j % 2 * 4);

		p->c[j] = (int16_t)((int)((nibble & 1) + (nibble >> 1 & 1)) - (int)((nibble >> 2 & 1) + (nibble >> 3 & 1)));
	}
}

unsigned poly_sample_uniform(struct poly *p, unsigned have, const uint8_t *in, unsigned n)
{
	for (unsigned i = 0; i + 3 <= n; i += 3) {
		unsigned a = in[i] | (in[i + 1] & 15u) << 8, b = (unsigned)in[i + 1] >> 4 | (unsigned)in[i + 2] << 4;

		if (a < Q && have < MLKEM_N)
			p->c[have++] = (int16_t)a;
		if (b < Q && have < MLKEM_N)
			p->c[have++] = (int16_t)b;
	}
	return have;
}

/* ---- bytes ----------------------------------------------------------------------------------------- */

void poly_encode12(const struct poly *p, uint8_t out[384])
{
	for (unsigned j = 0; j < MLKEM_N / 2; j++) {
		uint16_t a = positive(p->c[2 * j]), b = positive(p->c[2 * j + 1]);

		out[3 * j] = (uint8_t)a;
		out[3 * j + 1] = (uint8_t)(a >> 8 | b << 4);
		out[3 * j + 2] = (uint8_t)(b >> 4);
	}
}

void poly_decode12(struct poly *p, const uint8_t in[384])
{
	for (unsigned j = 0; j < MLKEM_N / 2; j++) {
		const uint8_t *b = in + 3 * j;

		p->c[2 * j] = (int16_t)(b[0] | (b[1] & 15) << 8);
		p->c[2 * j + 1] = (int16_t)(b[1] >> 4 | b[2] << 4);
	}
}

void poly_compress10(const struct poly *p, uint8_t out[320])
{
	for (unsigned j = 0; j < MLKEM_N / 4; j++) {
		uint64_t bits = 0;

		for (unsigned i = 0; i < 4; i++)
			bits |= (uint64_t)compress(p->c[4 * j + i], 10) << (10 * i);
		for (unsigned i = 0; i < 5; i++)
			out[5 * j + i] = (uint8_t)(bits >> (8 * i));
	}
}

void poly_decompress10(struct poly *p, const uint8_t in[320])
{
	for (unsigned j = 0; j < MLKEM_N / 4; j++) {
		uint64_t bits = 0;

		for (unsigned i = 0; i < 5; i++)
			bits |= (uint64_t)in[5 * j + i] << (8 * i);
		for (unsigned i = 0; i < 4; i++)
			p->c[4 * j + i] = decompress((uint16_t)(bits >> (10 * i) & 1023), 10);
	}
}

void poly_compress4(const struct poly *p, uint8_t out[128])
{
	for (unsigned j = 0; j < MLKEM_N / 2; j++)
		out[j] = (uint8_t)(compress(p->c[2 * j], 4) | compress(p->c[2 * j + 1], 4) << 4);
}

void poly_decompress4(struct poly *p, const uint8_t in[128])
{
	for (unsigned j = 0; j < MLKEM_N; j++)
		p->c[j] = decompress((uint16_t)(in[j / 2] >> (j % 2 * 4) & 15), 4);
}

void poly_to_message(const struct poly *p, uint8_t out[32])
{
	for (unsigned j = 0; j < 32; j++) {
		unsigned byte = 0;

		for (unsigned i = 0; i < 8; i++)
			byte |= (unsigned)compress(p->c[8 * j + i], 1) << i;
		out[j] = (uint8_t)byte;
	}
}

void poly_from_message(struct poly *p, const uint8_t in[32])
{
	for (unsigned j = 0; j < MLKEM_N; j++) {
		uint16_t mask = (uint16_t)-(in[j / 8] >> (j % 8) & 1);

		__asm__("" : "+r"(mask));	/* compilers have made a branch on a message bit of this (CVE-2024-37880) */
		p->c[j] = (int16_t)(mask & ((Q + 1) / 2));
	}
}
