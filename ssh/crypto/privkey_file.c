#include "ssh/crypto/privkey.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

#define RSA_LEN_MAX (PEER_RSA_BITS_MAX / 8)

/* The public blob is written first, so that pubkey_parse() applies every check of a peer's key. */
static int set_public(struct privkey *k, const struct wr *w)
{
	int r;

	TRY(wr_done(w));
	return pubkey_parse(&k->pub, privkey_blob(k), NULL);
}

/* PROTOCOL.key, RFC 8709: the public key, then seed and public key again */
static int read_ed25519(struct privkey *k, struct rd *in)
{
	struct view pk = rd_string(in, 32), sk = rd_string(in, 64);
	struct wr w = wr_to(&k->blob);
	uint8_t derived[crypto_sign_PUBLICKEYBYTES];
	int r;

	if (in->bad || pk.len != 32 || sk.len != 64)
		return SSH_E_FORMAT;
	crypto_sign_seed_keypair(derived, k->ed25519, sk.p);
	if (!secret_equal(derived, pk.p, 32) || !secret_equal(derived, sk.p + 32, 32))
		return SSH_E_BAD_VALUE;		/* signing with a foreign public key gives the seed away */
	wr_cstr(&w, key_kind_name(KEY_ED25519));
	wr_view(&w, pk);
	TRY(set_public(k, &w));
	return SSH_OK;
}

static int scan(gcry_mpi_t *v, struct view bytes)
{
	return gcry_mpi_scan(v, GCRYMPI_FMT_USG, bytes.p, bytes.len, NULL) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

static int read_p256(struct privkey *k, struct rd *in)
{
	struct view curve = rd_string(in, SSH_ALG_NAME_MAX), q = rd_string(in, 65), d = rd_mpint(in, 32);
	struct wr w = wr_to(&k->blob);
	gcry_mpi_t gd = NULL;
	int r;

	if (in->bad)
		return SSH_E_FORMAT;
	wr_cstr(&w, key_kind_name(KEY_P256));
	wr_view(&w, curve);
	wr_view(&w, q);
	TRY(set_public(k, &w));
	TRY(peer_p256_scalar(d));
	if ((r = scan(&gd, d)) == SSH_OK &&
	    gcry_sexp_build(&k->gcry, NULL, "(private-key(ecc(curve \"NIST P-256\")(q %b)(d %m)))",
	    (int)q.len, q.p, gd) != 0)
		r = SSH_E_CRYPTO;
	gcry_mpi_release(gd);
	return r;
}

struct rsa { gcry_mpi_t n, e, d, p, q, u; };

/*
 * n = p * q with odd factors far from 1, d in range, and p < q with u = 1/p mod q, which libgcrypt
 * relies on without asking. Anything else would divide by zero or worse inside.
 */
static int rsa_fits(struct rsa *v)
{
	gcry_mpi_t t = gcry_mpi_new(0);
	unsigned half = gcry_mpi_get_nbits(v->n) / 2;
	int ok;

	gcry_mpi_mul(t, v->p, v->q);
	ok = gcry_mpi_cmp(t, v->n) == 0 && gcry_mpi_get_nbits(v->p) > half / 2 &&
	    gcry_mpi_get_nbits(v->q) > half / 2 && gcry_mpi_cmp(v->d, v->n) < 0 && gcry_mpi_get_nbits(v->d) > half / 2;
	gcry_mpi_release(t);
	if (!ok)
		return 0;
	if (gcry_mpi_cmp(v->p, v->q) > 0)
		gcry_mpi_swap(v->p, v->q);
	return gcry_mpi_invm(v->u, v->p, v->q);
}

static int read_rsa(struct privkey *k, struct rd *in)
{
	struct view n = rd_mpint(in, RSA_LEN_MAX), e = rd_mpint(in, 4), d = rd_mpint(in, RSA_LEN_MAX);
	struct view iqmp = rd_mpint(in, RSA_LEN_MAX), p = rd_mpint(in, RSA_LEN_MAX), q = rd_mpint(in, RSA_LEN_MAX);
	struct wr w = wr_to(&k->blob);
	struct rsa v = { 0 };
	int r;

	if (in->bad || iqmp.len == 0)		/* iqmp is computed again below */
		return SSH_E_FORMAT;
	wr_cstr(&w, key_kind_name(KEY_RSA));
	wr_mpint(&w, e.p, e.len);
	wr_mpint(&w, n.p, n.len);
	TRY(set_public(k, &w));
	v.u = gcry_mpi_new(0);
	if ((r = scan(&v.n, n)) == SSH_OK && (r = scan(&v.e, e)) == SSH_OK && (r = scan(&v.d, d)) == SSH_OK &&
	    (r = scan(&v.p, p)) == SSH_OK && (r = scan(&v.q, q)) == SSH_OK) {
		if (!rsa_fits(&v))
			r = SSH_E_BAD_VALUE;
		else if (gcry_sexp_build(&k->gcry, NULL, "(private-key(rsa(n %m)(e %m)(d %m)(p %m)(q %m)(u %m)))",
		    v.n, v.e, v.d, v.p, v.q, v.u) != 0)
			r = SSH_E_CRYPTO;
	}
	gcry_mpi_release(v.n);
	gcry_mpi_release(v.e);
	gcry_mpi_release(v.d);
	gcry_mpi_release(v.p);
	gcry_mpi_release(v.q);
	gcry_mpi_release(v.u);
	return r;
}

/* One signature, which privkey_sign() verifies: do the two halves belong together? */
static int prove(const struct privkey *k)
{
	const struct sig_alg *row = NULL;
	const char *name;
	struct buf b;
	struct wr w;
	int r;

	for (size_t i = 0; (name = alg_name(ALG_SIG, i, NULL)) != NULL; i++)
		if ((row = sig_alg_find(view_str(name)))->kind == k->kind)
			break;
	buf_init(&b, SSH_SIG_MAX, NULL);
	w = wr_to(&b);
	r = privkey_sign(k, row, view_str("proof"), &w);
	buf_drop(&b);
	return r == SSH_E_CRYPTO ? SSH_E_BAD_VALUE : r;
}

static int read_kind(struct privkey *k, struct rd *in)
{
	switch (k->kind) {
	case KEY_ED25519:
		return read_ed25519(k, in);
	case KEY_P256:
		return read_p256(k, in);
	case KEY_RSA:
		return read_rsa(k, in);
	case KEY_P384:
	case KEY_P521:
	case KEY_NONE:
		break;
	}
	return SSH_E_UNKNOWN_KEY;
}

int privkey_read_private(struct privkey **res, struct rd *in)
{
	const uint8_t *start = in->p;
	struct view name = rd_string(in, SSH_ALG_NAME_MAX);
	struct privkey *k;
	int r;

	*res = NULL;
	if (in->bad)
		return SSH_E_FORMAT;
	if ((k = mem_zalloc(NULL, sizeof *k)) == NULL)
		return SSH_E_NOMEM;
	buf_init(&k->blob, SSH_BLOB_MAX, NULL);
	buf_init(&k->priv, SSH_BLOB_MAX, NULL);
	k->kind = key_kind_find(name);
	if ((r = read_kind(k, in)) < 0 || (r = buf_append(&k->priv, start, (size_t)(in->p - start))) < 0 ||
	    (r = prove(k)) < 0) {
		privkey_free(k);
		return r;
	}
	*res = k;
	return SSH_OK;
}

int privkey_write_private(const struct privkey *k, struct wr *w)
{
	wr_raw(w, buf_head(&k->priv), buf_len(&k->priv));
	return wr_done(w);
}
