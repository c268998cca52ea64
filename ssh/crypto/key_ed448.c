#include <string.h>

#include "base/err.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

/* key_ed448 - ssh-ed448 (RFC 8709, RFC 8032 5.2), by libgcrypt. */

#define LEN 57u

static int parse(struct pubkey **res, enum key_kind kind, struct rd *in, const struct mem *mem)
{
	struct view key = rd_string(in, SSH_BLOB_MAX);
	int r;

	TRY(rd_done(in));
	TRY(peer_ed448_key(key));
	TRY(pubkey_make(res, kind, key, mem));
	(*res)->bits = 456;		/* as PuTTY and asyncssh count */
	if (gcry_sexp_build(&(*res)->gcry, NULL, "(public-key(ecc(curve Ed448)(flags eddsa)(q %b)))", (int)key.len, key.p) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static int to_sign(gcry_sexp_t *res, struct view data)
{
	static const char format[] = "(data(flags eddsa)(hash-algo shake256)(value %b))";

	/* libgcrypt takes the length as an int */
	if (data.len > INT32_MAX || gcry_sexp_build(res, NULL, format, (int)data.len, data.len > 0 ? (const char *)data.p : "") != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static enum verdict verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	gcry_sexp_t gdata = NULL, gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	(void)row;
	if (peer_ed448_sig(sig) < 0)
		return VERIFY_REJECT;
	if (gcry_sexp_build(&gsig, NULL, "(sig-val(eddsa(r %b)(s %b)))", (int)LEN, sig.p, (int)LEN, sig.p + LEN) == 0 &&
	    to_sign(&gdata, data) == SSH_OK && gcry_pk_verify(gsig, gdata, k->gcry) == 0)
		v = VERIFY_ACCEPT;
	gcry_sexp_release(gdata);
	gcry_sexp_release(gsig);
	return v;
}

/* RFC 8032 5.2.5: the number behind a seed. */
static int scalar(gcry_mpi_t *s, const uint8_t *seed)
{
	uint8_t h[2 * LEN], big[LEN];
	gcry_md_hd_t md;
	int r = SSH_E_CRYPTO;

	if (gcry_md_open(&md, GCRY_MD_SHAKE256, 0) != 0)
		return r;
	gcry_md_write(md, seed, LEN);
	if (gcry_md_extract(md, GCRY_MD_SHAKE256, h, sizeof h) == 0) {
		h[0] &= 0xfc;
		h[LEN - 2] |= 0x80;
		h[LEN - 1] = 0;
		for (size_t i = 0; i < LEN; i++)
			big[i] = h[LEN - 1 - i];
		r = gcry_number(s, view_of(big, sizeof big));
	}
	gcry_md_close(md);
	secret_wipe(h, sizeof h);
	secret_wipe(big, sizeof big);
	return r;
}

/* s * B as its 57 bytes: y little-endian, the sign of x on top. */
static int encode(uint8_t pk[LEN], gcry_mpi_t s, gcry_ctx_t curve)
{
	gcry_mpi_point_t base = gcry_mpi_ec_get_point("g", curve, 1), point = gcry_mpi_point_new(0);
	gcry_mpi_t x = gcry_mpi_new(0), y = gcry_mpi_new(0);
	uint8_t big[LEN];
	int r = SSH_E_CRYPTO;

	if (base != NULL) {
		gcry_mpi_ec_mul(point, s, base, curve);
		if (gcry_mpi_ec_get_affine(x, y, point, curve) == 0)
			r = gcry_bytes(big, sizeof big, y);
	}
	for (size_t i = 0; r == SSH_OK && i < LEN; i++)
		pk[i] = big[LEN - 1 - i];
	if (r == SSH_OK && gcry_mpi_test_bit(x, 0))
		pk[LEN - 1] |= 0x80;
	gcry_mpi_point_release(base);
	gcry_mpi_point_release(point);
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	return r;
}

static int derive(uint8_t pk[LEN], const uint8_t *seed)
{
	gcry_ctx_t curve = NULL;
	gcry_mpi_t s = NULL;
	int r = gcry_mpi_ec_new(&curve, NULL, "Ed448") == 0 ? scalar(&s, seed) : SSH_E_CRYPTO;

	if (r == SSH_OK)
		r = encode(pk, s, curve);
	gcry_mpi_release(s);
	gcry_ctx_release(curve);
	return r;
}

static int complete(struct wr *w, enum key_kind kind, struct view seed)
{
	uint8_t sk[2 * LEN];
	int r;

	(void)kind;
	if (seed.len != LEN)
		return SSH_E_BAD_VALUE;
	memcpy(sk, seed.p, LEN);
	if ((r = derive(sk + LEN, seed.p)) == SSH_OK) {
		wr_string(w, sk + LEN, LEN);
		wr_string(w, sk, sizeof sk);
		r = wr_done(w);
	}
	secret_wipe(sk, sizeof sk);
	return r;
}

static int read(struct privkey *k, struct rd *in)
{
	struct view pk = rd_string(in, LEN), sk = rd_string(in, 2 * LEN);
	struct wr w = wr_to(&k->blob);
	uint8_t derived[LEN];
	int r;

	if (in->bad || pk.len != LEN || sk.len != 2 * LEN)
		return SSH_E_FORMAT;
	TRY(derive(derived, sk.p));
	if (!secret_equal(derived, pk.p, LEN) || !secret_equal(derived, sk.p + LEN, LEN))
		return SSH_E_BAD_VALUE;		/* as with Ed25519 */
	wr_cstr(&w, key_kind_name(k->kind));
	wr_view(&w, pk);
	TRY(privkey_set_public(k, &w));
	if (gcry_sexp_build(&k->gcry, NULL, "(private-key(ecc(curve Ed448)(flags eddsa)(q %b)(d %b)))", (int)LEN, pk.p,
	    (int)LEN, sk.p) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

/* One half of a signature: libgcrypt gives it as LEN opaque bytes. */
static int put_half(uint8_t out[LEN], gcry_mpi_t v)
{
	unsigned bits = 0;
	const void *p = gcry_mpi_get_opaque(v, &bits);

	if (p == NULL || bits != LEN * 8)
		return SSH_E_CRYPTO;
	memcpy(out, p, LEN);
	return SSH_OK;
}

static int sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	gcry_sexp_t gdata = NULL, gsig = NULL;
	gcry_mpi_t halves[2] = { NULL, NULL };
	uint8_t sig[2 * LEN];
	int r = to_sign(&gdata, data);

	(void)row;
	if (r == SSH_OK && (gcry_pk_sign(&gsig, gdata, k->gcry) != 0 ||
	    gcry_sexp_extract_param(gsig, NULL, "/rs", &halves[0], &halves[1], NULL) != 0))
		r = SSH_E_CRYPTO;
	if (r == SSH_OK && (r = put_half(sig, halves[0])) == SSH_OK && (r = put_half(sig + LEN, halves[1])) == SSH_OK) {
		wr_string(w, sig, sizeof sig);
		r = wr_done(w);
	}
	gcry_mpi_release(halves[0]);
	gcry_mpi_release(halves[1]);
	gcry_sexp_release(gdata);
	gcry_sexp_release(gsig);
	return r;
}

const struct key_ops key_ed448 = { parse, verify, NULL, complete, read, sign, LEN };
