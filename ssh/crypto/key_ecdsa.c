#include "base/err.h"
#include "ssh/crypto/curve.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

/* key_ecdsa - ecdsa-sha2-nistp* (RFC 5656) over the curves of curves.def, by libgcrypt. */

/* RFC 5656 3.1 */
static int parse(struct pubkey **res, enum key_kind kind, struct rd *in, const struct mem *mem)
{
	const struct curve *c = curve_of(kind);
	struct view name = rd_string(in, SSH_ALG_NAME_MAX), q = rd_string(in, SSH_BLOB_MAX);
	int r;

	TRY(rd_done(in));
	if (!view_is(name, c->name))
		return SSH_E_BAD_VALUE;
	TRY(peer_ec_point(kind, q));
	TRY(pubkey_make(res, kind, view_of(NULL, 0), mem));
	(*res)->bits = c->bits;
	if (gcry_sexp_build(&(*res)->gcry, NULL, "(public-key(ecc(curve %s)(q %b)))", c->gcry, (int)q.len, q.p) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

/* RFC 5656 3.1.2: mpint r, mpint s */
static enum verdict verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	struct rd in = rd_view(sig);
	struct view rs[2];
	gcry_mpi_t gr = NULL, gs = NULL;
	gcry_sexp_t gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	rs[0] = rd_mpint(&in, CURVE_LEN_MAX);
	rs[1] = rd_mpint(&in, CURVE_LEN_MAX);
	if (rd_done(&in) < 0 || peer_ec_scalar(k->kind, rs[0]) < 0 || peer_ec_scalar(k->kind, rs[1]) < 0)
		return VERIFY_REJECT;
	if (gcry_number(&gr, rs[0]) == SSH_OK && gcry_number(&gs, rs[1]) == SSH_OK &&
	    gcry_sexp_build(&gsig, NULL, "(sig-val(ecdsa(r %m)(s %m)))", gr, gs) == 0)
		v = gcry_verdict(k->gcry, row, data, gsig);
	gcry_mpi_release(gr);
	gcry_mpi_release(gs);
	gcry_sexp_release(gsig);
	return v;
}

/* Q = d * G as a point's bytes. */
static int public_of(const struct curve *c, gcry_mpi_t d, uint8_t point[CURVE_POINT_MAX])
{
	gcry_mpi_t x = gcry_mpi_new(0), y = gcry_mpi_new(0);
	gcry_mpi_point_t base = NULL, q = gcry_mpi_point_new(0);
	gcry_ctx_t ctx = NULL;
	int r = SSH_E_CRYPTO;

	if (gcry_mpi_ec_new(&ctx, NULL, c->gcry) == 0 && (base = gcry_mpi_ec_get_point("g", ctx, 1)) != NULL) {
		gcry_mpi_ec_mul(q, d, base, ctx);
		if (gcry_mpi_ec_get_affine(x, y, q, ctx) == 0 && gcry_bytes(point + 1, c->len, x) == SSH_OK)
			r = gcry_bytes(point + 1 + c->len, c->len, y);
	}
	point[0] = 4;
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	gcry_mpi_point_release(base);
	gcry_mpi_point_release(q);
	gcry_ctx_release(ctx);
	return r;
}

static int complete(struct wr *w, enum key_kind kind, struct view secret)
{
	const struct curve *c = curve_of(kind);
	uint8_t point[CURVE_POINT_MAX];
	gcry_mpi_t d = NULL;
	int r;

	TRY(peer_ec_scalar(kind, secret));
	if ((r = gcry_number(&d, secret)) == SSH_OK && (r = public_of(c, d, point)) == SSH_OK) {
		wr_cstr(w, c->name);
		wr_string(w, point, 1 + 2 * c->len);
		gcry_put_mpint(w, d);
		r = wr_done(w);
	}
	gcry_mpi_release(d);
	return r;
}

/* A number of 1 .. n - 1, each as likely: others are thrown away (FIPS 186-4 B.4.2). */
static int generate(struct wr *w, enum key_kind kind, unsigned bits)
{
	const struct curve *c = curve_of(kind);
	uint8_t d[CURVE_LEN_MAX];
	int r;

	(void)bits;
	do {
		crypto_random(NULL, d, c->len);
		if (c->bits % 8 != 0)
			d[0] &= (uint8_t)((1u << c->bits % 8) - 1);
	} while (peer_ec_scalar(kind, view_of(d, c->len)) < 0);
	r = complete(w, kind, view_of(d, c->len));
	secret_wipe(d, sizeof d);
	return r;
}

static int read(struct privkey *k, struct rd *in)
{
	const struct curve *c = curve_of(k->kind);
	struct view name = rd_string(in, SSH_ALG_NAME_MAX), q = rd_string(in, 1 + 2 * c->len), d = rd_mpint(in, c->len);
	struct wr w = wr_to(&k->blob);
	gcry_mpi_t gd = NULL;
	int r;

	if (in->bad)
		return SSH_E_FORMAT;
	wr_cstr(&w, key_kind_name(k->kind));
	wr_view(&w, name);
	wr_view(&w, q);
	TRY(privkey_set_public(k, &w));
	TRY(peer_ec_scalar(k->kind, d));
	if ((r = gcry_number(&gd, d)) == SSH_OK &&
	    gcry_sexp_build(&k->gcry, NULL, "(private-key(ecc(curve %s)(q %b)(d %m)))", c->gcry, (int)q.len, q.p, gd) != 0)
		r = SSH_E_CRYPTO;
	gcry_mpi_release(gd);
	return r;
}

/* RFC 5656 3.1.2 */
static int sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	gcry_mpi_t rs[2];
	int r = gcry_sign_pair(rs, k->gcry, row, data);
	size_t mark;

	if (r == SSH_OK) {
		mark = wr_string_begin(w);
		gcry_put_mpint(w, rs[0]);
		gcry_put_mpint(w, rs[1]);
		wr_string_end(w, mark);
		r = wr_done(w);
	}
	gcry_mpi_release(rs[0]);
	gcry_mpi_release(rs[1]);
	return r;
}

const struct key_ops key_ecdsa = { parse, verify, generate, complete, read, sign, 0 };
