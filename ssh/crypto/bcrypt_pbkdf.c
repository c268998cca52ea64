#include "ssh/crypto/bcrypt_pbkdf.h"

#include <string.h>

#include "base/err.h"
#include "base/secret.h"

#define SUBKEYS 18
#define BOXES   4
#define WORDS   8u		/* of one hash: 32 bytes */

struct blowfish { uint32_t p[SUBKEYS], s[BOXES][256]; };

static const uint32_t pi[SUBKEYS + BOXES * 256] = {
#include "ssh/crypto/blowfish.def"
};

/* ---- Blowfish with bcrypt's expensive key schedule (Provos, Mazieres 1999) ---- */

static uint32_t mix(const struct blowfish *b, uint32_t x)
{
	return ((b->s[0][x >> 24] + b->s[1][x >> 16 & 255]) ^ b->s[2][x >> 8 & 255]) + b->s[3][x & 255];
}

static void encrypt(const struct blowfish *b, uint32_t v[2])
{
	uint32_t l = v[0] ^ b->p[0], r = v[1];

	for (int i = 1; i <= 16; i += 2) {
		r ^= mix(b, l) ^ b->p[i];
		l ^= mix(b, r) ^ b->p[i + 1];
	}
	v[0] = r ^ b->p[17];
	v[1] = l;
}

/* The next word of 64 bytes read round and round; they are whole words, so nothing straddles the end. */
static uint32_t next_word(const uint8_t bytes[64], unsigned *at)
{
	uint32_t v = get_u32(bytes + *at);

	*at = (*at + 4) % 64;
	return v;
}

/* salt NULL: zeros. */
static void expand(struct blowfish *b, const uint8_t *salt, const uint8_t key[64])
{
	uint32_t v[2] = { 0, 0 };
	unsigned at = 0;

	for (int i = 0; i < SUBKEYS; i++)
		b->p[i] ^= next_word(key, &at);
	at = 0;
	for (int i = 0; i < SUBKEYS + BOXES * 256; i += 2) {
		uint32_t *to = i < SUBKEYS ? &b->p[i] : &b->s[0][0] + (i - SUBKEYS);

		if (salt != NULL) {
			v[0] ^= next_word(salt, &at);
			v[1] ^= next_word(salt, &at);
		}
		encrypt(b, v);
		to[0] = v[0];
		to[1] = v[1];
	}
}

/* 32 bytes of password and salt, each hashed already. */
static void bcrypt_hash(struct blowfish *b, const uint8_t password[64], const uint8_t salt[64], uint8_t out[4 * WORDS])
{
	static const uint8_t text[4 * WORDS + 1] = "OxychromaticBlowfishSwatDynamite";
	uint32_t v[WORDS];

	memcpy(b->p, pi, sizeof b->p);
	memcpy(b->s, pi + SUBKEYS, sizeof b->s);
	expand(b, salt, password);
	for (int i = 0; i < 64; i++) {
		expand(b, NULL, salt);
		expand(b, NULL, password);
	}
	for (unsigned i = 0; i < WORDS; i++)
		v[i] = get_u32(text + 4 * i);
	for (int i = 0; i < 64; i++)
		for (unsigned k = 0; k < WORDS; k += 2)
			encrypt(b, v + k);
	for (unsigned i = 0; i < 4 * WORDS; i++)
		out[i] = (uint8_t)(v[i / 4] >> 8 * (i % 4));
	secret_wipe(v, sizeof v);
}

/* ---- the key derivation ---- */

struct work { struct blowfish b; uint8_t password[64], salt[64], one[4 * WORDS], sum[4 * WORDS]; };

static int block(struct work *w, struct view salt, uint32_t count, uint32_t rounds)
{
	uint8_t number[4];
	struct view parts[2] = { salt, view_of(number, 4) };
	int r;

	put_u32(number, count);
	TRY(hash_parts(HASH_SHA512, parts, 2, w->salt));
	bcrypt_hash(&w->b, w->password, w->salt, w->one);
	memcpy(w->sum, w->one, sizeof w->sum);
	for (uint32_t i = 1; i < rounds; i++) {
		TRY(hash_parts(HASH_SHA512, &(struct view){ w->one, sizeof w->one }, 1, w->salt));
		bcrypt_hash(&w->b, w->password, w->salt, w->one);
		for (size_t k = 0; k < sizeof w->sum; k++)
			w->sum[k] ^= w->one[k];
	}
	return SSH_OK;
}

int bcrypt_pbkdf(struct view password, struct view salt, uint32_t rounds, uint8_t *out, size_t n)
{
	size_t stride = (n + 4 * WORDS - 1) / (4 * WORDS), take, left = n;
	struct work w;
	int r;

	if (password.len == 0 || salt.len == 0 || rounds == 0 || n == 0 || n > BCRYPT_PBKDF_MAX)
		return SSH_E_BAD_VALUE;
	take = (n + stride - 1) / stride;
	r = hash_parts(HASH_SHA512, &password, 1, w.password);
	/* The blocks' bytes interleave: whoever wants the end must compute all. */
	for (uint32_t count = 1; r == SSH_OK && left > 0; count++) {
		if ((r = block(&w, salt, count, rounds)) < 0)
			break;
		for (size_t i = 0; i < take && i * stride + count - 1 < n; i++, left--)
			out[i * stride + count - 1] = w.sum[i];
	}
	secret_wipe(&w, sizeof w);
	return r;
}
