#include "ssh/kexinit.h"

#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/packet.h"

#define COOKIE_LEN 16u
#define COOKIES (UINT64_C(1) << 63)	/* apart from the numbers of padding */

/* ---- name lists ---------------------------------------------------------------------------- */

/* The next name of a comma list; empty when the list is used up. */
static struct view name_next(struct view *list)
{
	const uint8_t *comma = list->len > 0 ? memchr(list->p, ',', list->len) : NULL;
	size_t n = comma ? (size_t)(comma - list->p) : list->len, skip = comma ? n + 1 : n;
	struct view name = view_of(list->p, n);

	if (skip > 0)
		*list = view_of(list->p + skip, list->len - skip);
	return name;
}

static int list_has(struct view list, struct view name)
{
	while (list.len > 0)
		if (view_same(name_next(&list), name))
			return 1;
	return 0;
}

int kexinit_has(struct view list, const char *name)
{
	return list_has(list, view_str(name));
}

const char *kexinit_strict_marker(enum ssh_role role)
{
	return role == SSH_SERVER ? "kex-strict-s-v00@openssh.com" : "kex-strict-c-v00@openssh.com";
}

const char *kexinit_ext_marker(enum ssh_role role)
{
	return role == SSH_SERVER ? "ext-info-s" : "ext-info-c";
}

/* ---- our offer -------------------------------------------------------------------------------- */

static const void *find_kex(struct view name)
{
	return kex_alg_find(name);
}

static const void *find_sig(struct view name)
{
	return sig_alg_find(name);
}

static const void *find_cipher(struct view name)
{
	return cipher_alg_find(name);
}

static const void *find_mac(struct view name)
{
	return mac_alg_find(name);
}

static const void *find_comp(struct view name)
{
	return comp_alg_find(name);
}

typedef const void *find_fn(struct view name);

static void put_name(struct wr *w, size_t mark, struct view name)
{
	if (w->error == 0 && buf_len(w->b) > mark)
		wr_u8(w, ',');
	wr_raw(w, name.p, name.len);
}

/* A key or certificate is there for it; a client knows nobody who would vouch for a certificate. */
static int sig_fits(const struct ssh *s, const struct sig_alg *row)
{
	return s->role == SSH_SERVER ? kex_hostkey(s, row) != NULL : !row->cert;
}

/* The names of list that exist; of host key algorithms, those that fit. */
static void put_list(struct ssh *s, struct wr *w, const char *names, find_fn *find, int first)
{
	size_t mark = wr_string_begin(w);
	struct view list = view_str(names);

	while (list.len > 0) {
		struct view name = name_next(&list);
		const void *row = name.len > 0 ? find(name) : NULL;

		if (row == NULL || (find == find_sig && !sig_fits(s, row)))
			continue;
		put_name(w, mark, name);
	}
	if (first && find == find_kex) {
		put_name(w, mark, view_str(kexinit_ext_marker(s->role)));
		put_name(w, mark, view_str(kexinit_strict_marker(s->role)));
	}
	wr_string_end(w, mark);
}

int kexinit_write(struct ssh *s, struct wr *w, int first)
{
	const struct ssh_policy *p = &s->policy;
	uint8_t cookie[COOKIE_LEN];

	if (s->env.padding != NULL)
		s->env.padding(s->env.ctx, COOKIES | s->tx->total, cookie, sizeof cookie);
	else
		s->env.random(s->env.ctx, cookie, sizeof cookie);
	wr_u8(w, SSH_MSG_KEXINIT);
	wr_raw(w, cookie, sizeof cookie);
	put_list(s, w, p->kex, find_kex, first);
	put_list(s, w, p->hostkey, find_sig, first);
	put_list(s, w, p->ciphers[0], find_cipher, first);
	put_list(s, w, p->ciphers[1], find_cipher, first);
	put_list(s, w, p->macs[0], find_mac, first);
	put_list(s, w, p->macs[1], find_mac, first);
	put_list(s, w, p->comps[0], find_comp, first);
	put_list(s, w, p->comps[1], find_comp, first);
	wr_cstr(w, "");			/* languages: none */
	wr_cstr(w, "");
	wr_bool(w, 0);			/* we never guess */
	wr_u32(w, 0);
	return wr_done(w);
}

