#include "ssh/crypto/crypto.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"

static const struct { const char *word; const struct key_ops *ops; } families[KEY_KINDS] = {
	[KEY_NONE]    = { "NONE", NULL },
	[KEY_ED25519] = { "ED25519", &key_ed25519 },
	[KEY_ED448]   = { "ED448", &key_ed448 },
	[KEY_P256]    = { "ECDSA", &key_ecdsa },
	[KEY_P384]    = { "ECDSA", &key_ecdsa },
	[KEY_P521]    = { "ECDSA", &key_ecdsa },
	[KEY_RSA]     = { "RSA", &key_rsa },
	[KEY_DSA]     = { "DSA", &key_dsa },
};

const char *key_kind_word(enum key_kind kind)
{
	return (unsigned)kind < KEY_KINDS ? families[kind].word : families[KEY_NONE].word;
}

const struct key_ops *key_ops_of(enum key_kind kind)
{
	return (unsigned)kind < KEY_KINDS ? families[kind].ops : NULL;
}

int pubkey_make(struct pubkey **res, enum key_kind kind, struct view v, const struct mem *mem)
{
	struct pubkey *k = mem_zalloc(mem, sizeof *k + v.len);

	if (k == NULL)
		return SSH_E_NOMEM;
	k->mem = mem;
	k->kind = kind;
	k->bits = 256;
	k->len = v.len;
	if (v.len > 0)
		memcpy(k->v, v.p, v.len);
	*res = k;
	return SSH_OK;
}

int pubkey_parse(struct pubkey **res, struct view blob, const struct mem *mem)
{
	struct pubkey *k = NULL;
	struct rd in = rd_view(blob);
	struct view name = rd_string(&in, SSH_BLOB_MAX);
	enum key_kind kind;
	int r;

	*res = NULL;
	if (in.bad || blob.len > SSH_BLOB_MAX)
		return SSH_E_FORMAT;
	if ((kind = key_kind_find(name)) == KEY_NONE)
		return SSH_E_UNKNOWN_KEY;
	if ((r = key_ops_of(kind)->parse(&k, kind, &in, mem)) < 0) {
		pubkey_free(k);
		return r;
	}
	*res = k;
	return SSH_OK;
}

void pubkey_free(struct pubkey *k)
{
	if (k == NULL)
		return;
	gcry_sexp_release(k->gcry);
	mem_free(k->mem, k);
}

enum key_kind pubkey_kind(const struct pubkey *k)
{
	return k->kind;
}

const char *pubkey_name(const struct pubkey *k)
{
	return key_kind_name(k->kind);
}

unsigned pubkey_bits(const struct pubkey *k)
{
	return k->bits;
}

void key_fingerprint(struct view blob, char out[64])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	static const char prefix[] = "SHA256:";

	crypto_hash_sha256(digest, blob.p, blob.len);
	memcpy(out, prefix, sizeof prefix - 1);
	sodium_bin2base64(out + sizeof prefix - 1, 64 - (sizeof prefix - 1), digest, sizeof digest,
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

enum verdict pubkey_verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	struct rd in = rd_view(sig);
	struct view name = rd_string(&in, SSH_ALG_NAME_MAX), raw = rd_string(&in, SSH_SIG_MAX);

	if (rd_done(&in) < 0 || row == NULL)
		return VERIFY_REJECT;
	/* Three names that must be one: the key's, the row's (what was allowed), the signature's. */
	if (row->kind != k->kind || !view_is(name, row->sig_name) || raw.len == 0)
		return VERIFY_REJECT;
	return key_ops_of(k->kind)->verify(k, row, data, raw);
}
