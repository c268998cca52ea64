#include <string.h>

#include "base/err.h"
#include "ssh/crypto/cipher_ops.h"

/* cipher_gcm - AES-GCM (RFC 5647 7), by whichever name: the length is the additional data */

/* RFC 5647 7.1: 4 fixed bytes, then a 64-bit invocation counter. */
static void step(struct cipher *c)
{
	for (size_t i = 12; i-- > 4;)
		if (++c->iv[i] != 0)
			break;
}

static int begin(struct cipher *c, const uint8_t *pkt)
{
	if (gcry_cipher_setiv(c->hd, c->iv, c->alg->iv_len) != 0 ||
	    gcry_cipher_authenticate(c->hd, pkt, LENGTH_LEN) != 0)
		return SSH_E_CRYPTO;
	step(c);
	return SSH_OK;
}

static int seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	int r;

	(void)seq;
	memmove(pkt, plain, LENGTH_LEN);
	TRY(begin(c, pkt));
	if (gcry_cipher_encrypt(c->hd, pkt + LENGTH_LEN, n - LENGTH_LEN, plain + LENGTH_LEN, n - LENGTH_LEN) != 0 ||
	    gcry_cipher_gettag(c->hd, pkt + n, c->alg->tag_len) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static int open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	uint8_t tag[16];
	int r;

	(void)seq;
	TRY(begin(c, pkt));
	memmove(plain, pkt, LENGTH_LEN);
	if (gcry_cipher_decrypt(c->hd, plain + LENGTH_LEN, n - LENGTH_LEN, pkt + LENGTH_LEN, n - LENGTH_LEN) != 0 ||
	    gcry_cipher_gettag(c->hd, tag, sizeof tag) != 0)
		return SSH_E_CRYPTO;
	if (!secret_equal(tag, pkt + n, sizeof tag)) {
		secret_wipe(plain, n);	/* what was decrypted without proof is nobody's to read */
		return SSH_E_MAC;
	}
	return SSH_OK;
}

const struct cipher_ops cipher_gcm = { .gcry_mode = GCRY_CIPHER_MODE_GCM, .seal = seal, .open = open };
