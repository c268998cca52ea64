#include "ssh/crypto/crypto.h"

#include <gcrypt.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#ifdef COPPICE_GCRY_KEM
#define GCRY_NEEDED "1.11.0"
#else
#define GCRY_NEEDED "1.10.0"
#endif

/*
 * libgcrypt's memory: wiped when it is given back, since private keys pass through S-expressions.
 * Its own locked pool is not used: it is small, needs a limit we may not have, and it warns on stderr.
 */

static void wiping_free(void *p)
{
	if (p != NULL) {
		secret_wipe(p, malloc_usable_size(p));
		free(p);
	}
}

static void *wiping_realloc(void *old, size_t n)
{
	size_t had = old != NULL ? malloc_usable_size(old) : 0;
	void *p = malloc(n);

	if (p == NULL)
		return NULL;
	if (old != NULL)
		memcpy(p, old, had < n ? had : n);
	wiping_free(old);
	return p;
}

int crypto_init(void)
{
	uint8_t warm[32];

	if (sodium_init() < 0)
		return SSH_E_CRYPTO;
	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		/* The kernel's generator directly: no pool that a fork could copy, no jitter collector at start. */
		gcry_control(GCRYCTL_SET_PREFERRED_RNG_TYPE, GCRY_RNG_TYPE_SYSTEM);
		gcry_set_allocation_handler(malloc, malloc, NULL, wiping_realloc, wiping_free);
		if (gcry_check_version(GCRY_NEEDED) == NULL)
			return SSH_E_CRYPTO;
		gcry_control(GCRYCTL_DISABLE_SECMEM);
		gcry_control(GCRYCTL_INITIALIZATION_FINISHED);
	}
	gcry_create_nonce(warm, sizeof warm);	/* opens what it opens before a sandbox forbids it */
	crypto_random(NULL, warm, sizeof warm);
	secret_wipe(warm, sizeof warm);
	return SSH_OK;
}
