#include "ssh/crypto/peer_input.h"

#include <gcrypt.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "ssh/crypto/curve.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/mlkem_poly.h"

/* The u coordinates of small order on curve and twist, little-endian, reduced and unreduced (p - 1, p, p + 1). */
static const uint8_t x25519_small[][32] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	  0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
	  0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

int peer_x25519(struct view point)
{
	uint8_t u[32];

	if (point.len != sizeof u)
		return SSH_E_BAD_VALUE;
	memcpy(u, point.p, sizeof u);
	u[31] &= 0x7f;		/* RFC 7748 5: the top bit is ignored */
	for (size_t i = 0; i < sizeof x25519_small / sizeof x25519_small[0]; i++)
		if (memcmp(u, x25519_small[i], sizeof u) == 0)
			return SSH_E_BAD_VALUE;
	return SSH_OK;
}

int peer_x25519_secret(const uint8_t secret[32])
{
	static const uint8_t zero[32];

	return secret_equal(secret, zero, sizeof zero) ? SSH_E_BAD_VALUE : SSH_OK;
}

/* ---- Ed25519 ---- */

/* Little-endian a < b. */
static int less_le(const uint8_t *a, const uint8_t *b, size_t n)
{
	while (n-- > 0)
		if (a[n] != b[n])
			return a[n] < b[n];
	return 0;
}

static const uint8_t ed25519_p[32] = {
	0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
};

/* RFC 8032 5.1: order of the base point. */
static const uint8_t ed25519_order[32] = {
	0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10,
};

