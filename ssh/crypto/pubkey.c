#include "ssh/crypto/crypto.h"

#include <gcrypt.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

struct pubkey {
	const struct mem *mem;
	enum key_kind kind;
	unsigned bits;
	gcry_sexp_t gcry;		/* P-256, RSA */
	size_t len;
	uint8_t v[];			/* Ed25519: the key; RSA: the modulus */
};

const char *key_kind_word(enum key_kind kind)
{
	switch (kind) {
	case KEY_ED25519:
		return "ED25519";
	case KEY_P256:
		return "ECDSA";
	case KEY_RSA:
		return "RSA";
	case KEY_P384:
	case KEY_P521:
	case KEY_NONE:
		break;
	}
	return "NONE";
}

/* ---- parsing ---- */

static int make(struct pubkey **res, enum key_kind kind, struct view v, const struct mem *mem)
{
	struct pubkey *k = mem_zalloc(mem, sizeof *k + v.len);

	if (k == NULL)
		return SSH_E_NOMEM;
	k->mem = mem;
	k->kind = kind;
	k->bits = 256;
	k->len = v.len;
	memcpy(k->v, v.p, v.len);
	*res = k;
	return SSH_OK;
}

/* RFC 8709 4 */
static int parse_ed25519(struct pubkey **res, struct rd *in, const struct mem *mem)
{
	struct view key = rd_string(in, SSH_BLOB_MAX);
	int r;

	TRY(rd_done(in));
	TRY(peer_ed25519_key(key));
	return make(res, KEY_ED25519, key, mem);
}

