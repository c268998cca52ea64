#include "ssh/crypto/crypto.h"

#include <gcrypt.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/gcry.h"

#define KEY_LEN_MAX 64u
#define IV_LEN_MAX  16u
#define LENGTH_LEN   4u		/* packet_length */
#define CHACHA_KEY  32u
#define POLY_TAG    16u

struct cipher {
	const struct mem *mem;
	const struct cipher_alg *alg;
	const struct mac_alg *mac;	/* NULL with an AEAD */
	int encrypt;
	int head_open;			/* the first block of the packet is already plain text */
	int broken;			/* a MAC failed; nothing more comes out of here */
	gcry_cipher_hd_t hd;		/* GCM, CTR */
	gcry_md_hd_t md;		/* HMAC */
	/* Together with the rows this is the whole state: the handles can be made again from it. */
	uint8_t key[KEY_LEN_MAX];
	uint8_t iv[IV_LEN_MAX];		/* GCM: of the next packet; CTR: the next counter block */
	uint8_t mac_key[KEY_LEN_MAX];
};

static int gcry_cipher_id(const struct cipher_alg *alg)
{
	switch (alg->key_len) {
	case 16:
		return GCRY_CIPHER_AES128;
	case 24:
		return GCRY_CIPHER_AES192;
	default:
		return GCRY_CIPHER_AES256;
	}
}

static int open_handles(struct cipher *c)
{
	const struct cipher_alg *alg = c->alg;

	if (alg->mode != MODE_CHACHAPOLY) {
		int mode = alg->mode == MODE_GCM ? GCRY_CIPHER_MODE_GCM : GCRY_CIPHER_MODE_CTR;

		if (gcry_cipher_open(&c->hd, gcry_cipher_id(alg), mode, 0) != 0 ||
		    gcry_cipher_setkey(c->hd, c->key, alg->key_len) != 0)
			return SSH_E_CRYPTO;
		if (alg->mode == MODE_CTR && gcry_cipher_setctr(c->hd, c->iv, alg->iv_len) != 0)
			return SSH_E_CRYPTO;
	}
	if (c->mac != NULL &&
	    (gcry_md_open(&c->md, gcry_hash_id(c->mac->hash), GCRY_MD_FLAG_HMAC) != 0 ||
	    gcry_md_setkey(c->md, c->mac_key, c->mac->key_len) != 0))
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static int keys_fit(const struct cipher_alg *alg, const struct mac_alg *mac, const struct cipher_keys *keys)
{
	if (keys->key.len != alg->key_len || keys->iv.len != alg->iv_len)
		return 0;
	if (alg->key_len > KEY_LEN_MAX || alg->iv_len > IV_LEN_MAX)
		return 0;
	if ((alg->mode == MODE_CTR) != (mac != NULL))
		return 0;
	return mac == NULL || (keys->mac_key.len == mac->key_len && mac->key_len <= KEY_LEN_MAX);
}

int cipher_new(struct cipher **res, const struct cipher_alg *alg, const struct mac_alg *mac,
    const struct cipher_keys *keys, int encrypt, const struct mem *mem)
{
	struct cipher *c;
	int r;

	*res = NULL;
	if (!keys_fit(alg, mac, keys))
		return SSH_E_BUG;
	if ((c = mem_zalloc(mem, sizeof *c)) == NULL)
		return SSH_E_NOMEM;
	c->mem = mem;
	c->alg = alg;
	c->mac = mac;
	c->encrypt = encrypt != 0;
	memcpy(c->key, keys->key.p, alg->key_len);
	if (alg->iv_len > 0)
		memcpy(c->iv, keys->iv.p, alg->iv_len);
	if (mac != NULL)
		memcpy(c->mac_key, keys->mac_key.p, mac->key_len);
	if ((r = open_handles(c)) < 0) {
		cipher_free(c);
		return r;
	}
	*res = c;
	return SSH_OK;
}

void cipher_free(struct cipher *c)
{
	const struct mem *mem;

	if (c == NULL)
		return;
	mem = c->mem;
	gcry_cipher_close(c->hd);
	gcry_md_close(c->md);
	secret_wipe(c, sizeof *c);
	mem_free(mem, c);
}

size_t cipher_tag_len(const struct cipher *c)
{
	return c->mac != NULL ? c->mac->mac_len : c->alg->tag_len;
}

size_t cipher_block(const struct cipher *c)
{
	return c->alg->block < 8 ? 8 : c->alg->block;
}

int cipher_length_apart(const struct cipher *c)
{
	return c->mac == NULL || c->mac->etm;
}

size_t cipher_head_len(const struct cipher *c)
{
	return cipher_length_apart(c) ? LENGTH_LEN : cipher_block(c);
}

/* A packet of n bytes that this cipher can have: whole blocks, and not shorter than its head. */
static int whole(const struct cipher *c, size_t n)
{
	size_t body = cipher_length_apart(c) ? n - LENGTH_LEN : n;

	return n >= LENGTH_LEN + 1 && n >= cipher_head_len(c) && body % c->alg->block == 0;
}

/* ---- chacha20-poly1305@openssh.com (OpenSSH PROTOCOL.chacha20poly1305) ---- */

/* K_2 (packet and Poly1305) comes first in the key, K_1 (length) second. */
static void chacha_prepare(const struct cipher *c, uint32_t seq, uint8_t nonce[8], uint8_t poly_key[CHACHA_KEY])
{
	memset(nonce, 0, 4);
	put_u32(nonce + 4, seq);
	crypto_stream_chacha20(poly_key, CHACHA_KEY, nonce, c->key);	/* block 0; the payload begins with block 1 */
}

static void chacha_crypt(const struct cipher *c, const uint8_t nonce[8], const uint8_t *from, uint8_t *to, size_t n)
{
	crypto_stream_chacha20_xor(to, from, LENGTH_LEN, nonce, c->key + CHACHA_KEY);
	crypto_stream_chacha20_xor_ic(to + LENGTH_LEN, from + LENGTH_LEN, n - LENGTH_LEN, nonce, 1, c->key);
}

static int chacha_seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	uint8_t nonce[8], poly_key[CHACHA_KEY];

	chacha_prepare(c, seq, nonce, poly_key);
	chacha_crypt(c, nonce, plain, pkt, n);
	crypto_onetimeauth(pkt + n, pkt, n, poly_key);
	secret_wipe(poly_key, sizeof poly_key);
	return SSH_OK;
}

