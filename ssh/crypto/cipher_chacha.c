#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/* cipher_chacha - chacha20-poly1305@openssh.com (OpenSSH PROTOCOL.chacha20poly1305) */

#define CHACHA_KEY  32u

/* K_2 (packet and Poly1305) comes first in the key, K_1 (length) second. */
static void prepare(const struct cipher *c, uint32_t seq, uint8_t nonce[8], uint8_t poly_key[CHACHA_KEY])
{
	memset(nonce, 0, 4);
	put_u32(nonce + 4, seq);
	crypto_stream_chacha20(poly_key, CHACHA_KEY, nonce, c->key);	/* block 0; the payload begins with block 1 */
}

static void crypt(const struct cipher *c, const uint8_t nonce[8], const uint8_t *from, uint8_t *to, size_t n)
{
	crypto_stream_chacha20_xor(to, from, LENGTH_LEN, nonce, c->key + CHACHA_KEY);
	crypto_stream_chacha20_xor_ic(to + LENGTH_LEN, from + LENGTH_LEN, n - LENGTH_LEN, nonce, 1, c->key);
}

static int seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	uint8_t nonce[8], poly_key[CHACHA_KEY];

	prepare(c, seq, nonce, poly_key);
	crypt(c, nonce, plain, pkt, n);
	crypto_onetimeauth(pkt + n, pkt, n, poly_key);
	secret_wipe(poly_key, sizeof poly_key);
	return SSH_OK;
}

static int open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	uint8_t nonce[8], poly_key[CHACHA_KEY];
	int bad;

	prepare(c, seq, nonce, poly_key);
	bad = crypto_onetimeauth_verify(pkt + n, pkt, n, poly_key) != 0;
	secret_wipe(poly_key, sizeof poly_key);
	if (bad)
		return SSH_E_MAC;
	crypt(c, nonce, pkt, plain, n);
	return SSH_OK;
}

static uint32_t length(const struct cipher *c, uint32_t seq, const uint8_t *pkt)
{
	uint8_t head[LENGTH_LEN], nonce[8] = { 0 };

	put_u32(nonce + 4, seq);
	crypto_stream_chacha20_xor(head, pkt, sizeof head, nonce, c->key + CHACHA_KEY);
	return get_u32(head);
}

const struct cipher_ops cipher_chacha = { .gcry_mode = GCRY_CIPHER_MODE_NONE, .length = length, .seal = seal, .open = open };
