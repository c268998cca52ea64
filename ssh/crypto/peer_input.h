#ifndef SSH_CRYPTO_PEER_INPUT_H
#define SSH_CRYPTO_PEER_INPUT_H
#include <stdint.h>

#include "base/wire.h"

/*
 * peer_input - every value that a peer chose passes here before a library sees it. libgcrypt
 * aborts the process on degenerate points and zero moduli, accepts S >= L, and hands out an
 * all-zero X25519 secret without an error; libsodium trusts lengths.
 * Each check gives SSH_OK or SSH_E_BAD_VALUE. Nothing here is secret: no constant time.
 */

/* RFC 7748 5, RFC 8731 3: 32 bytes, no point of small order. */
int peer_x25519(struct view point);
/* RFC 7748 6.1: a secret of zeros only means the peer chose it; constant time. */
int peer_x25519_secret(const uint8_t secret[32]);

#endif
