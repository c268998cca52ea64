#include "ssh/crypto/privkey.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

void privkey_free(struct privkey *k)
{
	if (k == NULL)
		return;
	pubkey_free(k->pub);
	gcry_sexp_release(k->gcry);	/* wiped by the allocator of init.c */
	buf_drop(&k->blob);
	buf_drop(&k->priv);
	secret_wipe(k, sizeof *k);
	mem_free(NULL, k);
}

enum key_kind privkey_kind(const struct privkey *k)
{
	return k->kind;
}

struct view privkey_blob(const struct privkey *k)
{
	return view_of(buf_head(&k->blob), buf_len(&k->blob));
}

/* ---- generating: the bytes of the file format, read back through all its checks ---- */

static int generate_ed25519(struct wr *w)
{
	uint8_t seed[crypto_sign_SEEDBYTES], sk[crypto_sign_SECRETKEYBYTES], pk[crypto_sign_PUBLICKEYBYTES];

	crypto_random(NULL, seed, sizeof seed);
	crypto_sign_seed_keypair(pk, sk, seed);
	wr_string(w, pk, sizeof pk);
	wr_string(w, sk, sizeof sk);
	secret_wipe(seed, sizeof seed);
	secret_wipe(sk, sizeof sk);
	return wr_done(w);
}

static void write_mpi(struct wr *w, gcry_mpi_t v)
{
	uint8_t bytes[PEER_RSA_BITS_MAX / 8];
	size_t n = 0;

	if (gcry_mpi_print(GCRYMPI_FMT_USG, bytes, sizeof bytes, &n, v) != 0)
		w->error = SSH_E_CRYPTO;
	else
		wr_mpint(w, bytes, n);
	secret_wipe(bytes, sizeof bytes);
}

static int write_p256(struct wr *w, gcry_sexp_t key)
{
	gcry_mpi_t q = NULL, d = NULL;
	uint8_t point[65];
	size_t n = 0;
	int r = SSH_E_CRYPTO;

	if (gcry_sexp_extract_param(key, NULL, "qd", &q, &d, NULL) == 0 &&
	    gcry_mpi_print(GCRYMPI_FMT_USG, point, sizeof point, &n, q) == 0 && n == sizeof point) {
		wr_cstr(w, "nistp256");
		wr_string(w, point, sizeof point);
		write_mpi(w, d);
		r = wr_done(w);
	}
	gcry_mpi_release(q);
	gcry_mpi_release(d);
	return r;
}

