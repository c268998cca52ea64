#include "ssh/crypto/filecrypt.h"

#include <gcrypt.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/bcrypt_pbkdf.h"
#include "ssh/crypto/gcry.h"

#define KEY_MAX 64u
#define IV_MAX  16u
#define SCRYPT_UNITS ((64u << 20) / 128)	/* N * r: 64 MiB of memory */
#define MODE_CHACHA  (-1)

static const struct cipher_row { const char *name; int algo, mode; size_t key, iv, block, tag; } rows[] = {
	{ "aes256-ctr", GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_CTR, 32, 16, 16, 0 },
	{ "aes192-ctr", GCRY_CIPHER_AES192, GCRY_CIPHER_MODE_CTR, 24, 16, 16, 0 },
	{ "aes128-ctr", GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_CTR, 16, 16, 16, 0 },
	{ "aes256-gcm@openssh.com", GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 32, 12, 16, 16 },
	{ "aes128-gcm@openssh.com", GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM, 16, 12, 16, 16 },
	{ "chacha20-poly1305@openssh.com", 0, MODE_CHACHA, 64, 0, 8, 16 },
	{ "aes256-cbc", GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_CBC, 32, 16, 16, 0 },
	{ "aes192-cbc", GCRY_CIPHER_AES192, GCRY_CIPHER_MODE_CBC, 24, 16, 16, 0 },
	{ "aes128-cbc", GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_CBC, 16, 16, 16, 0 },
	{ "3des-cbc", GCRY_CIPHER_3DES, GCRY_CIPHER_MODE_CBC, 24, 8, 8, 0 },
};

