#include "ssh/crypto/crypto.h"

#include <gcrypt.h>
#include <sodium.h>

#include "base/err.h"

int crypto_init(void)
{
	uint8_t warm[32];

	if (sodium_init() < 0)
		return SSH_E_CRYPTO;
	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		/* The kernel's generator directly: no pool that a fork could copy, no jitter collector at start. */
		gcry_control(GCRYCTL_SET_PREFERRED_RNG_TYPE, GCRY_RNG_TYPE_SYSTEM);
		if (gcry_check_version("1.10.0") == NULL)
			return SSH_E_CRYPTO;
		/* Locked memory needs a limit we may not have; key processes forbid dumps and swap by other means. */
		gcry_control(GCRYCTL_DISABLE_SECMEM);
		gcry_control(GCRYCTL_INITIALIZATION_FINISHED);
	}
	gcry_create_nonce(warm, sizeof warm);	/* opens what it opens before a sandbox forbids it */
	crypto_random(NULL, warm, sizeof warm);
	secret_wipe(warm, sizeof warm);
	return SSH_OK;
}
