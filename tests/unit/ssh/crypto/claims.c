#include "tests/unit/ssh/crypto/claims.h"

#include <gcrypt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/curve.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/mlkem_poly.h"
#include "ssh/crypto/peer_input.h"
#include "tests/unit/ssh/crypto/claims_keys.h"
#include "tests/unit/ssh/crypto/hex.h"

static void must(int holds)
{
	if (!holds)
		abort();
}

static int any(const uint8_t *p, size_t n)
{
	uint8_t seen = 0;

	while (n > 0)
		seen |= p[--n];
	return seen != 0;
}

static const uint8_t a_scalar[57] = { 0x40, 2, 3, 4, 5, 6, 7, 8, 9, 10, [31] = 0x41, [55] = 0x80 };

static struct view cut(struct view *in, size_t n)
{
	struct view head = view_of(in->p, in->len < n ? in->len : n);

	*in = view_of(in->p + head.len, in->len - head.len);
	return head;
}

/* ---- the library's verdicts -------------------------------------------------------------- */

static gcry_mpi_t number(struct view v)
{
	gcry_mpi_t n;

	must(gcry_number(&n, v) == SSH_OK);
	return n;
}

/* Nobody signed anything: a signature is bad, and nothing worse than that. */
static void is_bad(gcry_sexp_t key, gcry_sexp_t data, gcry_sexp_t sig)
{
	must(gcry_err_code(gcry_pk_verify(sig, data, key)) == GPG_ERR_BAD_SIGNATURE);
	gcry_sexp_release(key);
	gcry_sexp_release(data);
	gcry_sexp_release(sig);
}

static gcry_sexp_t hashed(const char *row)
{
	gcry_sexp_t data;

	must(gcry_signed_data(&data, sig_alg_find(view_str(row)), view_str("nobody signed this")) == SSH_OK);
	return data;
}

/* A signature of two numbers (one of RSA's) under a key that takes one. */
static void pair_is_bad(gcry_sexp_t key, const char *row, const char *format, gcry_mpi_t r, gcry_mpi_t s)
{
	gcry_sexp_t sig;

	must(gcry_sexp_build(&sig, NULL, format, r, s) == 0);
	is_bad(key, hashed(row), sig);
	gcry_mpi_release(r);
	gcry_mpi_release(s);
}

/* ---- Montgomery's curves ------------------------------------------------------------------ */

/* Refused are exactly the points that give a secret of zeros. */
static int x25519(struct view in)
{
	int r = peer_x25519(in);
	uint8_t out[32];

	if (in.len == sizeof out)
		must((crypto_scalarmult(out, a_scalar, in.p) == 0 && any(out, sizeof out)) == (r == SSH_OK));
	return r;
}

static int x448(struct view in)
{
	int r = peer_x448(in);
	uint8_t out[56] = { 0 };

	if (in.len == sizeof out)
		must((gcry_ecc_mul_point(GCRY_ECC_CURVE448, out, a_scalar, in.p) == 0 && any(out, sizeof out)) == (r == SSH_OK));
	return r;
}

static int x25519_secret(struct view in)
{
	if (in.len != 32)
		return SSH_E_BAD_VALUE;
	must((peer_x25519_secret(in.p) == SSH_OK) == any(in.p, in.len));
	return peer_x25519_secret(in.p);
}

static int x448_secret(struct view in)
{
	if (in.len != 56)
		return SSH_E_BAD_VALUE;
	must((peer_x448_secret(in.p) == SSH_OK) == any(in.p, in.len));
	return peer_x448_secret(in.p);
}

/* ---- Edwards' curves ------------------------------------------------------------------------ */

/* 8 times it is not the neutral element; crypto_core_ed25519_add() fails for what is no point. */
static int large_order(const uint8_t y[32])
{
	static const uint8_t neutral[32] = { 1 };
	uint8_t p[32];

	memcpy(p, y, 32);
	for (int i = 0; i < 3; i++)
		if (crypto_core_ed25519_add(p, p, p) != 0)
			return 1;
	return memcmp(p, neutral, 32) != 0;
}

static int ed25519_key(struct view in)
{
	struct view key = in.len >= 96 ? cut(&in, 32) : in;
	uint8_t sig[64] = { 0 };
	int r = peer_ed25519_key(key);

	if (key.len != 32 || r < 0)
		return r;
	if (in.len >= 64)
		memcpy(sig, in.p, 64);
	must(large_order(key.p));
	must(crypto_sign_verify_detached(sig, (const uint8_t *)"nobody", 6, key.p) != 0);
	return r;
}

