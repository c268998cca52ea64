#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/ident.h"
#include "ssh/kex.h"

/*
 * hostkeys - a server shows a client that logged in all its host keys, and proves that it has them: hostkeys-00@openssh.com and
 * hostkeys-prove-00@openssh.com (OpenSSH PROTOCOL 2.5). Certificates are no keys, and are left out.
 */

static struct view blob_of(const struct hostkey *key)
{
	return view_of(key->blob, key->len);
}

/* The row of a plain key's type that is not an algorithm of a certificate; NULL for a certificate. */
static const struct sig_alg *row_of(struct view blob)
{
	struct rd in = rd_view(blob);
	const struct sig_alg *row = sig_alg_find(rd_string(&in, SSH_ALG_NAME_MAX));

	return row != NULL && !row->cert ? row : NULL;
}

static const struct hostkey *find(const struct ssh *s, struct view blob)
{
	const struct kex *k = s->kex;

	for (size_t i = 0; i < k->hostkey_count; i++)
		if (view_same(blob_of(&k->hostkeys[i]), blob) && row_of(blob) != NULL)
			return &k->hostkeys[i];
	return NULL;
}

int ssh_announce_hostkeys(struct ssh *s)
{
	const struct kex *k = s->kex;
	struct buf rest;
	struct wr w = wr_to(&rest);
	int r;

	if (s->error)
		return s->error;
	if (s->role != SSH_SERVER || !s->authenticated)
		return SSH_E_NOT_NOW;
	if (ident_dies_of_hostkeys(s->peer_version))
		return SSH_OK;
	buf_init(&rest, SSH_PACKET_MAX / 2, s->env.mem);
	for (size_t i = 0; i < k->hostkey_count; i++)
		if (find(s, blob_of(&k->hostkeys[i])) == &k->hostkeys[i])	/* each once */
			wr_view(&w, blob_of(&k->hostkeys[i]));
	if ((r = wr_done(&w)) == SSH_OK && buf_len(&rest) > 0)
		r = ssh_global_request(s, "hostkeys-00@openssh.com", 0, view_of(buf_head(&rest), buf_len(&rest)));
	buf_drop(&rest);
	return r;
}

int ssh_prove_check(const struct ssh *s, struct view rest)
{
	unsigned char seen[KEX_HOSTKEYS_MAX] = { 0 };
	struct rd in = rd_view(rest);
	int n = 0, r;

	while (rd_left(&in) > 0) {
		const struct hostkey *key = find(s, rd_string(&in, SSH_BLOB_MAX));

		if (key == NULL || seen[key - s->kex->hostkeys]++)
			return SSH_E_UNKNOWN_KEY;
		n++;
	}
	TRY(rd_done(&in));
	return n > 0 ? n : SSH_E_FORMAT;
}

/* RFC 8332: what the client takes of an RSA key; as OpenSSH, the negotiated one, else the better it has offered. NULL: none that we do. */
static const char *rsa_alg(const struct ssh *s)
{
	const struct kex *k = s->kex;

	if (k->now.sig != NULL && k->now.sig->kind == KEY_RSA)
		return k->now.sig->sig_name;
	if (k->peer_rsa & KEX_RSA_SHA2_512)
		return "rsa-sha2-512";
	if (k->peer_rsa & KEX_RSA_SHA2_256)
		return "rsa-sha2-256";
	return kexinit_has(view_str(s->policy.hostkey), "ssh-rsa") ? "ssh-rsa" : NULL;
}

int ssh_prove_key(const struct ssh *s, struct view blob, unsigned *index, const char **alg)
{
	const struct hostkey *key = find(s, blob);
	const struct sig_alg *row = row_of(blob);

	if (key == NULL)
		return SSH_E_UNKNOWN_KEY;
	*index = key->index;
	*alg = row->kind == KEY_RSA ? rsa_alg(s) : row->name;
	return *alg != NULL ? SSH_OK : SSH_E_NO_ALG;
}

unsigned hostkeys_rsa_offer(struct view list)
{
	unsigned offer = 0;

	if (kexinit_has(list, "rsa-sha2-256") || kexinit_has(list, "rsa-sha2-256-cert-v01@openssh.com"))
		offer |= KEX_RSA_SHA2_256;
	if (kexinit_has(list, "rsa-sha2-512") || kexinit_has(list, "rsa-sha2-512-cert-v01@openssh.com"))
		offer |= KEX_RSA_SHA2_512;
	return offer;
}
