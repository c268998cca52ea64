#ifndef SSH_CRYPTO_KEM_H
#define SSH_CRYPTO_KEM_H
#include "ssh/crypto/crypto.h"

/* kem - what the kinds of key exchange are made of; only for ssh/crypto/kem*.c. */

struct kem_rng { random_fn *fn; void *ctx; };

struct kem_ops {
	/* A key pair: the private half into s (len and v; kem and group are set), pub gets *pub_len bytes. */
	int (*start)(struct kem_secret *s, const struct kem_rng *, uint8_t *pub, size_t *pub_len);
	/* Is this a value that a client may send? Asked before any work is done for it. s: only kem and group are set. */
	int (*check)(const struct kem_secret *s, struct view peer);
	/* NULL where the sides do the same: start and finish. The peer's value was checked. */
	int (*respond)(const struct kem_rng *, struct view peer, uint8_t *pub, size_t *pub_len, struct kem_shared *k);
	/* Checks the peer's value and mixes it with s. */
	int (*finish)(const struct kem_secret *s, struct view peer, struct kem_shared *k);
};

extern const struct kem_ops kem_x25519, kem_x448, kem_ecdh, kem_dh, kem_mlkem768_x25519;
#ifdef COPPICE_GCRY_KEM
extern const struct kem_ops kem_sntrup761_x25519;
#endif

/* n big-endian bytes (at most 1024) as an mpint, as a string. */
void kem_put_mpint(struct kem_shared *k, const uint8_t *v, size_t n);
void kem_put_string(struct kem_shared *k, const uint8_t *v, size_t n);

#define X25519_LEN 32u

/* kem_x25519.c, for the hybrids too: both halves; the secret that both sides have (SSH_E_BAD_VALUE when it is zero). */
int x25519_pair(const struct kem_rng *, uint8_t mine[X25519_LEN], uint8_t pub[X25519_LEN]);
int x25519_shared(const uint8_t mine[X25519_LEN], struct view peer, uint8_t out[X25519_LEN]);

#endif