/* libgcrypt keeps u = 1/p mod q, PROTOCOL.key iqmp = 1/q mod p: p and q change places. */
static int write_rsa(struct wr *w, gcry_sexp_t key)
{
	gcry_mpi_t n = NULL, e = NULL, d = NULL, p = NULL, q = NULL, u = NULL;
	int r = SSH_E_CRYPTO;

	if (gcry_sexp_extract_param(key, NULL, "nedpqu", &n, &e, &d, &p, &q, &u, NULL) == 0) {
		write_mpi(w, n);
		write_mpi(w, e);
		write_mpi(w, d);
		write_mpi(w, u);
		write_mpi(w, q);
		write_mpi(w, p);
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

static int generate_gcry(struct wr *w, enum key_kind kind, unsigned bits)
{
	gcry_sexp_t params = NULL, key = NULL, secret = NULL;
	int r = SSH_E_CRYPTO;

	if ((kind == KEY_RSA ? gcry_sexp_build(&params, NULL, "(genkey(rsa(nbits %u)(rsa-use-e 5:65537)))", bits)
	    : gcry_sexp_build(&params, NULL, "(genkey(ecc(curve \"NIST P-256\")))")) == 0 &&
	    gcry_pk_genkey(&key, params) == 0 && (secret = gcry_sexp_find_token(key, "private-key", 0)) != NULL)
		r = kind == KEY_RSA ? write_rsa(w, secret) : write_p256(w, secret);
	gcry_sexp_release(params);
	gcry_sexp_release(key);
	gcry_sexp_release(secret);
	return r;
}

int privkey_generate(struct privkey **res, enum key_kind kind, unsigned bits)
{
	struct buf b;
	struct wr w;
	struct rd in;
	int r = SSH_E_BUG;

	*res = NULL;
	if (kind == KEY_RSA && bits == 0)
		bits = 3072;
	if (kind == KEY_RSA && (bits < PEER_RSA_BITS_MIN || bits > PEER_RSA_BITS_MAX))
		return SSH_E_BAD_VALUE;
	buf_init(&b, SSH_BLOB_MAX, NULL);
	w = wr_to(&b);
	wr_cstr(&w, key_kind_name(kind));
	if (kind == KEY_ED25519)
		r = generate_ed25519(&w);
	else if (kind != KEY_NONE)
		r = generate_gcry(&w, kind, bits);
	if (r == SSH_OK) {
		in = rd_of(buf_head(&b), buf_len(&b));
		r = privkey_read_private(res, &in);
	}
	buf_drop(&b);
	return r;
}

/* ---- signing ---- */

/* RFC 5656 3.1.2 */
static int put_p256(struct wr *w, gcry_sexp_t sig)
{
	gcry_mpi_t rs[2] = { NULL, NULL };
	int r = SSH_E_CRYPTO;

	if (gcry_sexp_extract_param(sig, NULL, "rs", &rs[0], &rs[1], NULL) == 0) {
		size_t mark = wr_string_begin(w);

		write_mpi(w, rs[0]);
		write_mpi(w, rs[1]);
		wr_string_end(w, mark);
		r = wr_done(w);
	}
	gcry_mpi_release(rs[0]);
	gcry_mpi_release(rs[1]);
	return r;
}

/* RFC 8332 3: as long as the modulus */
static int put_rsa(struct wr *w, gcry_sexp_t sig, size_t len)
{
	uint8_t bytes[PEER_RSA_BITS_MAX / 8];
	gcry_mpi_t s = NULL;
	size_t n = 0;
	int r = SSH_E_CRYPTO;

	if (gcry_sexp_extract_param(sig, NULL, "s", &s, NULL) == 0 &&
	    gcry_mpi_print(GCRYMPI_FMT_USG, bytes, sizeof bytes, &n, s) == 0 && n <= len) {
		size_t mark = wr_string_begin(w);

		for (size_t i = n; i < len; i++)
			wr_u8(w, 0);
		wr_raw(w, bytes, n);
		wr_string_end(w, mark);
		r = wr_done(w);
	}
	gcry_mpi_release(s);
	return r;
}

static int sign_gcry(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	gcry_sexp_t signed_data = NULL, sig = NULL;
	int r;

	TRY(gcry_signed_data(&signed_data, row, data));
	r = SSH_E_CRYPTO;
	if (gcry_pk_sign(&sig, signed_data, k->gcry) == 0)
		r = k->kind == KEY_RSA ? put_rsa(w, sig, (pubkey_bits(k->pub) + 7) / 8) : put_p256(w, sig);
	gcry_sexp_release(signed_data);
	gcry_sexp_release(sig);
	return r;
}

static int sign_ed25519(const struct privkey *k, struct view data, struct wr *w)
{
	uint8_t sig[crypto_sign_BYTES];

	if (crypto_sign_detached(sig, NULL, data.p, data.len, k->ed25519) != 0)
		return SSH_E_CRYPTO;
	wr_string(w, sig, sizeof sig);
	return wr_done(w);
}

int privkey_sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *out)
{
	struct buf b;
	struct wr w;
	int r;

	if (row == NULL || row->kind != k->kind)
		return SSH_E_BUG;
	buf_init(&b, SSH_SIG_MAX, NULL);
	w = wr_to(&b);
	wr_cstr(&w, row->name);
	r = k->kind == KEY_ED25519 ? sign_ed25519(k, data, &w) : sign_gcry(k, row, data, &w);
	/* A fault in the computation must not leave: one wrong RSA-CRT signature factors the modulus. */
	if (r == SSH_OK &&
	    pubkey_verify(k->pub, row, data, view_of(buf_head(&b), buf_len(&b))) != VERIFY_ACCEPT)
		r = SSH_E_CRYPTO;
	if (r == SSH_OK) {
		wr_raw(out, buf_head(&b), buf_len(&b));
		r = wr_done(out);
	}
	buf_drop(&b);
	return r;
}
