#include "ssh/crypto/crypto.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

#define SEED_MAX 57	/* Ed448 */

void privkey_free(struct privkey *k)
{
	if (k == NULL)
		return;
	pubkey_free(k->pub);
	gcry_sexp_release(k->gcry);	/* wiped by the allocator of init.c */
	buf_drop(&k->blob);
	buf_drop(&k->priv);
	secret_wipe(k, sizeof *k);
	mem_free(NULL, k);
}

enum key_kind privkey_kind(const struct privkey *k)
{
	return k->kind;
}

struct view privkey_blob(const struct privkey *k)
{
	return view_of(buf_head(&k->blob), buf_len(&k->blob));
}

/* The public blob is written first, so that pubkey_parse() applies every check of a peer's key. */
int privkey_set_public(struct privkey *k, const struct wr *w)
{
	int r;

	TRY(wr_done(w));
	return pubkey_parse(&k->pub, privkey_blob(k), NULL);
}

/* ---- from and to bytes ---- */

/* One signature, which privkey_sign() verifies: do the two halves belong together? */
static int prove(const struct privkey *k)
{
	struct buf b;
	struct wr w = wr_to(&b);
	int r;

	buf_init(&b, SSH_SIG_MAX, NULL);
	r = privkey_sign(k, key_row_of(k->kind), view_str("proof"), &w);
	buf_drop(&b);
	return r == SSH_E_CRYPTO ? SSH_E_BAD_VALUE : r;
}

int privkey_read_private(struct privkey **res, struct rd *in)
{
	const uint8_t *start = in->p;
	struct view name = rd_string(in, SSH_ALG_NAME_MAX);
	enum key_kind kind = key_kind_find(name);
	struct privkey *k;
	int r;

	*res = NULL;
	if (in->bad)
		return SSH_E_FORMAT;
	if (kind == KEY_NONE)
		return SSH_E_UNKNOWN_KEY;
	if ((k = mem_zalloc(NULL, sizeof *k)) == NULL)
		return SSH_E_NOMEM;
	buf_init(&k->blob, SSH_BLOB_MAX, NULL);
	buf_init(&k->priv, SSH_BLOB_MAX, NULL);
	k->kind = kind;
	if ((r = key_ops_of(kind)->read(k, in)) < 0 || (r = buf_append(&k->priv, start, (size_t)(in->p - start))) < 0 ||
	    (r = prove(k)) < 0) {
		privkey_free(k);
		return r;
	}
	*res = k;
	return SSH_OK;
}

int privkey_write_private(const struct privkey *k, struct wr *w)
{
	wr_raw(w, buf_head(&k->priv), buf_len(&k->priv));
	return wr_done(w);
}

int privkey_complete(enum key_kind kind, struct view secret, struct wr *w)
{
	const struct key_ops *ops = key_ops_of(kind);

	if (ops == NULL || ops->complete == NULL)
		return SSH_E_BUG;
	wr_cstr(w, key_kind_name(kind));
	return ops->complete(w, kind, secret);
}

static int generate(const struct key_ops *ops, struct wr *w, enum key_kind kind, unsigned bits)
{
	uint8_t seed[SEED_MAX];
	int r;

	if (ops->seed == 0)
		return ops->generate(w, kind, bits);
	crypto_random(NULL, seed, ops->seed);
	r = ops->complete(w, kind, view_of(seed, ops->seed));
	secret_wipe(seed, sizeof seed);
	return r;
}

/* A new key is read back through all the checks of a file's. */
int privkey_generate(struct privkey **res, enum key_kind kind, unsigned bits)
{
	const struct key_ops *ops = key_ops_of(kind);
	struct buf b;
	struct wr w = wr_to(&b);
	struct rd in;
	int r;

	*res = NULL;
	if (ops == NULL || (ops->generate == NULL && ops->seed == 0) || ops->seed > SEED_MAX)
		return SSH_E_BUG;
	if (kind == KEY_RSA && bits == 0)
		bits = 3072;
	if (kind == KEY_RSA && (bits < PEER_RSA_BITS_MIN || bits > PEER_RSA_BITS_MAX))
		return SSH_E_BAD_VALUE;
	buf_init(&b, SSH_BLOB_MAX, NULL);
	wr_cstr(&w, key_kind_name(kind));
	if ((r = generate(ops, &w, kind, bits)) == SSH_OK) {
		in = rd_of(buf_head(&b), buf_len(&b));
		r = privkey_read_private(res, &in);
	}
	buf_drop(&b);
	return r;
}

/* ---- signing ---- */

int privkey_sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *out)
{
	struct buf b;
	struct wr w = wr_to(&b);
	int r;

	if (row == NULL || row->kind != k->kind)
		return SSH_E_BUG;
	buf_init(&b, SSH_SIG_MAX, NULL);
	wr_cstr(&w, row->sig_name);
	r = key_ops_of(k->kind)->sign(k, row, data, &w);
	/* A fault in the computation must not leave: one wrong RSA-CRT signature factors the modulus. */
	if (r == SSH_OK &&
	    pubkey_verify(k->pub, row, data, view_of(buf_head(&b), buf_len(&b))) != VERIFY_ACCEPT)
		r = SSH_E_CRYPTO;
	if (r == SSH_OK) {
		wr_raw(out, buf_head(&b), buf_len(&b));
		r = wr_done(out);
	}
	buf_drop(&b);
	return r;
}
