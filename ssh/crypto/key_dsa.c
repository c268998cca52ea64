#include <string.h>

#include "base/err.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

/* key_dsa - ssh-dss (RFC 4253 6.6), by libgcrypt: off by default, and no such key is ever made. */

#define HALF 20u			/* bytes of r and of s */
#define LEN_MAX 128u			/* p of 1024 bits */

static int build(gcry_sexp_t *res, const struct view v[4], struct view x)
{
	gcry_mpi_t n[5] = { NULL };
	int r = SSH_OK;

	for (int i = 0; i < 4 && r == SSH_OK; i++)
		r = gcry_number(&n[i], v[i]);
	if (r == SSH_OK && x.len > 0)
		r = gcry_number(&n[4], x);
	if (r == SSH_OK && (x.len > 0
	    ? gcry_sexp_build(res, NULL, "(private-key(dsa(p %m)(q %m)(g %m)(y %m)(x %m)))", n[0], n[1], n[2], n[3], n[4])
	    : gcry_sexp_build(res, NULL, "(public-key(dsa(p %m)(q %m)(g %m)(y %m)))", n[0], n[1], n[2], n[3])) != 0)
		r = SSH_E_CRYPTO;
	for (int i = 0; i < 5; i++)
		gcry_mpi_release(n[i]);
	return r;
}

static int parse(struct pubkey **res, enum key_kind kind, struct rd *in, const struct mem *mem)
{
	struct view v[4];
	int r;

	for (int i = 0; i < 4; i++)
		v[i] = rd_mpint(in, SSH_BLOB_MAX);
	TRY(rd_done(in));
	TRY(peer_dsa_key(v[0], v[1], v[2], v[3]));
	TRY(pubkey_make(res, kind, v[1], mem));
	(*res)->bits = (unsigned)peer_bits(v[0]);
	return build(&(*res)->gcry, v, view_of(NULL, 0));
}

static enum verdict verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	gcry_mpi_t gr = NULL, gs = NULL;
	gcry_sexp_t gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	if (peer_dsa_sig(view_of(k->v, k->len), sig) < 0)
		return VERIFY_REJECT;
	if (gcry_number(&gr, view_of(sig.p, HALF)) == SSH_OK && gcry_number(&gs, view_of(sig.p + HALF, HALF)) == SSH_OK &&
	    gcry_sexp_build(&gsig, NULL, "(sig-val(dsa(r %m)(s %m)))", gr, gs) == 0)
		v = gcry_verdict(k->gcry, row, data, gsig);
	gcry_mpi_release(gr);
	gcry_mpi_release(gs);
	gcry_sexp_release(gsig);
	return v;
}

/* secret: the mpints p, q, g and x, which is what PKCS #8 has of such a key. */
static int complete(struct wr *w, enum key_kind kind, struct view secret)
{
	struct rd in = rd_view(secret);
	gcry_mpi_t n[4] = { NULL }, y = gcry_mpi_new(LEN_MAX * 8);
	struct view v[4];
	int r;

	(void)kind;
	for (int i = 0; i < 4; i++)
		v[i] = rd_mpint(&in, i == 3 ? HALF : LEN_MAX);
	if ((r = rd_done(&in)) == SSH_OK)
		r = peer_dsa_key(v[0], v[1], v[2], v[2]);	/* y is not there yet; g is of the same group */
	for (int i = 0; i < 4 && r == SSH_OK; i++)
		r = gcry_number(&n[i], v[i]);
	if (r == SSH_OK) {
		gcry_mpi_powm(y, n[2], n[3], n[0]);
		for (int i = 0; i < 3; i++)
			gcry_put_mpint(w, n[i]);
		gcry_put_mpint(w, y);
		gcry_put_mpint(w, n[3]);
		r = wr_done(w);
	}
	for (int i = 0; i < 4; i++)
		gcry_mpi_release(n[i]);
	gcry_mpi_release(y);
	return r;
}

static int read(struct privkey *k, struct rd *in)
{
	struct wr w = wr_to(&k->blob);
	struct view v[4], x;
	int r;

	wr_cstr(&w, key_kind_name(k->kind));
	for (int i = 0; i < 4; i++) {
		v[i] = rd_mpint(in, LEN_MAX);
		wr_mpint(&w, v[i].p, v[i].len);
	}
	x = rd_mpint(in, HALF);
	if (in->bad)
		return SSH_E_FORMAT;
	TRY(privkey_set_public(k, &w));
	if (peer_bits(x) == 0)
		return SSH_E_BAD_VALUE;
	return build(&k->gcry, v, x);
}

static int sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	gcry_mpi_t rs[2];
	uint8_t sig[2 * HALF];
	int r = gcry_sign_pair(rs, k->gcry, row, data);

	if (r == SSH_OK && (r = gcry_bytes(sig, HALF, rs[0])) == SSH_OK && (r = gcry_bytes(sig + HALF, HALF, rs[1])) == SSH_OK) {
		wr_string(w, sig, sizeof sig);
		r = wr_done(w);
	}
	gcry_mpi_release(rs[0]);
	gcry_mpi_release(rs[1]);
	return r;
}

const struct key_ops key_dsa = { parse, verify, NULL, complete, read, sign, 0 };