/* Accepted is S that is its own residue. */
static int ed25519_sig(struct view in)
{
	uint8_t wide[64] = { 0 }, key[32], s[32];
	int r = peer_ed25519_sig(in);

	if (in.len != 64)
		return r;
	memcpy(wide, in.p + 32, 32);
	crypto_core_ed25519_scalar_reduce(s, wide);
	must((memcmp(s, in.p + 32, 32) == 0) == (r == SSH_OK));
	hex(key, claims_ed25519);
	must(r < 0 || crypto_sign_verify_detached(in.p, (const uint8_t *)"nobody", 6, key) != 0);
	return r;
}

static void ed448_is_bad(struct view key, const uint8_t *sig)
{
	gcry_sexp_t gkey, data, gsig;

	must(gcry_sexp_build(&gkey, NULL, "(public-key(ecc(curve Ed448)(flags eddsa)(q %b)))", (int)key.len, key.p) == 0);
	must(gcry_sexp_build(&data, NULL, "(data(flags eddsa)(hash-algo shake256)(value nobody))") == 0);
	must(gcry_sexp_build(&gsig, NULL, "(sig-val(eddsa(r %b)(s %b)))", 57, sig, 57, sig + 57) == 0);
	is_bad(gkey, data, gsig);
}

static int ed448_key(struct view in)
{
	struct view key = in.len >= 171 ? cut(&in, 57) : in;
	uint8_t sig[114] = { 0 };
	int r = peer_ed448_key(key);

	if (r < 0)
		return r;
	if (in.len >= sizeof sig)
		memcpy(sig, in.p, sizeof sig);
	if (peer_ed448_sig(view_of(sig, sizeof sig)) == SSH_OK)
		ed448_is_bad(key, sig);
	return r;
}

static int ed448_sig(struct view in)
{
	uint8_t key[57];
	int r = peer_ed448_sig(in);

	if (r == SSH_OK)
		ed448_is_bad(view_of(key, hex(key, claims_ed448)), in.p);
	return r;
}

/* ---- NIST's curves ---------------------------------------------------------------------------- */

static const struct { enum key_kind kind; const char *row; } curves[] = {
	{ KEY_P256, "ecdsa-sha2-nistp256" }, { KEY_P384, "ecdsa-sha2-nistp384" }, { KEY_P521, "ecdsa-sha2-nistp521" },
};

static gcry_sexp_t ec_key(const struct curve *c, struct view q)
{
	gcry_sexp_t key;

	must(gcry_sexp_build(&key, NULL, "(public-key(ecc(curve %s)(q %b)))", c->gcry, (int)q.len, q.p) == 0);
	return key;
}

#define ECDSA_SIG "(sig-val(ecdsa(r %m)(s %m)))"

static int ec_point(struct view in)
{
	unsigned which = in.len > 0 ? in.p[0] % 3u : 0;
	const struct curve *c = curve_of(curves[which].kind);
	gcry_mpi_point_t p;
	gcry_mpi_t x, y, prime = NULL;
	gcry_ctx_t ctx;
	int r;

	cut(&in, 1);
	r = peer_ec_point(c->kind, in);
	if (in.len != 1 + 2 * c->len || in.p[0] != 4)
		return r;
	must(gcry_mpi_ec_new(&ctx, NULL, c->gcry) == 0 && gcry_hex(&prime, c->p) == SSH_OK);
	x = number(view_of(in.p + 1, c->len));
	y = number(view_of(in.p + 1 + c->len, c->len));
	p = gcry_mpi_point_set(NULL, x, y, GCRYMPI_CONST_ONE);
	/* libgcrypt takes other spellings of a residue, too */
	must((r == SSH_OK) == (gcry_mpi_cmp(x, prime) < 0 && gcry_mpi_cmp(y, prime) < 0 && gcry_mpi_ec_curve_point(p, ctx)));
	if (r == SSH_OK) {
		gcry_mpi_t d = number(view_of(a_scalar, 10));

		gcry_mpi_ec_mul(p, d, p, ctx);
		must(gcry_mpi_ec_get_affine(x, y, p, ctx) == 0 && gcry_mpi_ec_curve_point(p, ctx));
		gcry_mpi_release(d);
		pair_is_bad(ec_key(c, in), curves[which].row, ECDSA_SIG, number(view_of("\5", 1)), number(view_of("\7", 1)));
	}
	gcry_mpi_release(prime);
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	gcry_mpi_point_release(p);
	gcry_ctx_release(ctx);
	return r;
}