/* ---- two offers ------------------------------------------------------------------------------- */

int kexinit_parse(struct kexinit *k, struct view payload)
{
	struct rd in = rd_view(payload);

	if (payload.len > SSH_KEXINIT_MAX)
		return SSH_E_TOO_BIG;
	if (rd_u8(&in) != SSH_MSG_KEXINIT)
		return SSH_E_FORMAT;
	rd_raw(&in, COOKIE_LEN);
	for (int i = 0; i < LIST_MAX; i++)
		k->list[i] = rd_string(&in, SSH_KEXINIT_MAX);
	k->follows = rd_bool(&in);
	rd_u32(&in);			/* reserved */
	return rd_done(&in);
}

/* RFC 4253 7.1: the first of the client's that the server has too. Markers are in no table, so they never win. */
static const void *choose(const struct kexinit *c, const struct kexinit *s, enum kexinit_list which, find_fn *find)
{
	struct view list = c->list[which];

	while (list.len > 0) {
		struct view name = name_next(&list);
		const void *row = name.len > 0 && name.len <= SSH_ALG_NAME_MAX ? find(name) : NULL;

		if (row != NULL && list_has(s->list[which], name))
			return row;
	}
	return NULL;
}

/*
 * RFC 5647 5.1 wants AES-GCM as cipher and MAC, or as neither; what wins when the lists say otherwise Erlang's manual decides (ssh(6), "RFC 5647"; the
 * first rule that fits): the cipher AEAD_AES_*_GCM takes the MAC along, the MAC of that name the cipher. aes*-gcm@openssh.com is their first rule by another name
 * (OpenSSH PROTOCOL 1.6: there need not be a MAC in common).
 */
static void choose_cipher(struct kex_choice *to, const struct kexinit *c, const struct kexinit *s, unsigned d)
{
	const struct cipher_alg *cipher = choose(c, s, LIST_CIPHER_CS + d, find_cipher);
	const struct mac_alg *mac = NULL;

	if (cipher == NULL || cipher->mode != MODE_GCM)
		mac = choose(c, s, LIST_MAC_CS + d, find_mac);
	if (mac != NULL && mac->hash == HASH_NONE)
		cipher = cipher_alg_find(view_str(mac->name));
	to->cipher[d] = cipher;
	to->mac[d] = cipher != NULL && cipher->tag_len == 0 ? mac : NULL;
}

int kexinit_choose(struct kex_choice *to, const struct kexinit *c, const struct kexinit *s, const char **why)
{
	*why = "no matching key exchange method found";
	to->failed = LIST_KEX;
	if ((to->kex = choose(c, s, LIST_KEX, find_kex)) == NULL)
		return SSH_E_NO_ALG;
	*why = "no matching host key type found";
	to->failed = LIST_HOSTKEY;
	if ((to->sig = choose(c, s, LIST_HOSTKEY, find_sig)) == NULL)
		return SSH_E_NO_ALG;
	for (unsigned d = 0; d < 2; d++) {
		choose_cipher(to, c, s, d);
		*why = "no matching cipher found";
		to->failed = LIST_CIPHER_CS + d;
		if (to->cipher[d] == NULL)
			return SSH_E_NO_ALG;
		*why = "no matching MAC found";
		to->failed = LIST_MAC_CS + d;
		if (to->cipher[d]->tag_len == 0 && to->mac[d] == NULL)
			return SSH_E_NO_ALG;
		*why = "no matching compression method found";
		to->failed = LIST_COMP_CS + d;
		if ((to->comp[d] = choose(c, s, LIST_COMP_CS + d, find_comp)) == NULL)
			return SSH_E_NO_ALG;
	}
	return SSH_OK;
}

int kexinit_guess_wrong(const struct kexinit *peer, const struct kexinit *ours)
{
	struct view a, b;

	if (!peer->follows)
		return 0;
	for (int i = LIST_KEX; i <= LIST_HOSTKEY; i++) {
		a = peer->list[i];
		b = ours->list[i];
		if (!view_same(name_next(&a), name_next(&b)))
			return 1;
	}
	return 0;
}