static int chacha_open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	uint8_t nonce[8], poly_key[CHACHA_KEY];
	int bad;

	chacha_prepare(c, seq, nonce, poly_key);
	bad = crypto_onetimeauth_verify(pkt + n, pkt, n, poly_key) != 0;
	secret_wipe(poly_key, sizeof poly_key);
	if (bad)
		return SSH_E_MAC;
	chacha_crypt(c, nonce, pkt, plain, n);
	return SSH_OK;
}

/* ---- AES-GCM (RFC 5647 7): the length is the additional data ---- */

/* RFC 5647 7.1: 4 fixed bytes, then a 64-bit invocation counter. */
static void gcm_step(struct cipher *c)
{
	for (size_t i = 12; i-- > 4;)
		if (++c->iv[i] != 0)
			break;
}

static int gcm_start(struct cipher *c, const uint8_t *pkt)
{
	if (gcry_cipher_setiv(c->hd, c->iv, c->alg->iv_len) != 0 ||
	    gcry_cipher_authenticate(c->hd, pkt, LENGTH_LEN) != 0)
		return SSH_E_CRYPTO;
	gcm_step(c);
	return SSH_OK;
}

static int gcm_seal(struct cipher *c, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	int r;

	memmove(pkt, plain, LENGTH_LEN);
	TRY(gcm_start(c, pkt));
	if (gcry_cipher_encrypt(c->hd, pkt + LENGTH_LEN, n - LENGTH_LEN, plain + LENGTH_LEN, n - LENGTH_LEN) != 0 ||
	    gcry_cipher_gettag(c->hd, pkt + n, c->alg->tag_len) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static int gcm_open(struct cipher *c, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	uint8_t tag[16];
	int r;

	TRY(gcm_start(c, pkt));
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

/* ---- AES-CTR (RFC 4344 4) with HMAC-SHA-2 (RFC 6668) ---- */

/* The handle counts by itself; this is our copy of its counter, for export. */
static void ctr_step(struct cipher *c, size_t n)
{
	uint64_t add = n / c->alg->block;

	for (size_t i = c->alg->iv_len; i-- > 0 && add > 0; add >>= 8) {
		add += c->iv[i];
		c->iv[i] = (uint8_t)add;
	}
}

static int ctr_crypt(struct cipher *c, const uint8_t *from, uint8_t *to, size_t n)
{
	if (n == 0)
		return SSH_OK;
	if (gcry_cipher_encrypt(c->hd, to, n, from, n) != 0)	/* decryption is the same */
		return SSH_E_CRYPTO;
	ctr_step(c, n);
	return SSH_OK;
}

/* Borrowed until the next call: mac_len bytes over sequence number and packet (RFC 4253 6.4). */
static const uint8_t *hmac(struct cipher *c, uint32_t seq, const uint8_t *pkt, size_t n)
{
	uint8_t s[4];

	put_u32(s, seq);
	gcry_md_reset(c->md);
	gcry_md_write(c->md, s, sizeof s);
	gcry_md_write(c->md, pkt, n);
	return gcry_md_read(c->md, 0);
}

static int ctr_seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	int r;

	if (c->mac->etm) {
		memmove(pkt, plain, LENGTH_LEN);
		TRY(ctr_crypt(c, plain + LENGTH_LEN, pkt + LENGTH_LEN, n - LENGTH_LEN));
		memcpy(pkt + n, hmac(c, seq, pkt, n), c->mac->mac_len);
		return SSH_OK;
	}
	memcpy(pkt + n, hmac(c, seq, plain, n), c->mac->mac_len);
	return ctr_crypt(c, plain, pkt, n);
}

static int ctr_open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	size_t open = c->head_open ? c->alg->block : 0;
	int r;

	if (c->mac->etm) {
		if (!secret_equal(hmac(c, seq, pkt, n), pkt + n, c->mac->mac_len))
			return SSH_E_MAC;
		memmove(plain, pkt, LENGTH_LEN);
		return ctr_crypt(c, pkt + LENGTH_LEN, plain + LENGTH_LEN, n - LENGTH_LEN);
	}
	memmove(plain, pkt, open);
	TRY(ctr_crypt(c, pkt + open, plain + open, n - open));
	if (!secret_equal(hmac(c, seq, plain, n), pkt + n, c->mac->mac_len)) {
		secret_wipe(plain, n);
		return SSH_E_MAC;
	}
	return SSH_OK;
}

/* ---- packets ---- */

int cipher_seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	if (!c->encrypt || !whole(c, n))
		return SSH_E_BUG;
	switch (c->alg->mode) {
	case MODE_CHACHAPOLY:
		return chacha_seal(c, seq, plain, pkt, n);
	case MODE_GCM:
		return gcm_seal(c, plain, pkt, n);
	case MODE_CTR:
		return ctr_seal(c, seq, plain, pkt, n);
	}
	return SSH_E_BUG;
}

