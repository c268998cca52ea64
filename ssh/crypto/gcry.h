#ifndef SSH_CRYPTO_GCRY_H
#define SSH_CRYPTO_GCRY_H
#include <gcrypt.h>

#include "ssh/crypto/crypto.h"

/* gcry - our rows and numbers in libgcrypt's words; only for ssh/crypto/. */

/* GCRY_MD_*, GCRY_MD_NONE for HASH_NONE. */
int gcry_hash_id(enum hash_id);
/* What gcry_pk_sign() and gcry_pk_verify() take for data under a row that hashes; yours. */
int gcry_signed_data(gcry_sexp_t *, const struct sig_alg *, struct view data);
/* gcry_pk_verify() of data under a row that hashes. */
enum verdict gcry_verdict(gcry_sexp_t key, const struct sig_alg *, struct view data, gcry_sexp_t sig);
/* r and s of a DSA or ECDSA signature of data; yours. SSH_OK, or an error and neither. */
int gcry_sign_pair(gcry_mpi_t rs[2], gcry_sexp_t key, const struct sig_alg *, struct view data);
/* A big-endian number; yours. SSH_OK or SSH_E_CRYPTO. */
int gcry_number(gcry_mpi_t *, struct view bytes);
/* Of hexadecimal digits from our own tables. */
int gcry_hex(gcry_mpi_t *, const char *digits);
/* As an mpint (RFC 4251 5). */
void gcry_put_mpint(struct wr *, gcry_mpi_t);
/* Exactly n bytes, zeros in front; SSH_E_CRYPTO when it is longer. */
int gcry_bytes(uint8_t *out, size_t n, gcry_mpi_t);

#endif
