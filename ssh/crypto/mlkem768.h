#ifndef SSH_CRYPTO_MLKEM768_H
#define SSH_CRYPTO_MLKEM768_H
#include <stdint.h>

/*
 * mlkem768 - ML-KEM-768 (FIPS 203) on libgcrypt's SHA-3 and SHAKE; only for ssh/crypto/.
 * Time does not depend on secrets. Randomness is an argument: the same input gives the same output.
 * All return SSH_OK, or SSH_E_CRYPTO when a hash fails.
 */

#define MLKEM768_SEED      64u	/* d and z */
#define MLKEM768_PUBLIC  1184u
#define MLKEM768_PRIVATE 2400u
#define MLKEM768_CIPHER  1088u
#define MLKEM768_SHARED    32u

/* ML-KEM.KeyGen_internal (algorithm 16). */
int mlkem768_keygen(const uint8_t seed[MLKEM768_SEED], uint8_t ek[MLKEM768_PUBLIC], uint8_t dk[MLKEM768_PRIVATE]);
/* ML-KEM.Encaps_internal (17) with 32 random bytes m. peer_mlkem768_key() has accepted ek. */
int mlkem768_encaps(const uint8_t ek[MLKEM768_PUBLIC], const uint8_t m[32], uint8_t c[MLKEM768_CIPHER],
    uint8_t k[MLKEM768_SHARED]);
/* ML-KEM.Decaps_internal (18). A c that nobody made with our ek gives a k nobody can guess, and no error. */
int mlkem768_decaps(const uint8_t dk[MLKEM768_PRIVATE], const uint8_t c[MLKEM768_CIPHER], uint8_t k[MLKEM768_SHARED]);

#endif
