#ifndef SSH_CRYPTO_GCRY_H
#define SSH_CRYPTO_GCRY_H
#include <gcrypt.h>

#include "ssh/crypto/crypto.h"

/* gcry - what pubkey.c and privkey.c share: our rows in libgcrypt's words; only for ssh/crypto/. */

/* GCRY_MD_*, GCRY_MD_NONE for HASH_NONE. */
int gcry_hash_id(enum hash_id);
/* What gcry_pk_sign() and gcry_pk_verify() take for data under an RSA or ECDSA row; yours. */
int gcry_signed_data(gcry_sexp_t *, const struct sig_alg *, struct view data);

#endif