/* The y of all points of order 1, 2, 4 and 8; the sign of x does not matter. */
static const uint8_t ed25519_small[][32] = {
	{ 0 },
	{ 1 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
	  0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
	  0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

int peer_ed25519_key(struct view key)
{
	uint8_t y[32];

	if (key.len != sizeof y)
		return SSH_E_BAD_VALUE;
	memcpy(y, key.p, sizeof y);
	y[31] &= 0x7f;
	if (!less_le(y, ed25519_p, sizeof y))
		return SSH_E_BAD_VALUE;
	for (size_t i = 0; i < sizeof ed25519_small / sizeof ed25519_small[0]; i++)
		if (memcmp(y, ed25519_small[i], sizeof y) == 0)
			return SSH_E_BAD_VALUE;
	return SSH_OK;
}

int peer_ed25519_sig(struct view sig)
{
	if (sig.len != 64 || !less_le(sig.p + 32, ed25519_order, 32))
		return SSH_E_BAD_VALUE;
	return SSH_OK;
}

/* ---- Ed448 ---- */

#define DSA_P_BITS 1024u
#define DSA_Q_BITS  160u

static const uint8_t ed448_p[57] = {	/* 2^448 - 2^224 - 1 */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
};

/* RFC 8032 5.2: order of the base point. */
static const uint8_t ed448_order[57] = {
	0xf3, 0x44, 0x58, 0xab, 0x92, 0xc2, 0x78, 0x23, 0x55, 0x8f, 0xc5, 0x8d, 0x72, 0xc2, 0x6c, 0x21,
	0x90, 0x36, 0xd6, 0xae, 0x49, 0xdb, 0x4e, 0xc4, 0xe9, 0x23, 0xca, 0x7c, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 0x00,
};

/*
 * libgcrypt's arithmetic modulo this p aborts on a coordinate that fills fewer of its words than p does. One of 2^63 honest
 * keys is refused for that; whoever looks for such a point finds one at once.
 */
static int ed448_short(gcry_mpi_t v)
{
	return gcry_mpi_get_nbits(v) <= 448 - 8 * sizeof(long);
}

/* There is an x with x^2 = t, and neither it nor p - x is short. */
static int ed448_root(gcry_mpi_t t, gcry_mpi_t p)
{
	gcry_mpi_t x = gcry_mpi_new(448), e = gcry_mpi_new(448);
	int is;

	gcry_mpi_add_ui(e, p, 1);
	gcry_mpi_rshift(e, e, 2);	/* p = 3 mod 4: (p + 1) / 4 makes the root, where there is one */
	gcry_mpi_powm(x, t, e, p);
	gcry_mpi_mulm(e, x, x, p);
	is = gcry_mpi_cmp(e, t) == 0 && !ed448_short(x);
	gcry_mpi_sub(e, p, x);
	is = is && !ed448_short(e);
	gcry_mpi_release(x);
	gcry_mpi_release(e);
	return is;
}

/* x^2 = (1 - y^2) / (1 + 39081 y^2): is there an x? Not for y of 0 and +-1, the points of small order. */
static int ed448_on_curve(const uint8_t y_bytes[57])
{
	uint8_t big_p[57], big_y[57];
	gcry_mpi_t p = NULL, y = NULL, t = gcry_mpi_new(448);
	int on = 0;

	for (size_t i = 0; i < 57; i++) {
		big_p[i] = ed448_p[56 - i];
		big_y[i] = y_bytes[56 - i];
	}
	if (gcry_number(&p, view_of(big_p, 57)) == SSH_OK && gcry_number(&y, view_of(big_y, 57)) == SSH_OK && !ed448_short(y)) {
		gcry_mpi_mulm(y, y, y, p);
		gcry_mpi_mul_ui(t, y, 39081);
		gcry_mpi_add_ui(t, t, 1);
		gcry_mpi_mod(t, t, p);
		/* the divisor is never 0: -39081 is no square */
		on = gcry_mpi_cmp_ui(y, 1) != 0 && gcry_mpi_invm(t, t, p);
		if (on) {
			gcry_mpi_sub_ui(y, y, 1);
			gcry_mpi_subm(y, p, y, p);
			gcry_mpi_mulm(t, t, y, p);
			on = ed448_root(t, p);
		}
	}
	gcry_mpi_release(p);
	gcry_mpi_release(y);
	gcry_mpi_release(t);
	return on;
}

int peer_ed448_key(struct view key)
{
	uint8_t y[57];

	if (key.len != sizeof y)
		return SSH_E_BAD_VALUE;
	memcpy(y, key.p, sizeof y);
	y[56] &= 0x7f;
	return less_le(y, ed448_p, sizeof y) && ed448_on_curve(y) ? SSH_OK : SSH_E_BAD_VALUE;
}

int peer_ed448_sig(struct view sig)
{
	if (sig.len != 114 || !less_le(sig.p + 57, ed448_order, 57))
		return SSH_E_BAD_VALUE;
	return SSH_OK;
}

/* ---- big-endian numbers ---- */

static struct view strip(struct view v)
{
	while (v.len > 0 && v.p[0] == 0)
		v.p++, v.len--;
	return v;
}

/* a < b */
static int less(struct view a, struct view b)
{
	a = strip(a);
	b = strip(b);
	if (a.len != b.len)
		return a.len < b.len;
	return a.len > 0 && memcmp(a.p, b.p, a.len) < 0;
}

size_t peer_bits(struct view v)
{
	size_t bits;

	v = strip(v);
	if (v.len == 0)
		return 0;
	bits = (v.len - 1) * 8;
	for (unsigned top = v.p[0]; top > 0; top >>= 1)
		bits++;
	return bits;
}

/* ---- the curves of curves.def ---- */

/* y^2 = x^3 - 3x + b mod p; the modulus is ours, so libgcrypt has nothing to trip over. */
static int on_curve(gcry_mpi_t x, gcry_mpi_t y, gcry_mpi_t p, gcry_mpi_t b)
{
	gcry_mpi_t t = gcry_mpi_new(CURVE_LEN_MAX * 8);
	int on = gcry_mpi_cmp(x, p) < 0 && gcry_mpi_cmp(y, p) < 0;

	if (on) {
		gcry_mpi_mulm(t, x, x, p);
		gcry_mpi_sub_ui(t, t, 3);	/* may go below zero; the next step reduces */
		gcry_mpi_mulm(t, t, x, p);
		gcry_mpi_addm(t, t, b, p);
		gcry_mpi_mulm(y, y, y, p);
		on = gcry_mpi_cmp(t, y) == 0;
	}
	gcry_mpi_release(t);
	return on;
}

int peer_ec_point(enum key_kind kind, struct view point)
{
	const struct curve *c = curve_of(kind);
	gcry_mpi_t p = NULL, b = NULL, x = NULL, y = NULL;
	int r = SSH_E_BAD_VALUE;

	if (c == NULL || point.len != 1 + 2 * c->len || point.p[0] != 4)
		return r;
	if (gcry_hex(&p, c->p) == SSH_OK && gcry_hex(&b, c->b) == SSH_OK &&
	    gcry_number(&x, view_of(point.p + 1, c->len)) == SSH_OK &&
	    gcry_number(&y, view_of(point.p + 1 + c->len, c->len)) == SSH_OK && on_curve(x, y, p, b))
		r = SSH_OK;
	gcry_mpi_release(p);
	gcry_mpi_release(b);
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	return r;
}

int peer_ec_scalar(enum key_kind kind, struct view v)
{
	const struct curve *c = curve_of(kind);
	gcry_mpi_t n = NULL, k = NULL;
	int r = SSH_E_BAD_VALUE;

	if (c == NULL || peer_bits(v) == 0 || peer_bits(v) > c->bits)
		return r;
	if (gcry_hex(&n, c->n) == SSH_OK && gcry_number(&k, v) == SSH_OK && gcry_mpi_cmp(k, n) < 0)
		r = SSH_OK;
	gcry_mpi_release(n);
	gcry_mpi_release(k);
	return r;
}

/* ---- DSA ---- */

/* 1 < v < p and v^q = 1: of the group that p and q make. */
static int of_order(gcry_mpi_t v, gcry_mpi_t q, gcry_mpi_t p)
{
	gcry_mpi_t t = gcry_mpi_new(DSA_P_BITS);
	int is;

	gcry_mpi_powm(t, v, q, p);
	is = gcry_mpi_cmp_ui(v, 1) > 0 && gcry_mpi_cmp(v, p) < 0 && gcry_mpi_cmp_ui(t, 1) == 0;
	gcry_mpi_release(t);
	return is;
}

int peer_dsa_key(struct view p, struct view q, struct view g, struct view y)
{
	gcry_mpi_t v[4] = { NULL };
	int r = SSH_E_BAD_VALUE;

	if (peer_bits(p) != DSA_P_BITS || peer_bits(q) != DSA_Q_BITS || !(p.p[p.len - 1] & 1) || !(q.p[q.len - 1] & 1))
		return r;
	if (peer_bits(g) > DSA_P_BITS || peer_bits(y) > DSA_P_BITS)
		return r;
	if (gcry_number(&v[0], p) == SSH_OK && gcry_number(&v[1], q) == SSH_OK && gcry_number(&v[2], g) == SSH_OK &&
	    gcry_number(&v[3], y) == SSH_OK && gcry_prime_check(v[1], 0) == 0 && of_order(v[2], v[1], v[0]) &&
	    of_order(v[3], v[1], v[0]))
		r = SSH_OK;
	for (int i = 0; i < 4; i++)
		gcry_mpi_release(v[i]);
	return r;
}

int peer_dsa_sig(struct view q, struct view sig)
{
	enum { HALF = DSA_Q_BITS / 8 };
	struct view r, s;

	if (sig.len != 2 * HALF)
		return SSH_E_BAD_VALUE;
	r = view_of(sig.p, HALF);
	s = view_of(sig.p + HALF, HALF);
	return peer_bits(r) > 0 && peer_bits(s) > 0 && less(r, q) && less(s, q) ? SSH_OK : SSH_E_BAD_VALUE;
}

/* ---- RSA ---- */

int peer_rsa_key(struct view n, struct view e)
{
	size_t bits = peer_bits(n), e_bits = peer_bits(e);

	if (bits < PEER_RSA_BITS_MIN || bits > PEER_RSA_BITS_MAX || !(n.p[n.len - 1] & 1))
		return SSH_E_BAD_VALUE;
	if (e_bits < 2 || e_bits > 32 || !(e.p[e.len - 1] & 1))
		return SSH_E_BAD_VALUE;
	return SSH_OK;
}

int peer_rsa_sig(struct view n, struct view sig)
{
	if (sig.len > strip(n).len || peer_bits(sig) == 0 || !less(sig, n))
		return SSH_E_BAD_VALUE;
	return SSH_OK;
}

/* ---- X448 ---- */

/* p - 1, p and p + 1 little-endian, and 0 and 1: the u of order 1, 2 and 4 on curve and twist, reduced and unreduced. */
static int x448_small(const uint8_t u[56])
{
	unsigned same_as_p = 0, zeros = 0;

	for (size_t i = 1; i < 56; i++) {
		same_as_p += u[i] == (i == 28 ? 0xfe : 0xff);
		zeros += u[i] == 0;
	}
	if (zeros == 55)
		return u[0] <= 1;
	if (same_as_p == 55)
		return u[0] >= 0xfe;		/* p - 1 and p */
	/* p + 1 = 2^448 - 2^224 */
	for (size_t i = 0; i < 28; i++)
		if (u[i] != 0 || u[28 + i] != 0xff)
			return 0;
	return 1;
}

int peer_x448(struct view point)
{
	return point.len == 56 && !x448_small(point.p) ? SSH_OK : SSH_E_BAD_VALUE;
}

int peer_x448_secret(const uint8_t secret[56])
{
	static const uint8_t zero[56];

	return secret_equal(secret, zero, sizeof zero) ? SSH_E_BAD_VALUE : SSH_OK;
}

/* ---- Diffie-Hellman ---- */

/* v < p - 1, for an odd p */
static int below_minus_one(struct view v, struct view p)
{
	v = strip(v);
	p = strip(p);
	if (!less(v, p))
		return 0;
	return v.len != p.len || memcmp(v.p, p.p, p.len - 1) != 0 || (v.p[v.len - 1] | 1) != p.p[p.len - 1];
}

int peer_dh_group(struct view p, struct view g)
{
	size_t bits = peer_bits(p);

	if (bits < SSH_DH_BITS_MIN || bits > SSH_DH_BITS_MAX || !(p.p[p.len - 1] & 1))
		return SSH_E_BAD_VALUE;
	return peer_bits(g) > 1 && below_minus_one(g, p) ? SSH_OK : SSH_E_BAD_VALUE;
}

int peer_dh_value(struct view p, struct view v)
{
	if (v.len == 0 || (v.p[0] & 0x80) || (v.p[0] == 0 && (v.len < 2 || !(v.p[1] & 0x80))))
		return SSH_E_BAD_VALUE;		/* negative, or zeros that nobody needs (RFC 4251 5) */
	return peer_bits(v) > 1 && below_minus_one(v, p) ? SSH_OK : SSH_E_BAD_VALUE;
}

/* ---- post-quantum ---- */

int peer_mlkem768_key(struct view key)
{
	if (key.len != MLKEM768_PUBLIC)
		return SSH_E_BAD_VALUE;
	for (size_t i = 0; i < MLKEM768_PUBLIC - 32; i += 3) {
		const uint8_t *b = key.p + i;

		if ((b[0] | (b[1] & 15u) << 8) >= MLKEM_Q || ((unsigned)b[1] >> 4 | (unsigned)b[2] << 4) >= MLKEM_Q)
			return SSH_E_BAD_VALUE;
	}
	return SSH_OK;
}

int peer_mlkem768_cipher(struct view cipher)
{
	return cipher.len == MLKEM768_CIPHER ? SSH_OK : SSH_E_BAD_VALUE;
}

int peer_sntrup761_key(struct view key)
{
	return key.len == 1158 ? SSH_OK : SSH_E_BAD_VALUE;
}

int peer_sntrup761_cipher(struct view cipher)
{
	return cipher.len == 1039 ? SSH_OK : SSH_E_BAD_VALUE;
}
