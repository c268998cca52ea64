#ifndef SSH_CRYPTO_PQ_H
#define SSH_CRYPTO_PQ_H
#include "ssh/crypto/kem.h"

/*
 * pq - a post-quantum mechanism as kem_hybrid.c wants it; only for ssh/crypto/. Where libgcrypt has them (1.11) they
 * are its own, else ML-KEM-768 is ours (mlkem768.c) and sntrup761 does not exist.
 */

#define PQ_SHARED 32u

struct pq {
	size_t public_len, private_len, cipher_len;
	enum hash_id hash;			/* of both secrets */
	int (*check_key)(struct view);		/* peer_input.c, before encaps() */
	int (*check_cipher)(struct view);	/* before decaps() */
	int (*keygen)(const struct kem_rng *, uint8_t *pub, uint8_t *private);
	int (*encaps)(const struct kem_rng *, const uint8_t *pub, uint8_t *cipher, uint8_t shared[PQ_SHARED]);
	int (*decaps)(const uint8_t *private, const uint8_t *cipher, uint8_t shared[PQ_SHARED]);
};

extern const struct pq pq_mlkem768;		/* the one to use */
extern const struct pq pq_mlkem768_own;
#ifdef COPPICE_GCRY_KEM
extern const struct pq pq_mlkem768_gcry, pq_sntrup761;
#endif

#endif
