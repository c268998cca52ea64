#ifndef SSH_CRYPTO_PEER_INPUT_H
#define SSH_CRYPTO_PEER_INPUT_H
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "ssh/crypto/crypto.h"

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

/* RFC 8032 5.1.3: 32 bytes, y < p, none of the 8 points of small order in any spelling. */
int peer_ed25519_key(struct view key);
/* RFC 8032 5.1.7: 64 bytes, S < L. */
int peer_ed25519_sig(struct view sig);

/* RFC 8032 5.2.3: 57 bytes, y < p, on the curve, not of order 1, 2 or 4; x and y as long as libgcrypt 1.10 and 1.11 bear. */
int peer_ed448_key(struct view key);
/* RFC 8032 5.2.7: 114 bytes, S < L. */
int peer_ed448_sig(struct view sig);

/* SEC 1 2.3.4 on the curve of KEY_P256, KEY_P384 or KEY_P521, uncompressed: 4, x and y < p, on the curve. */
int peer_ec_point(enum key_kind, struct view point);
/* r, s or d of ECDSA there: 1 .. n - 1, big-endian, any length. */
int peer_ec_scalar(enum key_kind, struct view v);

/* FIPS 186-4 4.2 as RFC 4253 6.6 fixes it: p of 1024 bits, q a prime of 160, 1 < g, y < p of order q. */
int peer_dsa_key(struct view p, struct view q, struct view g, struct view y);
/* 40 bytes: r and s of 1 .. q - 1. */
int peer_dsa_sig(struct view q, struct view sig);

#define PEER_RSA_BITS_MIN  2048u
#define PEER_RSA_BITS_MAX 16384u	/* one verification of that size costs 7 ms */

/* Big-endian numbers. 2048..16384 bits, n odd, e odd, 3 <= e < 2^32. */
int peer_rsa_key(struct view n, struct view e);
/* RFC 8332 3, RFC 8017 8.2.2: not longer than the modulus (shorter means zeros in front), 0 < s < n. */
int peer_rsa_sig(struct view n, struct view sig);

/* ---- key exchange ---- */

/* RFC 7748 5, RFC 8731 3: 56 bytes, no point of small order. */
int peer_x448(struct view point);
/* As peer_x25519_secret(). */
int peer_x448_secret(const uint8_t secret[56]);

/* A group by its numbers, big-endian: p odd, of SSH_DH_BITS_MIN to SSH_DH_BITS_MAX bits, 1 < g < p - 1. Not whether p is prime. */
int peer_dh_group(struct view p, struct view g);
/* RFC 4253 8: a canonical mpint's content, 1 < v < p - 1. */
int peer_dh_value(struct view p, struct view v);

/* FIPS 203 7.2: 1184 bytes, every one of the 768 numbers below q. */
int peer_mlkem768_key(struct view key);
/* FIPS 203 7.3: 1088 bytes. */
int peer_mlkem768_cipher(struct view cipher);
/* 1158 and 1039 bytes: there is nothing else that could be wrong. */
int peer_sntrup761_key(struct view key);
int peer_sntrup761_cipher(struct view cipher);

/* Bits of a big-endian number. */
size_t peer_bits(struct view v);

#endif
