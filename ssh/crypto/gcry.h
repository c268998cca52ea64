#ifndef SSH_CRYPTO_GCRY_H
#define SSH_CRYPTO_GCRY_H
#include "ssh/crypto/crypto.h"

/* gcry - how our rows are called in libgcrypt; only for ssh/crypto/. */

/* GCRY_MD_*, GCRY_MD_NONE for HASH_NONE. */
int gcry_hash_id(enum hash_id);

#endif
