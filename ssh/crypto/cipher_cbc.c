#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/* cipher_cbc - AES and triple DES in CBC (RFC 4253 6.3): all packets of a direction are one chain of blocks */

static int start(struct cipher *c)
{
	return gcry_cipher_setiv(c->hd, c->iv, c->alg->iv_len) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

/* The handle chains by itself; iv is our copy, for export. Decrypting in place overwrites the block that is kept. */
static int crypt(struct cipher *c, const uint8_t *from, uint8_t *to, size_t n)
{
	size_t block = c->alg->block;

	if (n == 0)
		return SSH_OK;
	if (!c->encrypt)
		memcpy(c->iv, from + n - block, block);
	if ((c->encrypt ? gcry_cipher_encrypt(c->hd, to, n, from, n) : gcry_cipher_decrypt(c->hd, to, n, from, n)) != 0)
		return SSH_E_CRYPTO;
	if (c->encrypt)
		memcpy(c->iv, to + n - block, block);
	return SSH_OK;
}

const struct cipher_ops cipher_cbc = { .gcry_mode = GCRY_CIPHER_MODE_CBC, .start = start, .crypt = crypt,
	.seal = cipher_mac_seal, .open = cipher_mac_open };