/* Is it 0 < v < n? */
static int ec_scalar(struct view in)
{
	unsigned which = in.len > 0 ? in.p[0] % 3u : 0;
	const struct curve *c = curve_of(curves[which].kind);
	uint8_t q[CURVE_POINT_MAX], order[CURVE_LEN_MAX];
	gcry_mpi_t v, n;
	int r;

	cut(&in, 1);
	r = peer_ec_scalar(c->kind, in);
	v = number(in);
	n = number(view_of(order, hex(order, c->n)));
	must((r == SSH_OK) == (gcry_mpi_cmp_ui(v, 0) > 0 && gcry_mpi_cmp(v, n) < 0));
	gcry_mpi_release(n);
	if (r == SSH_OK)
		pair_is_bad(ec_key(c, view_of(q, hex(q, claims_points[which]))), curves[which].row, ECDSA_SIG, gcry_mpi_copy(v), gcry_mpi_copy(v));
	gcry_mpi_release(v);
	return r;
}

/* ---- DSA, RSA --------------------------------------------------------------------------------- */

static gcry_sexp_t dsa(struct view p, struct view q, struct view g, struct view y)
{
	gcry_mpi_t n[] = { number(p), number(q), number(g), number(y) };
	gcry_sexp_t key;

	must(gcry_sexp_build(&key, NULL, "(public-key(dsa(p %m)(q %m)(g %m)(y %m)))", n[0], n[1], n[2], n[3]) == 0);
	for (int i = 0; i < 4; i++)
		gcry_mpi_release(n[i]);
	return key;
}

#define DSA_SIG "(sig-val(dsa(r %m)(s %m)))"

static int dsa_key(struct view in)
{
	struct rd rd = rd_view(in);
	struct view p = rd_string(&rd, 4096), q = rd_string(&rd, 4096), g = rd_string(&rd, 4096), y = rd_string(&rd, 4096);
	int r = rd.bad ? SSH_E_BAD_VALUE : peer_dsa_key(p, q, g, y);

	if (r == SSH_OK)
		pair_is_bad(dsa(p, q, g, y), "ssh-dss", DSA_SIG, number(view_of("\5", 1)), number(view_of("\7", 1)));
	return r;
}

static int dsa_sig(struct view in)
{
	uint8_t p[128], q[20], g[128], y[128];
	struct view vq = view_of(q, hex(q, claims_dsa_q));
	int r = peer_dsa_sig(vq, in);

	if (r == SSH_OK)
		pair_is_bad(dsa(view_of(p, hex(p, claims_dsa_p)), vq, view_of(g, hex(g, claims_dsa_g)), view_of(y, hex(y, claims_dsa_y))), "ssh-dss",
		    DSA_SIG, number(view_of(in.p, 20)), number(view_of(in.p + 20, 20)));
	return r;
}

static void rsa_is_bad(struct view n, struct view e, struct view sig)
{
	gcry_mpi_t gn = number(n), ge = number(e);
	gcry_sexp_t key;

	must(gcry_sexp_build(&key, NULL, "(public-key(rsa(n %m)(e %m)))", gn, ge) == 0);
	pair_is_bad(key, "rsa-sha2-512", "(sig-val(rsa(s %m)))", number(sig), NULL);
	gcry_mpi_release(gn);
	gcry_mpi_release(ge);
}

static int rsa_key(struct view in)
{
	struct rd rd = rd_view(in);
	struct view n = rd_string(&rd, 4096), e = rd_string(&rd, 4096);
	int r = rd.bad ? SSH_E_BAD_VALUE : peer_rsa_key(n, e);

	if (r == SSH_OK)
		rsa_is_bad(n, e, view_of("\2", 1));
	return r;
}

static int rsa_sig(struct view in)
{
	uint8_t n[256];
	struct view vn = view_of(n, hex(n, claims_rsa_n));
	int r = peer_rsa_sig(vn, in);

	if (r == SSH_OK)
		rsa_is_bad(vn, view_of("\1\0\1", 3), in);
	return r;
}

/* ---- Diffie-Hellman ---------------------------------------------------------------------------- */

/* 1 < out < p - 1 for out = b^x mod p: 0 no, 1 yes, and always below p. */
static int power_fits(struct view p, struct view b)
{
	gcry_mpi_t gp = number(p), gb = number(b), gx = number(view_of(a_scalar, 32)), out = gcry_mpi_new(0);
	int fits;

	gcry_mpi_powm(out, gb, gx, gp);
	must(gcry_mpi_cmp(out, gp) < 0);
	gcry_mpi_sub_ui(gp, gp, 1);
	fits = gcry_mpi_cmp_ui(out, 1) > 0 && gcry_mpi_cmp(out, gp) < 0;
	gcry_mpi_release(gp);
	gcry_mpi_release(gb);
	gcry_mpi_release(gx);
	gcry_mpi_release(out);
	return fits;
}