int cipher_length(struct cipher *c, uint32_t seq, uint8_t *pkt, uint32_t *packet_length)
{
	uint8_t head[LENGTH_LEN], nonce[8] = { 0 };
	int r;

	if (c->encrypt || c->head_open)
		return SSH_E_BUG;
	if (c->broken)
		return SSH_E_MAC;
	if (c->alg->mode == MODE_CHACHAPOLY) {
		put_u32(nonce + 4, seq);
		crypto_stream_chacha20_xor(head, pkt, sizeof head, nonce, c->key + CHACHA_KEY);
		*packet_length = get_u32(head);
		return SSH_OK;
	}
	if (!cipher_length_apart(c)) {
		TRY(ctr_crypt(c, pkt, pkt, c->alg->block));
		c->head_open = 1;
	}
	*packet_length = get_u32(pkt);
	return SSH_OK;
}

int cipher_open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	int r = SSH_E_BUG;

	if (c->encrypt)
		return SSH_E_BUG;
	if (c->broken || !whole(c, n)) {
		c->broken = 1;
		return SSH_E_MAC;
	}
	switch (c->alg->mode) {
	case MODE_CHACHAPOLY:
		r = chacha_open(c, seq, pkt, plain, n);
		break;
	case MODE_GCM:
		r = gcm_open(c, pkt, plain, n);
		break;
	case MODE_CTR:
		r = ctr_open(c, seq, pkt, plain, n);
		break;
	}
	c->head_open = 0;
	c->broken = r < 0;
	return r;
}

/* ---- moving a live connection ---- */

int cipher_export(const struct cipher *c, struct wr *w)
{
	size_t mark;

	if (c->broken)
		return SSH_E_NOT_NOW;
	mark = wr_string_begin(w);
	wr_cstr(w, c->alg->name);
	wr_cstr(w, c->mac != NULL ? c->mac->name : "");
	wr_u8(w, (uint8_t)c->encrypt);
	wr_u8(w, (uint8_t)c->head_open);
	wr_string(w, c->key, c->alg->key_len);
	wr_string(w, c->iv, c->alg->iv_len);
	wr_string(w, c->mac_key, c->mac != NULL ? c->mac->key_len : 0);
	wr_string_end(w, mark);
	return wr_done(w);
}

int cipher_import(struct cipher **res, struct rd *r, const struct mem *mem)
{
	struct rd in = rd_view(rd_string(r, 1024));
	struct view alg_name = rd_string(&in, SSH_ALG_NAME_MAX), mac_name = rd_string(&in, SSH_ALG_NAME_MAX);
	const struct cipher_alg *alg = cipher_alg_find(alg_name);
	const struct mac_alg *mac = mac_alg_find(mac_name);
	uint8_t encrypt = rd_u8(&in), head_open = rd_u8(&in);
	struct cipher_keys keys;
	int e;

	*res = NULL;
	keys.key = rd_string(&in, KEY_LEN_MAX);
	keys.iv = rd_string(&in, IV_LEN_MAX);
	keys.mac_key = rd_string(&in, KEY_LEN_MAX);
	if (r->bad || rd_done(&in) < 0 || alg == NULL || encrypt > 1 || head_open > 1)
		return SSH_E_STATE;
	if (mac_name.len > 0 ? mac == NULL : keys.mac_key.len > 0)
		return SSH_E_STATE;
	if (!keys_fit(alg, mac, &keys))
		return SSH_E_STATE;
	if ((e = cipher_new(res, alg, mac, &keys, encrypt, mem)) < 0)
		return e;
	if (head_open && (encrypt || cipher_length_apart(*res))) {
		cipher_free(*res);
		*res = NULL;
		return SSH_E_STATE;
	}
	(*res)->head_open = head_open;
	return SSH_OK;
}

int cipher_head_open(const struct cipher *c)
{
	return c->head_open;
}

int cipher_fits(const struct cipher *c, const struct cipher_alg *alg, const struct mac_alg *mac, int encrypt)
{
	return c->alg == alg && c->mac == mac && c->encrypt == (encrypt != 0);
}
