#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/* cipher_mac - a cipher and an HMAC: MAC of the plain text (RFC 4253 6.4), or of what was encrypted (OpenSSH PROTOCOL 1.5) */

/* Borrowed until the next call: at least mac_len bytes over sequence number and packet. */
static const uint8_t *hmac(struct cipher *c, uint32_t seq, const uint8_t *pkt, size_t n)
{
	uint8_t s[4];

	put_u32(s, seq);
	gcry_md_reset(c->md);
	gcry_md_write(c->md, s, sizeof s);
	gcry_md_write(c->md, pkt, n);
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