/* RFC 5656 3.1 */
static int parse_p256(struct pubkey **res, struct rd *in, const struct mem *mem)
{
	struct view curve = rd_string(in, SSH_ALG_NAME_MAX), q = rd_string(in, SSH_BLOB_MAX);
	int r;

	TRY(rd_done(in));
	if (!view_is(curve, "nistp256"))
		return SSH_E_BAD_VALUE;
	TRY(peer_p256_point(q));
	TRY(make(res, KEY_P256, q, mem));
	if (gcry_sexp_build(&(*res)->gcry, NULL, "(public-key(ecc(curve \"NIST P-256\")(q %b)))", (int)q.len, q.p) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

/* RFC 4253 6.6 */
static int parse_rsa(struct pubkey **res, struct rd *in, const struct mem *mem)
{
	struct view e = rd_mpint(in, SSH_BLOB_MAX), n = rd_mpint(in, SSH_BLOB_MAX);
	gcry_mpi_t gn = NULL, ge = NULL;
	int r;

	TRY(rd_done(in));
	TRY(peer_rsa_key(n, e));
	TRY(make(res, KEY_RSA, n, mem));
	(*res)->bits = (unsigned)peer_bits(n);
	if (gcry_mpi_scan(&gn, GCRYMPI_FMT_USG, n.p, n.len, NULL) != 0 ||
	    gcry_mpi_scan(&ge, GCRYMPI_FMT_USG, e.p, e.len, NULL) != 0 ||
	    gcry_sexp_build(&(*res)->gcry, NULL, "(public-key(rsa(n %m)(e %m)))", gn, ge) != 0)
		r = SSH_E_CRYPTO;
	gcry_mpi_release(gn);
	gcry_mpi_release(ge);
	return r;
}

int pubkey_parse(struct pubkey **res, struct view blob, const struct mem *mem)
{
	struct pubkey *k = NULL;
	struct rd in = rd_view(blob);
	struct view name = rd_string(&in, SSH_BLOB_MAX);
	int r = SSH_E_UNKNOWN_KEY;

	*res = NULL;
	if (in.bad || blob.len > SSH_BLOB_MAX)
		return SSH_E_FORMAT;
	switch (key_kind_find(name)) {
	case KEY_ED25519:
		r = parse_ed25519(&k, &in, mem);
		break;
	case KEY_P256:
		r = parse_p256(&k, &in, mem);
		break;
	case KEY_RSA:
		r = parse_rsa(&k, &in, mem);
		break;
	case KEY_P384:
	case KEY_P521:
	case KEY_NONE:
		break;
	}
	if (r < 0) {
		pubkey_free(k);
		return r;
	}
	*res = k;
	return SSH_OK;
}

void pubkey_free(struct pubkey *k)
{
	if (k == NULL)
		return;
	gcry_sexp_release(k->gcry);
	mem_free(k->mem, k);
}

enum key_kind pubkey_kind(const struct pubkey *k)
{
	return k->kind;
}

const char *pubkey_name(const struct pubkey *k)
{
	return key_kind_name(k->kind);
}

unsigned pubkey_bits(const struct pubkey *k)
{
	return k->bits;
}

void key_fingerprint(struct view blob, char out[64])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	static const char prefix[] = "SHA256:";

	crypto_hash_sha256(digest, blob.p, blob.len);
	memcpy(out, prefix, sizeof prefix - 1);
	sodium_bin2base64(out + sizeof prefix - 1, 64 - (sizeof prefix - 1), digest, sizeof digest,
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

/* ---- verifying ---- */

int gcry_signed_data(gcry_sexp_t *res, const struct sig_alg *row, struct view data)
{
	uint8_t digest[SSH_HASH_MAX];
	const char *format = row->kind == KEY_RSA ? "(data(flags pkcs1)(hash %s %b))" : "(data(flags rfc6979)(hash %s %b))";
	const char *name = row->hash == HASH_SHA512 ? "sha512" : "sha256";
	int r;

	TRY(hash_parts(row->hash, &data, 1, digest));
	if (gcry_sexp_build(res, NULL, format, name, (int)hash_len(row->hash), digest) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static enum verdict verify_gcry(const struct pubkey *k, const struct sig_alg *row, struct view data, gcry_sexp_t sig)
{
	gcry_sexp_t signed_data = NULL;
	enum verdict v = VERIFY_REJECT;

	if (gcry_signed_data(&signed_data, row, data) == SSH_OK && gcry_pk_verify(sig, signed_data, k->gcry) == 0)
		v = VERIFY_ACCEPT;
	gcry_sexp_release(signed_data);
	return v;
}

/* RFC 8709 6 */
static enum verdict verify_ed25519(const struct pubkey *k, struct view data, struct view sig)
{
	if (peer_ed25519_sig(sig) < 0)
		return VERIFY_REJECT;
	return crypto_sign_verify_detached(sig.p, data.p, data.len, k->v) == 0 ? VERIFY_ACCEPT : VERIFY_REJECT;
}

/* RFC 5656 3.1.2: mpint r, mpint s */
static enum verdict verify_p256(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	struct rd in = rd_view(sig);
	struct view rs[2];
	gcry_mpi_t gr = NULL, gs = NULL;
	gcry_sexp_t gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	rs[0] = rd_mpint(&in, 64);
	rs[1] = rd_mpint(&in, 64);
	if (rd_done(&in) < 0 || peer_p256_scalar(rs[0]) < 0 || peer_p256_scalar(rs[1]) < 0)
		return VERIFY_REJECT;
	if (gcry_mpi_scan(&gr, GCRYMPI_FMT_USG, rs[0].p, rs[0].len, NULL) == 0 &&
	    gcry_mpi_scan(&gs, GCRYMPI_FMT_USG, rs[1].p, rs[1].len, NULL) == 0 &&
	    gcry_sexp_build(&gsig, NULL, "(sig-val(ecdsa(r %m)(s %m)))", gr, gs) == 0)
		v = verify_gcry(k, row, data, gsig);
	gcry_mpi_release(gr);
	gcry_mpi_release(gs);
	gcry_sexp_release(gsig);
	return v;
}

/* RFC 8332 3; shorter ones come from signers that drop leading zeros */
static enum verdict verify_rsa(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	gcry_mpi_t gs = NULL;
	gcry_sexp_t gsig = NULL;
	enum verdict v = VERIFY_REJECT;

	if (peer_rsa_sig(view_of(k->v, k->len), sig) < 0)
		return VERIFY_REJECT;
	if (gcry_mpi_scan(&gs, GCRYMPI_FMT_USG, sig.p, sig.len, NULL) == 0 &&
	    gcry_sexp_build(&gsig, NULL, "(sig-val(rsa(s %m)))", gs) == 0)
		v = verify_gcry(k, row, data, gsig);
	gcry_mpi_release(gs);
	gcry_sexp_release(gsig);
	return v;
}

enum verdict pubkey_verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	struct rd in = rd_view(sig);
	struct view name = rd_string(&in, SSH_ALG_NAME_MAX), raw = rd_string(&in, SSH_SIG_MAX);

	if (rd_done(&in) < 0 || row == NULL)
		return VERIFY_REJECT;
	/* Three names that must be one: the key's, the row's (what was allowed), the signature's. */
	if (row->kind != k->kind || !view_is(name, row->name) || raw.len == 0)
		return VERIFY_REJECT;
	switch (k->kind) {
	case KEY_ED25519:
		return verify_ed25519(k, data, raw);
	case KEY_P256:
		return verify_p256(k, row, data, raw);
	case KEY_RSA:
		return verify_rsa(k, row, data, raw);
	case KEY_P384:
	case KEY_P521:
	case KEY_NONE:
		break;
	}
	return VERIFY_REJECT;
}
