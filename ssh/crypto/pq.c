#include "ssh/crypto/pq.h"

#include <gcrypt.h>

#include "base/err.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/peer_input.h"

/* ---- ours ------------------------------------------------------------------------------- */

static int own_keygen(const struct kem_rng *rng, uint8_t *pub, uint8_t *private)
{
	uint8_t seed[MLKEM768_SEED];
	int r;

	rng->fn(rng->ctx, seed, sizeof seed);
	r = mlkem768_keygen(seed, pub, private);
	secret_wipe(seed, sizeof seed);
	return r;
}

static int own_encaps(const struct kem_rng *rng, const uint8_t *pub, uint8_t *cipher, uint8_t shared[PQ_SHARED])
{
	uint8_t m[32];
	int r;

	rng->fn(rng->ctx, m, sizeof m);
	r = mlkem768_encaps(pub, m, cipher, shared);
	secret_wipe(m, sizeof m);
	return r;
}

#define MLKEM768_ROW MLKEM768_PUBLIC, MLKEM768_PRIVATE, MLKEM768_CIPHER, HASH_SHA256, peer_mlkem768_key, peer_mlkem768_cipher

const struct pq pq_mlkem768_own = { MLKEM768_ROW, own_keygen, own_encaps, mlkem768_decaps };

#ifndef COPPICE_GCRY_KEM

const struct pq pq_mlkem768 = { MLKEM768_ROW, own_keygen, own_encaps, mlkem768_decaps };

#else

/* ---- libgcrypt's ------------------------------------------------------------------------ */

/* Its randomness is its own: the kernel's (init.c). Nothing here repeats itself for a test. */
#define GCRY_PQ(name, algo, public, private, cipher) \
	static int name##_keygen(const struct kem_rng *rng, uint8_t *pub, uint8_t *secret) \
	{ \
		(void)rng; \
		return gcry_kem_keypair(algo, pub, public, secret, private) == 0 ? SSH_OK : SSH_E_CRYPTO; \
	} \
	static int name##_encaps(const struct kem_rng *rng, const uint8_t *pub, uint8_t *c, uint8_t shared[PQ_SHARED]) \
	{ \
		(void)rng; \
		return gcry_kem_encap(algo, pub, public, c, cipher, shared, PQ_SHARED, NULL, 0) == 0 ? SSH_OK : SSH_E_CRYPTO; \
	} \
	static int name##_decaps(const uint8_t *secret, const uint8_t *c, uint8_t shared[PQ_SHARED]) \
	{ \
		return gcry_kem_decap(algo, secret, private, c, cipher, shared, PQ_SHARED, NULL, 0) == 0 ? SSH_OK : SSH_E_CRYPTO; \
	}

GCRY_PQ(gcry_mlkem768, GCRY_KEM_MLKEM768, MLKEM768_PUBLIC, MLKEM768_PRIVATE, MLKEM768_CIPHER)
GCRY_PQ(gcry_sntrup761, GCRY_KEM_SNTRUP761, GCRY_KEM_SNTRUP761_PUBKEY_LEN, GCRY_KEM_SNTRUP761_SECKEY_LEN,
    GCRY_KEM_SNTRUP761_ENCAPS_LEN)

_Static_assert(MLKEM768_PUBLIC == GCRY_KEM_MLKEM768_PUBKEY_LEN && MLKEM768_PRIVATE == GCRY_KEM_MLKEM768_SECKEY_LEN &&
    MLKEM768_CIPHER == GCRY_KEM_MLKEM768_ENCAPS_LEN, "the same mechanism");

const struct pq pq_mlkem768_gcry = { MLKEM768_ROW, gcry_mlkem768_keygen, gcry_mlkem768_encaps, gcry_mlkem768_decaps };
const struct pq pq_mlkem768 = { MLKEM768_ROW, gcry_mlkem768_keygen, gcry_mlkem768_encaps, gcry_mlkem768_decaps };
const struct pq pq_sntrup761 = { GCRY_KEM_SNTRUP761_PUBKEY_LEN, GCRY_KEM_SNTRUP761_SECKEY_LEN,
    GCRY_KEM_SNTRUP761_ENCAPS_LEN, HASH_SHA512, peer_sntrup761_key, peer_sntrup761_cipher, gcry_sntrup761_keygen,
    gcry_sntrup761_encaps, gcry_sntrup761_decaps };

#endif
