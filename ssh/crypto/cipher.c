#include "ssh/crypto/crypto.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/cipher_ops.h"
#include "ssh/crypto/gcry.h"

static const struct cipher_ops *const modes[] = {
	[MODE_CHACHAPOLY] = &cipher_chacha, [MODE_GCM] = &cipher_gcm, [MODE_CTR] = &cipher_ctr, [MODE_CBC] = &cipher_cbc,
};

static int gcry_cipher_id(const struct cipher_alg *alg)
{
	if (alg->block == 8)
		return GCRY_CIPHER_3DES;
	return alg->key_len == 16 ? GCRY_CIPHER_AES128 : alg->key_len == 24 ? GCRY_CIPHER_AES192 : GCRY_CIPHER_AES256;
}

static int open_handles(struct cipher *c)
{
	const struct cipher_alg *alg = c->alg;
	int r;

	/* A weak key is an error: of triple DES, one in 2^50. */
	if (c->ops->gcry_mode != GCRY_CIPHER_MODE_NONE &&
	    (gcry_cipher_open(&c->hd, gcry_cipher_id(alg), c->ops->gcry_mode, 0) != 0 ||
	    gcry_cipher_setkey(c->hd, c->key, alg->key_len) != 0))
		return SSH_E_CRYPTO;
	if (c->ops->start != NULL)
		TRY(c->ops->start(c));
	if (c->mac != NULL && gcry_md_open(&c->md, gcry_hash_id(c->mac->hash), 0) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

static int keys_fit(const struct cipher_alg *alg, const struct mac_alg *mac, const struct cipher_keys *keys)
{
	if (keys->key.len != alg->key_len || keys->iv.len != alg->iv_len)
		return 0;
	if (alg->key_len > CIPHER_KEY_MAX || alg->iv_len > CIPHER_IV_MAX)
		return 0;
	if ((alg->tag_len == 0) != (mac != NULL))
		return 0;
	if (mac == NULL)
		return 1;
	return mac->hash != HASH_NONE && keys->mac_key.len == mac->key_len && mac->key_len <= CIPHER_KEY_MAX;
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
	c->ops = modes[alg->mode];
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
	gcry_mac_close(c->poly);
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

/* ---- packets ---- */

int cipher_seal(struct cipher *c, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n)
{
	if (!c->encrypt || !whole(c, n))
		return SSH_E_BUG;
	return c->ops->seal(c, seq, plain, pkt, n);
}

int cipher_length(struct cipher *c, uint32_t seq, uint8_t *pkt, uint32_t *packet_length)
{
	int r;

	if (c->encrypt || c->head_open)
		return SSH_E_BUG;
	if (c->broken)
		return SSH_E_MAC;
	if (c->ops->length != NULL) {
		*packet_length = c->ops->length(c, seq, pkt);
		return SSH_OK;
	}
	if (!cipher_length_apart(c)) {
		TRY(c->ops->crypt(c, pkt, pkt, cipher_block(c)));
		c->head_open = 1;
	}
	*packet_length = get_u32(pkt);
	return SSH_OK;
}

int cipher_open(struct cipher *c, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n)
{
	int r;

	if (c->encrypt)
		return SSH_E_BUG;
	if (c->broken || !whole(c, n)) {
		c->broken = 1;
		return SSH_E_MAC;
	}
	r = c->ops->open(c, seq, pkt, plain, n);
	c->head_open = 0;
	c->broken = r < 0;
	return r;
}

void cipher_waste(struct cipher *c, uint8_t *p, size_t n)
{
	if (c->md != NULL && !c->broken)
		gcry_md_reset(c->md);
	c->broken = 1;
	if (c->md != NULL && c->ops->crypt != NULL) {
		gcry_md_write(c->md, p, n);
		(void)c->ops->crypt(c, p, p, n - n % c->alg->block);
	}
	secret_wipe(p, n);
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
	keys.key = rd_string(&in, CIPHER_KEY_MAX);
	keys.iv = rd_string(&in, CIPHER_IV_MAX);
	keys.mac_key = rd_string(&in, CIPHER_KEY_MAX);
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
