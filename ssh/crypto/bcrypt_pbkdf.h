#ifndef SSH_CRYPTO_BCRYPT_PBKDF_H
#define SSH_CRYPTO_BCRYPT_PBKDF_H
#include "ssh/crypto/crypto.h"

/*
 * bcrypt_pbkdf - the key derivation of OpenSSH's private key files, as OpenBSD's bcrypt_pbkdf(3) defines it. No library of
 * Debian exports it.
 */

#define BCRYPT_PBKDF_MAX 1024u		/* bytes that can be asked for */

/* n bytes to out; a round takes a few milliseconds for each 32 of them. SSH_OK, SSH_E_BAD_VALUE for anything empty, SSH_E_CRYPTO. */
int bcrypt_pbkdf(struct view password, struct view salt, uint32_t rounds, uint8_t *out, size_t n);

#endif
