#include "ssh/crypto/crypto.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * Fast key erasure (Bernstein, 2017): one run of ChaCha20 gives the next key and a block of output;
 * both the old key and every byte handed out are gone at once, so that whoever reads this memory
 * later learns nothing about the past.
 */

#define RESEED_BYTES (1u << 20)	/* fresh entropy from the kernel at least that often */

static struct {
	uint8_t key[crypto_stream_chacha20_KEYBYTES];
	uint8_t out[736];
	size_t left;		/* unread bytes, at the end of out */
	size_t since_seed;
	int seeded;
} pool;

static void seed(void)
{
	size_t got = 0;

	while (got < sizeof pool.key) {
		ssize_t n = getrandom(pool.key + got, sizeof pool.key - got, 0);

		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			abort();	/* nothing may go on with keys that can be guessed */
	}
	pool.since_seed = 0;
	pool.seeded = 1;
}

static void refill(void)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t stream[sizeof pool.key + sizeof pool.out];

	if (!pool.seeded || pool.since_seed >= RESEED_BYTES)
		seed();
	crypto_stream_chacha20(stream, sizeof stream, nonce, pool.key);
	memcpy(pool.key, stream, sizeof pool.key);
	memcpy(pool.out, stream + sizeof pool.key, sizeof pool.out);
	secret_wipe(stream, sizeof stream);
	pool.left = sizeof pool.out;
	pool.since_seed += sizeof pool.out;
}

void crypto_random(void *ctx, uint8_t *p, size_t n)
{
	(void)ctx;
	while (n > 0) {
		size_t k;
		uint8_t *from;

		if (pool.left == 0)
			refill();
		k = n < pool.left ? n : pool.left;
		from = pool.out + sizeof pool.out - pool.left;
		memcpy(p, from, k);
		secret_wipe(from, k);
		pool.left -= k;
		p += k, n -= k;
	}
}

void crypto_forked(void)
{
	secret_wipe(&pool, sizeof pool);
}

void crypto_seeded(const uint8_t seed[CRYPTO_SEED], uint64_t number, uint8_t *p, size_t n)
{
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = { 0 };

	_Static_assert(CRYPTO_SEED == crypto_stream_chacha20_KEYBYTES, "seed");
	for (size_t i = 0; i < sizeof number; i++)
		nonce[i] = (uint8_t)(number >> 8 * i);
	crypto_stream_chacha20(p, n, nonce, seed);
}
