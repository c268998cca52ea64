#include <err.h>
#include <gcrypt.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"

/*
 * floor_cipher - the two ciphers, by libgcrypt: of what Debian has it is the fastest for both (ChaCha20 and Poly1305
 * of 32 KiB: about 0.73 s per GB, libsodium 0.83).
 */

enum { AES_KEY = 16, CHACHA_KEY = 32, IV = 12, CHACHA_BLOCK = 64 };

struct floor_cipher {
	void (*seal)(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t n);
	size_t (*open)(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t size);
	gcry_cipher_hd_t payload, length;
	gcry_mac_hd_t mac;
	uint64_t count;
};

static void must(gcry_error_t e, const char *what)
{
	if (e)
		errx(1, "%s: %s", what, gcry_strerror(e));
}

static void put_length(uint8_t *p, size_t n)
{
	for (int i = 0; i < LENGTH; i++)
		p[i] = (uint8_t)(n >> (8 * (LENGTH - 1 - i)));
}

static size_t get_length(const uint8_t *p, size_t size)
{
	size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

	if (n > BLOCK || size < LENGTH + n + TAG)
		errx(1, "a packet of %zu bytes, %zu are there", n, size);
	return n;
}

static gcry_cipher_hd_t cipher(int algo, int mode, const uint8_t *key, size_t n)
{
	gcry_cipher_hd_t h;

	must(gcry_cipher_open(&h, algo, mode, 0), "cipher");
	must(gcry_cipher_setkey(h, key, n), "key");
	return h;
}

/* ---- aes128-gcm@openssh.com: the length is the additional data (RFC 5647 7.3) ---- */

static void gcm_begin(struct floor_cipher *c, const uint8_t *length)
{
	uint8_t iv[IV] = {0};

	for (size_t i = 0; i < 8; i++)
		iv[IV - 1 - i] = (uint8_t)(c->count >> (8 * i));
	c->count++;
	must(gcry_cipher_setiv(c->payload, iv, sizeof iv), "setiv");
	must(gcry_cipher_authenticate(c->payload, length, LENGTH), "authenticate");
}

static void gcm_seal(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t n)
{
	put_length(out, n);
	gcm_begin(c, out);
	must(gcry_cipher_encrypt(c->payload, out + LENGTH, n, in, n), "encrypt");
	must(gcry_cipher_gettag(c->payload, out + LENGTH + n, TAG), "tag");
}

static size_t gcm_open(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t size)
{
	size_t n = get_length(in, size);

	gcm_begin(c, in);
	must(gcry_cipher_decrypt(c->payload, out, n, in + LENGTH, n), "decrypt");
	must(gcry_cipher_checktag(c->payload, in + LENGTH + n, TAG), "tag");
	return n;
}

/* ---- chacha20-poly1305@openssh.com: two keys, one for the length; the MAC's is block 0 (PROTOCOL.chacha20poly1305) ---- */

static void chacha_begin(struct floor_cipher *c)
{
	uint8_t nonce[8], zeros[CHACHA_BLOCK] = {0}, first[CHACHA_BLOCK];

	for (size_t i = 0; i < 8; i++)
		nonce[7 - i] = (uint8_t)(c->count >> (8 * i));
	c->count++;
	must(gcry_cipher_setiv(c->length, nonce, sizeof nonce), "setiv");
	must(gcry_cipher_setiv(c->payload, nonce, sizeof nonce), "setiv");
	must(gcry_cipher_encrypt(c->payload, first, sizeof first, zeros, sizeof zeros), "block 0");	/* block 1 is next */
	must(gcry_mac_setkey(c->mac, first, CHACHA_KEY), "MAC key");
}

static void chacha_seal(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t n)
{
	uint8_t plain[LENGTH];
	size_t tag = TAG;

	chacha_begin(c);
	put_length(plain, n);
	must(gcry_cipher_encrypt(c->length, out, LENGTH, plain, LENGTH), "length");
	must(gcry_cipher_encrypt(c->payload, out + LENGTH, n, in, n), "encrypt");
	must(gcry_mac_write(c->mac, out, LENGTH + n), "MAC");
	must(gcry_mac_read(c->mac, out + LENGTH + n, &tag), "tag");
}

static size_t chacha_open(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t size)
{
	uint8_t plain[LENGTH];
	size_t n;

	chacha_begin(c);
	must(gcry_cipher_decrypt(c->length, plain, LENGTH, in, LENGTH), "length");
	n = get_length(plain, size);
	must(gcry_mac_write(c->mac, in, LENGTH + n), "MAC");
	must(gcry_mac_verify(c->mac, in + LENGTH + n, TAG), "tag");
	must(gcry_cipher_decrypt(c->payload, out, n, in + LENGTH, n), "decrypt");
	return n;
}

struct floor_cipher *floor_cipher_new(const char *name)
{
	static const uint8_t key[2 * CHACHA_KEY] = "two benchmark keys, the first one is shorter with AES";
	struct floor_cipher *c = calloc(1, sizeof *c);

	if (!c)
		err(1, "malloc");
	if (!strcmp(name, "aes128-gcm@openssh.com")) {
		c->seal = gcm_seal;
		c->open = gcm_open;
		c->payload = cipher(GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM, key, AES_KEY);
	} else if (!strcmp(name, "chacha20-poly1305@openssh.com")) {
		c->seal = chacha_seal;
		c->open = chacha_open;
		c->payload = cipher(GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_STREAM, key, CHACHA_KEY);
		c->length = cipher(GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_STREAM, key + CHACHA_KEY, CHACHA_KEY);
		must(gcry_mac_open(&c->mac, GCRY_MAC_POLY1305, 0, NULL), "Poly1305");
	} else
		errx(2, "%s: aes128-gcm@openssh.com or chacha20-poly1305@openssh.com", name);
	return c;
}

void floor_cipher_free(struct floor_cipher *c)
{
	gcry_cipher_close(c->payload);
	gcry_cipher_close(c->length);
	gcry_mac_close(c->mac);
	free(c);
}

void floor_seal(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t n)
{
	c->seal(c, out, in, n);
}

size_t floor_open(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t size)
{
	return c->open(c, out, in, size);
}