static const struct cipher_row *find(struct view name)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (view_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

size_t filecrypt_block(struct view cipher, size_t *tag_len)
{
	const struct cipher_row *row = find(cipher);

	*tag_len = row != NULL ? row->tag : 0;
	return row != NULL ? row->block : 0;
}

/* ---- passphrase to key ---- */

static int by_bcrypt(const struct filecrypt *f, struct view pass, uint32_t effort, uint8_t *out, size_t n)
{
	if (f->rounds > effort)
		return SSH_E_LIMIT;
	return bcrypt_pbkdf(pass, f->salt, (uint32_t)f->rounds, out, n);
}

static int by_pbkdf2(const struct filecrypt *f, struct view pass, uint32_t effort, uint8_t *out, size_t n)
{
	if (f->rounds > (uint64_t)effort * 4096)
		return SSH_E_LIMIT;
	if (f->rounds == 0 || f->salt.len == 0)
		return SSH_E_BAD_VALUE;
	return gcry_kdf_derive(pass.p, pass.len, GCRY_KDF_PBKDF2, gcry_hash_id(f->hash), f->salt.p, f->salt.len,
	    (unsigned long)f->rounds, n, out) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

/* libgcrypt fixes r at 8; libsodium takes any. */
static int by_scrypt(const struct filecrypt *f, struct view pass, uint32_t effort, uint8_t *out, size_t n)
{
	if (f->rounds < 2 || (f->rounds & (f->rounds - 1)) != 0 || f->r == 0 || f->p == 0)
		return SSH_E_BAD_VALUE;
	if (f->rounds > SCRYPT_UNITS || f->r > 1024 || f->p > 1024 || f->rounds * f->r > SCRYPT_UNITS ||
	    f->rounds * f->r * f->p > (uint64_t)effort * 8192)
		return SSH_E_LIMIT;
	return crypto_pwhash_scryptsalsa208sha256_ll(pass.p, pass.len, f->salt.p, f->salt.len, f->rounds, (uint32_t)f->r,
	    (uint32_t)f->p, out, n) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

/* EVP_BytesToKey(3) with MD5 and a count of 1: D1 = MD5(pass, salt), D2 = MD5(D1, pass, salt), ... */
static int by_md5(const struct filecrypt *f, struct view pass, uint8_t *out, size_t n)
{
	uint8_t digest[16];
	gcry_md_hd_t md;

	if (f->iv.len < 8 || gcry_md_open(&md, GCRY_MD_MD5, 0) != 0)
		return SSH_E_CRYPTO;
	for (size_t have = 0; have < n; have += sizeof digest) {
		size_t take = n - have < sizeof digest ? n - have : sizeof digest;

		gcry_md_reset(md);
		if (have > 0)
			gcry_md_write(md, digest, sizeof digest);
		gcry_md_write(md, pass.p, pass.len);
		gcry_md_write(md, f->iv.p, 8);
		memcpy(digest, gcry_md_read(md, 0), sizeof digest);
		memcpy(out + have, digest, take);
	}
	gcry_md_close(md);
	secret_wipe(digest, sizeof digest);
	return SSH_OK;
}

/* Key, and the initialisation vector behind it. */
static int derive(const struct filecrypt *f, const struct cipher_row *row, struct view pass, uint32_t effort, uint8_t *out)
{
	int r = SSH_E_BUG;

	switch (f->kdf) {
	case FILE_KDF_BCRYPT:
		return by_bcrypt(f, pass, effort, out, row->key + row->iv);
	case FILE_KDF_PBKDF2:
		r = by_pbkdf2(f, pass, effort, out, row->key);
		break;
	case FILE_KDF_SCRYPT:
		r = by_scrypt(f, pass, effort, out, row->key);
		break;
	case FILE_KDF_MD5:
		r = by_md5(f, pass, out, row->key);
		break;
	}
	if (f->iv.len != row->iv)
		return SSH_E_BAD_VALUE;
	if (row->iv > 0)
		memcpy(out + row->key, f->iv.p, row->iv);
	return r;
}

/* ---- key to plain text ---- */

/* PROTOCOL.chacha20poly1305 of OpenSSH with packet number 0 and without a length: only the first half of the key is used. */
static int open_chacha(const uint8_t key[KEY_MAX], struct view in, struct view tag, uint8_t *out)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t once[crypto_onetimeauth_poly1305_KEYBYTES];
	int r = SSH_OK;

	crypto_stream_chacha20(once, sizeof once, nonce, key);
	if (crypto_onetimeauth_poly1305_verify(tag.p, in.p, in.len, once) != 0)
		r = SSH_E_MAC;
	else
		crypto_stream_chacha20_xor_ic(out, in.p, in.len, nonce, 1, key);
	secret_wipe(once, sizeof once);
	return r;
}

static int decrypt(gcry_cipher_hd_t h, const struct cipher_row *row, const uint8_t *iv, struct view in, struct view tag, uint8_t *out)
{
	if ((row->mode == GCRY_CIPHER_MODE_CTR ? gcry_cipher_setctr(h, iv, row->iv) : gcry_cipher_setiv(h, iv, row->iv)) != 0)
		return SSH_E_CRYPTO;
	if (gcry_cipher_decrypt(h, out, in.len, in.p, in.len) != 0)
		return SSH_E_CRYPTO;
	return row->tag > 0 && gcry_cipher_checktag(h, tag.p, tag.len) != 0 ? SSH_E_MAC : SSH_OK;
}

static int open_gcry(const struct cipher_row *row, const uint8_t *key, struct view in, struct view tag, uint8_t *out)
{
	gcry_cipher_hd_t h;
	int r = SSH_E_CRYPTO;

	if (gcry_cipher_open(&h, row->algo, row->mode, 0) != 0)
		return r;
	/* A weak 3DES key can only come from a wrong passphrase or a broken file. */
	if (gcry_cipher_setkey(h, key, row->key) == 0)
		r = decrypt(h, row, key + row->key, in, tag, out);
	gcry_cipher_close(h);
	return r;
}

int filecrypt_open(const struct filecrypt *f, struct view pass, uint32_t effort, struct view in, struct view tag, uint8_t *out)
{
	const struct cipher_row *row = find(f->cipher);
	uint8_t key[KEY_MAX + IV_MAX];
	int r;

	if (row == NULL || tag.len != row->tag || in.len == 0 || in.len % row->block != 0)
		return SSH_E_BAD_VALUE;
	r = derive(f, row, pass, effort > 0 ? effort : FILECRYPT_EFFORT, key);
	if (r == SSH_OK)
		r = row->mode == MODE_CHACHA ? open_chacha(key, in, tag, out) : open_gcry(row, key, in, tag, out);
	secret_wipe(key, sizeof key);
	if (r < 0)
		secret_wipe(out, in.len);
	return r;
}
