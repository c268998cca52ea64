#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/*
 * cipher_chacha - chacha20-poly1305@openssh.com (OpenSSH PROTOCOL.chacha20poly1305)
 *
 * The packet by libgcrypt, which takes a quarter less time for it than libsodium; its length, one block, by libsodium.
 */

#define CHACHA_KEY  32u

/* K_2 (packet and Poly1305) comes first in the key, K_1 (length) second. */
static int start(struct cipher *c)
{
	if (gcry_cipher_open(&c->hd, GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_STREAM, 0) != 0 || gcry_cipher_setkey(c->hd, c->key, CHACHA_KEY) != 0 ||
	    gcry_mac_open(&c->poly, GCRY_MAC_POLY1305, 0, NULL) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

/* The stream's block 0 is the key of the tag; the payload begins with block 1. */
static int begin(struct cipher *c, uint32_t seq)
{
	uint8_t counter_and_nonce[16] = { 0 }, block[64] = { 0 };
	int r;

	put_u32(counter_and_nonce + 12, seq);
	r = gcry_cipher_setiv(c->hd, counter_and_nonce, sizeof counter_and_nonce) != 0 || gcry_cipher_encrypt(c->hd, block, sizeof block, NULL, 0) != 0 ||
	    gcry_mac_setkey(c->poly, block, CHACHA_KEY) != 0;
	secret_wipe(block, sizeof block);
	return r ? SSH_E_CRYPTO : SSH_OK;
}

static void crypt_length(const struct cipher *c, uint32_t seq, const uint8_t *from, uint8_t *to)
{
	uint8_t nonce[8] = { 0 };

	put_u32(nonce + 4, seq);
	crypto_stream_chacha20_xor(to, from, LENGTH_LEN, nonce, c->key + CHACHA_KEY);
}

/* Of n bytes as they travel. */
static int tag(struct cipher *c, const uint8_t *pkt, size_t n, uint8_t out[16])
{
	size_t len = 16;

	return gcry_mac_write(c->poly, pkt, n) != 0 || gcry_mac_read(c->poly, out, &len) != 0 ? SSH_E_CRYPTO : SSH_OK;
}

static int seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	int r;

	TRY(begin(c, seq));
	crypt_length(c, seq, plain, pkt);
	if (gcry_cipher_encrypt(c->hd, pkt + LENGTH_LEN, n - LENGTH_LEN, plain + LENGTH_LEN, n - LENGTH_LEN) != 0)
		return SSH_E_CRYPTO;
	return tag(c, pkt, n, pkt + n);
}

static int open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	uint8_t right[16];
	int r;

	TRY(begin(c, seq));
	TRY(tag(c, pkt, n, right));
	if (!secret_equal(right, pkt + n, sizeof right))
		return SSH_E_MAC;
	crypt_length(c, seq, pkt, plain);
	if (gcry_cipher_decrypt(c->hd, plain + LENGTH_LEN, n - LENGTH_LEN, pkt + LENGTH_LEN, n - LENGTH_LEN) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static uint32_t length(const struct cipher *c, uint32_t seq, const uint8_t *pkt)
{
	uint8_t head[LENGTH_LEN];

	crypt_length(c, seq, pkt, head);
	return get_u32(head);
}

const struct cipher_ops cipher_chacha = { .gcry_mode = GCRY_CIPHER_MODE_NONE, .start = start, .length = length, .seal = seal, .open = open };
