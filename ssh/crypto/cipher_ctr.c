#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/* cipher_ctr - AES-CTR (RFC 4344 4) */

static int start(struct cipher *c)
{
	return gcry_cipher_setctr(c->hd, c->iv, c->alg->iv_len) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

/* The handle counts by itself; this is our copy of its counter, for export. */
static void step(struct cipher *c, size_t n)
{
	uint64_t add = n / c->alg->block;

	for (size_t i = c->alg->iv_len; i-- > 0 && add > 0; add >>= 8) {
		add += c->iv[i];
		c->iv[i] = (uint8_t)add;
	}
}

static int crypt(struct cipher *c, const uint8_t *from, uint8_t *to, size_t n)
{
	if (n == 0)
		return SSH_OK;
	if (gcry_cipher_encrypt(c->hd, to, n, from, n) != 0)	/* decryption is the same */
		return SSH_E_CRYPTO;
	step(c, n);
	return SSH_OK;
}

const struct cipher_ops cipher_ctr = { .gcry_mode = GCRY_CIPHER_MODE_CTR, .start = start, .crypt = crypt,
	.seal = cipher_mac_seal, .open = cipher_mac_open };