static int dh_group(struct view in)
{
	struct rd rd = rd_view(in);
	struct view p = rd_string(&rd, 4096), g = rd_string(&rd, 4096);
	int r = rd.bad ? SSH_E_BAD_VALUE : peer_dh_group(p, g);

	if (r == SSH_OK)
		(void)power_fits(p, g);		/* p need not be prime: what comes out is the sender's own loss */
	return r;
}

/* In a safe prime's group a value that is accepted never gives 0, 1 or p - 1. */
static int dh_value(struct view in)
{
	struct view p = dh_group_of(KEM_DH14)->p;
	int r = peer_dh_value(p, in);

	if (r == SSH_OK)
		must(power_fits(p, in));
	return r;
}

/* ---- post-quantum --------------------------------------------------------------------------------- */

static int mlkem768_key(struct view in)
{
	uint8_t m[32] = { 1 }, c[MLKEM768_CIPHER], k[MLKEM768_SHARED];
	int r = peer_mlkem768_key(in), high = 0;

	if (in.len != MLKEM768_PUBLIC)
		return r;
	/* FIPS 203 7.2, the modulus check, bit by bit */
	for (size_t i = 0; i < 768; i++) {
		unsigned v = 0;

		for (size_t bit = 0; bit < 12; bit++)
			v |= ((unsigned)in.p[(12 * i + bit) / 8] >> (12 * i + bit) % 8 & 1u) << bit;
		high |= v >= 3329;
	}
	must((r == SSH_OK) == !high);
	must(r < 0 || mlkem768_encaps(in.p, m, c, k) == SSH_OK);
	return r;
}

/* Implicit rejection: no ciphertext fails, the same one gives the same secret, and not that of others. */
static int mlkem768_cipher(struct view in)
{
	static uint8_t ek[MLKEM768_PUBLIC], dk[MLKEM768_PRIVATE];
	static const uint8_t seed[MLKEM768_SEED] = { 1 };
	uint8_t k[3][MLKEM768_SHARED], other[MLKEM768_CIPHER];
	int r = peer_mlkem768_cipher(in);

	if (r < 0)
		return r;
	if (!any(ek, sizeof ek))
		must(mlkem768_keygen(seed, ek, dk) == SSH_OK);
	memcpy(other, in.p, sizeof other);
	other[0] ^= 1;
	must(mlkem768_decaps(dk, in.p, k[0]) == SSH_OK && mlkem768_decaps(dk, in.p, k[1]) == SSH_OK && mlkem768_decaps(dk, other, k[2]) == SSH_OK);
	must(memcmp(k[0], k[1], sizeof k[0]) == 0 && memcmp(k[0], k[2], sizeof k[0]) != 0);
	return r;
}

static int sntrup761_key(struct view in)
{
	int r = peer_sntrup761_key(in);
#ifdef COPPICE_GCRY_KEM
	uint8_t c[GCRY_KEM_SNTRUP761_ENCAPS_LEN], k[GCRY_KEM_SNTRUP761_SHARED_LEN];

	must(r < 0 || gcry_kem_encap(GCRY_KEM_SNTRUP761, in.p, in.len, c, sizeof c, k, sizeof k, NULL, 0) == 0);
#endif
	return r;
}

static int sntrup761_cipher(struct view in)
{
	int r = peer_sntrup761_cipher(in);
#ifdef COPPICE_GCRY_KEM
	static uint8_t pub[GCRY_KEM_SNTRUP761_PUBKEY_LEN], sec[GCRY_KEM_SNTRUP761_SECKEY_LEN];
	uint8_t k[GCRY_KEM_SNTRUP761_SHARED_LEN];

	if (!any(pub, sizeof pub))
		must(gcry_kem_keypair(GCRY_KEM_SNTRUP761, pub, sizeof pub, sec, sizeof sec) == 0);
	must(r < 0 || gcry_kem_decap(GCRY_KEM_SNTRUP761, sec, sizeof sec, in.p, in.len, k, sizeof k, NULL, 0) == 0);
#endif
	return r;
}

/* ---- all of them ------------------------------------------------------------------------------------- */

static const struct claim claims[] = {
#define PEER_CHECK(name, input) { #name, name },
#include "tests/fuzz/peer_checks.def"
};

const struct claim *claim_at(unsigned i)
{
	return i < sizeof claims / sizeof claims[0] ? &claims[i] : NULL;
}

const struct claim *claim_find(const char *name)
{
	for (unsigned i = 0; claim_at(i) != NULL; i++)
		if (strcmp(claims[i].name, name) == 0)
			return &claims[i];
	return NULL;
}
