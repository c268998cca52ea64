#include "ssh/cert.h"

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"

/* The row whose certificates have this name in their blob. */
static const struct sig_alg *row_of(struct view name)
{
	const char *alg;

	for (size_t i = 0; (alg = alg_name(ALG_HOSTKEY, i, NULL)) != NULL; i++) {
		const struct sig_alg *row = sig_alg_find(view_str(alg));

		if (row->cert && view_is(name, row->key_name))
			return row;
	}
	return NULL;
}

/* How many strings (an mpint is one) a public key of that kind has. */
static int fields_of(enum key_kind kind)
{
	return kind == KEY_ED25519 || kind == KEY_ED448 ? 1 : kind == KEY_DSA ? 4 : 2;
}

int cert_parse(struct cert *c, struct view blob)
{
	struct rd in = rd_view(blob);
	const struct sig_alg *row;
	const uint8_t *start;

	c->name = rd_string(&in, SSH_ALG_NAME_MAX);
	if (in.bad || blob.len > SSH_BLOB_MAX)
		return SSH_E_FORMAT;
	if ((row = row_of(c->name)) == NULL)
		return SSH_E_UNKNOWN_KEY;
	c->plain = view_str(sig_alg_find(view_str(row->sig_name))->key_name);
	rd_string(&in, SSH_BLOB_MAX);		/* nonce */
	start = in.p;
	for (int i = 0; i < fields_of(row->kind); i++)
		rd_string(&in, SSH_BLOB_MAX);
	c->fields = view_of(start, in.bad ? 0 : (size_t)(in.p - start));
	c->serial = rd_u64(&in);
	c->type = rd_u32(&in);
	c->id = rd_string(&in, SSH_BLOB_MAX);
	c->principals = rd_string(&in, SSH_BLOB_MAX);
	c->after = rd_u64(&in);
	c->before = rd_u64(&in);
	c->critical = rd_string(&in, SSH_BLOB_MAX);
	c->extensions = rd_string(&in, SSH_BLOB_MAX);
	rd_string(&in, SSH_BLOB_MAX);		/* reserved */
	c->ca = rd_string(&in, SSH_BLOB_MAX);
	c->covered = view_of(blob.p, in.bad ? 0 : (size_t)(in.p - blob.p));
	c->sig = rd_string(&in, SSH_SIG_MAX);
	return rd_done(&in);
}

int cert_key(const struct cert *c, struct buf *out)
{
	struct wr w = wr_to(out);

	wr_view(&w, c->plain);
	wr_raw(&w, c->fields.p, c->fields.len);
	return wr_done(&w);
}

int cert_verify(const struct cert *c)
{
	struct rd in = rd_view(c->sig);
	const struct sig_alg *row = sig_alg_find(rd_string(&in, SSH_ALG_NAME_MAX));
	struct pubkey *ca;
	enum verdict v;

	if (in.bad || row == NULL || row->cert)
		return SSH_E_BAD_SIG;
	if (pubkey_parse(&ca, c->ca, NULL) < 0)
		return SSH_E_BAD_VALUE;
	v = pubkey_verify(ca, row, c->covered, c->sig);
	pubkey_free(ca);
	return v == VERIFY_ACCEPT ? SSH_OK : SSH_E_BAD_SIG;
}
