#include "base/err.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

/* key_rsa - ssh-rsa keys with SHA-2 (RFC 8332) or SHA-1 (RFC 4253 6.6), by libgcrypt. */

#define LEN_MAX (PEER_RSA_BITS_MAX / 8)

/* RFC 4253 6.6 */
static int parse(struct pubkey **res, enum key_kind kind, struct rd *in, const struct mem *mem)
{
	struct view e = rd_mpint(in, SSH_BLOB_MAX), n = rd_mpint(in, SSH_BLOB_MAX);
	gcry_mpi_t gn = NULL, ge = NULL;
	int r;

	TRY(rd_done(in));
	TRY(peer_rsa_key(n, e));
	TRY(pubkey_make(res, kind, n, mem));
	(*res)->bits = (unsigned)peer_bits(n);
	if (gcry_number(&gn, n) < 0 || gcry_number(&ge, e) < 0 ||
	    gcry_sexp_build(&(*res)->gcry, NULL, "(public-key(rsa(n %m)(e %m)))", gn, ge) != 0)
		r = SSH_E_CRYPTO;
	gcry_mpi_release(gn);
	gcry_mpi_release(ge);
	return r;
}

/* RFC 8332 3; shorter ones come from signers that drop leading zeros */
static enum verdict verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	gcry_mpi_t gs = NULL;
	gcry_sexp_t gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	if (peer_rsa_sig(view_of(k->v, k->len), sig) < 0)
		return VERIFY_REJECT;
	if (gcry_number(&gs, sig) == SSH_OK && gcry_sexp_build(&gsig, NULL, "(sig-val(rsa(s %m)))", gs) == 0)
		v = gcry_verdict(k->gcry, row, data, gsig);
	gcry_mpi_release(gs);
	gcry_sexp_release(gsig);
	return v;
}

/* libgcrypt keeps u = 1/p mod q, PROTOCOL.key iqmp = 1/q mod p: p and q change places. */
static int write_key(struct wr *w, gcry_sexp_t key)
{
	gcry_mpi_t n = NULL, e = NULL, d = NULL, p = NULL, q = NULL, u = NULL;
	int r = SSH_E_CRYPTO;

	if (gcry_sexp_extract_param(key, NULL, "nedpqu", &n, &e, &d, &p, &q, &u, NULL) == 0) {
		gcry_put_mpint(w, n);
		gcry_put_mpint(w, e);
		gcry_put_mpint(w, d);
		gcry_put_mpint(w, u);
		gcry_put_mpint(w, q);
		gcry_put_mpint(w, p);
		r = wr_done(w);
	}
	gcry_mpi_release(n);
	gcry_mpi_release(e);
	gcry_mpi_release(d);
	gcry_mpi_release(p);
	gcry_mpi_release(q);
	gcry_mpi_release(u);
	return r;
}

static int generate(struct wr *w, enum key_kind kind, unsigned bits)
{
	gcry_sexp_t params = NULL, key = NULL, secret = NULL;
	int r = SSH_E_CRYPTO;

	(void)kind;
	if (gcry_sexp_build(&params, NULL, "(genkey(rsa(nbits %u)(rsa-use-e 5:65537)))", bits) == 0 &&
	    gcry_pk_genkey(&key, params) == 0 && (secret = gcry_sexp_find_token(key, "private-key", 0)) != NULL)
		r = write_key(w, secret);
	gcry_sexp_release(params);
	gcry_sexp_release(key);
	gcry_sexp_release(secret);
	return r;
}

struct rsa { gcry_mpi_t n, e, d, p, q, u; };

/*
 * n = p * q with odd factors far from 1, d in range, and p < q with u = 1/p mod q, which libgcrypt
 * relies on without asking. Anything else would divide by zero or worse inside.
 */
static int fits(struct rsa *v)
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

static int read(struct privkey *k, struct rd *in)
{
	struct view n = rd_mpint(in, LEN_MAX), e = rd_mpint(in, 4), d = rd_mpint(in, LEN_MAX);
	struct view iqmp = rd_mpint(in, LEN_MAX), p = rd_mpint(in, LEN_MAX), q = rd_mpint(in, LEN_MAX);
	struct wr w = wr_to(&k->blob);
	struct rsa v = { 0 };
	int r;

	if (in->bad || iqmp.len == 0)		/* iqmp is computed again below */
		return SSH_E_FORMAT;
	wr_cstr(&w, key_kind_name(k->kind));
	wr_mpint(&w, e.p, e.len);
	wr_mpint(&w, n.p, n.len);
	TRY(privkey_set_public(k, &w));
	v.u = gcry_mpi_new(0);
	if ((r = gcry_number(&v.n, n)) == SSH_OK && (r = gcry_number(&v.e, e)) == SSH_OK && (r = gcry_number(&v.d, d)) == SSH_OK &&
	    (r = gcry_number(&v.p, p)) == SSH_OK && (r = gcry_number(&v.q, q)) == SSH_OK) {
		if (!fits(&v))
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

/* RFC 8332 3: as long as the modulus */
static int sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	size_t len = (pubkey_bits(k->pub) + 7) / 8;
	gcry_sexp_t gdata = NULL, gsig = NULL;
	uint8_t bytes[LEN_MAX];
	gcry_mpi_t s = NULL;
	int r = gcry_signed_data(&gdata, row, data);

	if (r == SSH_OK && (gcry_pk_sign(&gsig, gdata, k->gcry) != 0 || gcry_sexp_extract_param(gsig, NULL, "s", &s, NULL) != 0))
		r = SSH_E_CRYPTO;
	if (r == SSH_OK && (r = gcry_bytes(bytes, len, s)) == SSH_OK) {
		wr_string(w, bytes, len);
		r = wr_done(w);
	}
	gcry_mpi_release(s);
	gcry_sexp_release(gdata);
	gcry_sexp_release(gsig);
	return r;
}

const struct key_ops key_rsa = { parse, verify, generate, NULL, read, sign, 0 };
