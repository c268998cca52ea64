#include "ssh/crypto/gcry.h"

#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "ssh/crypto/peer_input.h"

int gcry_sign_pair(gcry_mpi_t rs[2], gcry_sexp_t key, const struct sig_alg *row, struct view data)
{
	gcry_sexp_t gdata = NULL, gsig = NULL;
	int r = gcry_signed_data(&gdata, row, data);

	rs[0] = rs[1] = NULL;
	if (r == SSH_OK && (gcry_pk_sign(&gsig, gdata, key) != 0 || gcry_sexp_extract_param(gsig, NULL, "rs", &rs[0], &rs[1], NULL) != 0))
		r = SSH_E_CRYPTO;
	gcry_sexp_release(gdata);
	gcry_sexp_release(gsig);
	return r;
}

int gcry_number(gcry_mpi_t *v, struct view bytes)
{
	return gcry_mpi_scan(v, GCRYMPI_FMT_USG, bytes.p, bytes.len, NULL) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

int gcry_hex(gcry_mpi_t *v, const char *digits)
{
	return gcry_mpi_scan(v, GCRYMPI_FMT_HEX, digits, 0, NULL) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

void gcry_put_mpint(struct wr *w, gcry_mpi_t v)
{
	uint8_t bytes[PEER_RSA_BITS_MAX / 8];
	size_t n = 0;

	if (gcry_mpi_print(GCRYMPI_FMT_USG, bytes, sizeof bytes, &n, v) != 0)
		w->error = SSH_E_CRYPTO;
	else
		wr_mpint(w, bytes, n);
	secret_wipe(bytes, sizeof bytes);
}

int gcry_bytes(uint8_t *out, size_t n, gcry_mpi_t v)
{
	size_t len = 0;

	memset(out, 0, n);
	if (gcry_mpi_print(GCRYMPI_FMT_USG, NULL, 0, &len, v) != 0 || len > n)
		return SSH_E_CRYPTO;
	return len == 0 || gcry_mpi_print(GCRYMPI_FMT_USG, out + (n - len), len, &len, v) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

int gcry_signed_data(gcry_sexp_t *res, const struct sig_alg *row, struct view data)
{
	uint8_t digest[SSH_HASH_MAX];
	/* RFC 6979: a nonce that no generator can spoil */
	const char *format = row->kind == KEY_RSA ? "(data(flags pkcs1)(hash %s %b))" : "(data(flags rfc6979)(hash %s %b))";
	int r;

	TRY(hash_parts(row->hash, &data, 1, digest));
	if (gcry_sexp_build(res, NULL, format, gcry_md_algo_name(gcry_hash_id(row->hash)), (int)hash_len(row->hash), digest) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

enum verdict gcry_verdict(gcry_sexp_t key, const struct sig_alg *row, struct view data, gcry_sexp_t sig)
{
	gcry_sexp_t signed_data = NULL;
	enum verdict v = VERIFY_REJECT;

	if (gcry_signed_data(&signed_data, row, data) == SSH_OK && gcry_pk_verify(sig, signed_data, key) == 0)
		v = VERIFY_ACCEPT;
	gcry_sexp_release(signed_data);
	return v;
}
