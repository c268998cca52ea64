#include "connection/warm.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"

#define ROUNDS 64		/* a login takes about 10 */

struct pair {
	struct ssh *server, *client;
	struct privkey *key;
	int open;
};

static int sign(struct pair *p, const struct ssh_event *ev)
{
	const struct sig_alg *alg = sig_alg_find(ev->alg);
	struct buf b;
	struct wr w = wr_to(&b);
	int r;

	buf_init(&b, SSH_SIG_MAX, NULL);
	if (alg == NULL || (r = privkey_sign(p->key, alg, ev->data, &w)) < 0)
		r = ssh_answer_sign(p->server, -1, view_of(NULL, 0));
	else
		r = ssh_answer_sign(p->server, 0, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
	return r;
}

static void on_server(struct pair *p, const struct ssh_event *ev)
{
	switch (ev->type) {
	case SSH_EV_NEED_SIGN:
		sign(p, ev);
		break;
	case SSH_EV_AUTH_NONE:
		ssh_answer_auth(p->server, SSH_AUTH_YES, "", 0);
		break;
	case SSH_EV_CHAN_OPEN:
		ssh_chan_accept(p->server, ev->chan);
		break;
	case SSH_EV_CHAN_REQUEST:
		if (ev->want_reply)
			ssh_chan_reply(p->server, ev->chan, 1);
		ssh_chan_write(p->server, ev->chan, 0, (const uint8_t *)"warm", 4);
		p->open = 1;
		break;
	default:
		break;
	}
}

static void on_client(struct pair *p, const struct ssh_event *ev)
{
	uint32_t chan;

	switch (ev->type) {
	case SSH_EV_NEED_HOSTKEY_OK:
		ssh_answer_hostkey(p->client, 1);
		break;
	case SSH_EV_AUTH_READY:
		ssh_auth_none(p->client, "nobody");
		break;
	case SSH_EV_OPEN:
		ssh_chan_open(p->client, "session", view_of(NULL, 0), &chan);
		break;
	case SSH_EV_CHAN_OPENED:
		ssh_chan_request(p->client, ev->chan, "shell", 1, view_of(NULL, 0));
		break;
	default:
		break;
	}
}

static void carry(struct ssh *from, struct ssh *to)
{
	const uint8_t *p;
	size_t n, room;
	uint8_t *q;

	while ((p = ssh_output(from, &n)) != NULL && n > 0 && ssh_want_read(to) && (q = ssh_input_space(to, &room)) != NULL) {
		if (n > room)
			n = room;
		memcpy(q, p, n);
		ssh_sent(from, n);
		if (ssh_input_done(to, n, 1) < 0 || n == 0)
			return;
	}
}

static void talk(struct pair *p)
{
	struct ssh_event ev;

	for (int i = 0; i < ROUNDS && !p->open && ssh_error(p->server) == SSH_OK && ssh_error(p->client) == SSH_OK; i++) {
		while (ssh_next(p->server, &ev) > 0)
			on_server(p, &ev);
		carry(p->server, p->client);
		while (ssh_next(p->client, &ev) > 0)
			on_client(p, &ev);
		carry(p->client, p->server);
	}
}

static void one(const struct ssh_policy *policy, const char *cipher, struct privkey *key)
{
	static const struct ssh_env env = { .random = crypto_random };
	struct ssh_policy mine = *policy, theirs;
	struct pair p = { .key = key };

	ssh_policy_defaults(&theirs);
	theirs.version = "SSH-2.0-warm";
	theirs.ciphers[0] = theirs.ciphers[1] = cipher;
	if (ssh_new(&p.server, SSH_SERVER, &env, &mine) == SSH_OK && ssh_new(&p.client, SSH_CLIENT, &env, &theirs) == SSH_OK &&
	    ssh_add_hostkey(p.server, 0, privkey_blob(key)) == SSH_OK)
		talk(&p);
	ssh_free(p.server);
	ssh_free(p.client);
}

/* Does a comma list have this name? */
static int listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
		if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
			return 1;
	return 0;
}

/* Tables for the groups that clients may choose or be given. */
static void groups(const char *kex)
{
	static const enum kem_id known[] = { KEM_DH14, KEM_DH16, KEM_DH18 };
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_KEX, i, NULL)) != NULL; i++) {
		enum kem_id kem = kex_alg_find(view_str(name))->kem;

		if (!listed(kex, name))
			continue;
		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			if (kem == known[k] || kem == KEM_DH_GEX)
				dh_prepare(known[k]);
	}
}

void warm_up(const struct ssh_policy *policy)
{
	struct privkey *key;
	const char *name;
	int is_default;

	groups(policy->kex != NULL ? policy->kex : alg_defaults(ALG_KEX));
	if (privkey_generate(&key, KEY_ED25519, 0) < 0)
		return;
	for (size_t i = 0; (name = alg_name(ALG_CIPHER, i, &is_default)) != NULL; i++)
		if (is_default)
			one(policy, name, key);
	privkey_free(key);
}
