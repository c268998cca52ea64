#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"
#include "ssh/crypto/gcry.h"

/* cipher_mac - a cipher and an HMAC: MAC of the plain text (RFC 4253 6.4), or of what was encrypted (OpenSSH PROTOCOL 1.5) */

#define MAC_BLOCK_MAX 128u

_Static_assert(CIPHER_KEY_MAX <= 64, "a longer key of HMAC would have to be hashed");

/* The block of its hash (FIPS 180-4): SHA-512's has 128 bytes, those of the shorter ones 64. No key of ours is longer. */
static size_t block_len(const struct cipher *c)
{
	return gcry_md_get_algo_dlen(gcry_hash_id(c->mac->hash)) > 32 ? MAC_BLOCK_MAX : 64;
}

static void begin(struct cipher *c, uint8_t pad)
{
	uint8_t block[MAC_BLOCK_MAX];

	memset(block, pad, sizeof block);
	for (size_t i = 0; i < c->mac->key_len; i++)
		block[i] ^= c->mac_key[i];
	gcry_md_reset(c->md);
	gcry_md_write(c->md, block, block_len(c));
	secret_wipe(block, sizeof block);
}

/*
 * RFC 2104; borrowed until the next call: at least mac_len bytes over sequence number and packet. libgcrypt's own HMAC allocates
 * for each result, so the two hashes are ours.
 */
static const uint8_t *hmac(struct cipher *c, uint32_t seq, const uint8_t *pkt, size_t n)
{
	size_t len = gcry_md_get_algo_dlen(gcry_hash_id(c->mac->hash));
	uint8_t s[4], inner[64];

	put_u32(s, seq);
	begin(c, 0x36);
	gcry_md_write(c->md, s, sizeof s);
	gcry_md_write(c->md, pkt, n);
	memcpy(inner, gcry_md_read(c->md, 0), len);
	begin(c, 0x5c);
	gcry_md_write(c->md, inner, len);
	return gcry_md_read(c->md, 0);
}

int cipher_mac_seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	int r;

	if (c->mac->etm) {
		memmove(pkt, plain, LENGTH_LEN);
		TRY(c->ops->crypt(c, plain + LENGTH_LEN, pkt + LENGTH_LEN, n - LENGTH_LEN));
		memcpy(pkt + n, hmac(c, seq, pkt, n), c->mac->mac_len);
		return SSH_OK;
	}
	memcpy(pkt + n, hmac(c, seq, plain, n), c->mac->mac_len);
	return c->ops->crypt(c, plain, pkt, n);
}

int cipher_mac_open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	size_t open = c->head_open ? cipher_block(c) : 0;
	int r;

	if (c->mac->etm) {
		if (!secret_equal(hmac(c, seq, pkt, n), pkt + n, c->mac->mac_len))
			return SSH_E_MAC;
		memmove(plain, pkt, LENGTH_LEN);
		return c->ops->crypt(c, pkt + LENGTH_LEN, plain + LENGTH_LEN, n - LENGTH_LEN);
	}
	memmove(plain, pkt, open);
	TRY(c->ops->crypt(c, pkt + open, plain + open, n - open));
	if (!secret_equal(hmac(c, seq, plain, n), pkt + n, c->mac->mac_len)) {
		secret_wipe(plain, n);
		return SSH_E_MAC;
	}
	return SSH_OK;
}
