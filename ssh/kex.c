#include "ssh/kex.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

#define B(state) (1u << (state))

static const unsigned may_become[KEX_MAX] = {
	[KEX_IDLE]            = B(KEX_WAIT_KEXINIT),
	[KEX_WAIT_KEXINIT]    = B(KEX_WAIT_GEX_REQUEST) | B(KEX_WAIT_INIT) | B(KEX_WAIT_GEX_GROUP) | B(KEX_WAIT_REPLY),
	[KEX_WAIT_GEX_REQUEST] = B(KEX_WAIT_GEX_INIT),
	[KEX_WAIT_GEX_INIT]   = B(KEX_WAIT_SIGN),
	[KEX_WAIT_INIT]       = B(KEX_WAIT_SIGN),
	[KEX_WAIT_SIGN]       = B(KEX_WAIT_NEWKEYS),
	[KEX_WAIT_GEX_GROUP]  = B(KEX_WAIT_GEX_REPLY),
	[KEX_WAIT_GEX_REPLY]  = B(KEX_WAIT_HOSTKEY_OK),
	[KEX_WAIT_REPLY]      = B(KEX_WAIT_HOSTKEY_OK),
	[KEX_WAIT_HOSTKEY_OK] = B(KEX_WAIT_NEWKEYS),
	[KEX_WAIT_NEWKEYS]    = B(KEX_IDLE),
};

static const char *const state_names[KEX_MAX] = {
	[KEX_IDLE] = "idle", [KEX_WAIT_KEXINIT] = "wait-kexinit", [KEX_WAIT_GEX_REQUEST] = "wait-gex-request",
	[KEX_WAIT_GEX_INIT] = "wait-gex-init", [KEX_WAIT_INIT] = "wait-init", [KEX_WAIT_SIGN] = "wait-sign",
	[KEX_WAIT_GEX_GROUP] = "wait-gex-group", [KEX_WAIT_GEX_REPLY] = "wait-gex-reply", [KEX_WAIT_REPLY] = "wait-reply",
	[KEX_WAIT_HOSTKEY_OK] = "wait-hostkey-ok", [KEX_WAIT_NEWKEYS] = "wait-newkeys",
};

const char *kex_state_name(enum kex_state state)
{
	return (unsigned)state < KEX_MAX ? state_names[state] : "?";
}

unsigned kex_may_become(enum kex_state state)
{
	return may_become[state];
}

void kex_enter(struct kex *k, enum kex_state state)
{
	assert(may_become[k->state] & B(state));
	log_ev(LOGL_TRACE, "kex %s -> %s", kex_state_name(k->state), kex_state_name(state));
	k->state = state;
}

/* ---- life ---------------------------------------------------------------------------------- */

int kex_new(struct ssh *s)
{
	s->kex = mem_zalloc(s->env.mem, sizeof *s->kex);
	return s->kex != NULL ? SSH_OK : SSH_E_NOMEM;
}

static void run_drop(struct ssh *s)
{
	struct kex_run *run = s->kex->run;

	if (run == NULL)
		return;
	buf_drop(&run->ours);
	buf_drop(&run->theirs);
	buf_drop(&run->gex);
	buf_drop(&run->shown);
	cipher_free(run->next_rx);
	secret_wipe(run, sizeof *run);
	mem_free(s->env.mem, run);
	s->kex->run = NULL;
}

void kex_free(struct ssh *s)
{
	struct kex *k = s->kex;

	if (k == NULL)
		return;
	run_drop(s);
	for (size_t i = 0; i < k->hostkey_count; i++)
		mem_free(s->env.mem, k->hostkeys[i].blob);
	secret_wipe(k, sizeof *k);
	mem_free(s->env.mem, k);
	s->kex = NULL;
}

/* ---- host keys -------------------------------------------------------------------------------- */

static struct view key_name_of(struct view blob)
{
	struct rd in = rd_view(blob);

	return rd_string(&in, SSH_ALG_NAME_MAX);
}

static int key_name_known(struct view name)
{
	const char *alg;
	int is_default;

	for (size_t i = 0; (alg = alg_name(ALG_HOSTKEY, i, &is_default)) != NULL; i++)
		if (view_is(name, sig_alg_find(view_str(alg))->key_name))
			return 1;
	return 0;
}

int ssh_add_hostkey(struct ssh *s, unsigned index, struct view blob)
{
	struct kex *k = s->kex;
	struct hostkey *key = &k->hostkeys[k->hostkey_count];

	if (s->error)
		return s->error;
	if (s->role != SSH_SERVER || (!s->authenticated && (k->tx_closed || k->state != KEX_IDLE)))
		return SSH_E_NOT_NOW;		/* once logged in it was imported, perhaps in the middle of an exchange */
	if (k->hostkey_count == KEX_HOSTKEYS_MAX || blob.len > SSH_BLOB_MAX)
		return SSH_E_FULL;
	if (!key_name_known(key_name_of(blob)))
		return SSH_E_UNKNOWN_KEY;
	if ((key->blob = mem_resize(s->env.mem, NULL, blob.len)) == NULL)
		return SSH_E_NOMEM;
	memcpy(key->blob, blob.p, blob.len);
	key->len = blob.len;
	key->index = index;
	k->hostkey_count++;
	return SSH_OK;
}

struct view kex_shown(const struct kex_run *run)
{
	const struct hostkey *key = run->hostkey;

	return key != NULL ? view_of(key->blob, key->len) : view_of(buf_len(&run->shown) > 0 ? buf_head(&run->shown) : NULL, buf_len(&run->shown));
}

/* The key whose signature an exchange waits for, after an import. NULL: it is not there any more. */
static const struct hostkey *signing_key(const struct ssh *s)
{
	const struct kex *k = s->kex;

	for (size_t i = 0; i < k->hostkey_count; i++)
		if (view_same(view_of(k->hostkeys[i].blob, k->hostkeys[i].len), kex_shown(k->run)))
			return &k->hostkeys[i];
	return NULL;
}

const struct hostkey *kex_hostkey(const struct ssh *s, const struct sig_alg *sig)
{
	const struct kex *k = s->kex;

	for (size_t i = 0; i < k->hostkey_count; i++)
		if (view_is(key_name_of(view_of(k->hostkeys[i].blob, k->hostkeys[i].len)), sig->key_name))
			return &k->hostkeys[i];
	return NULL;
}

/* ---- KEXINIT ------------------------------------------------------------------------------------ */

int kex_run_new(struct ssh *s)
{
	struct kex_run *run = mem_zalloc(s->env.mem, sizeof *run);

	if (run == NULL)
		return SSH_E_NOMEM;
	buf_init(&run->ours, SSH_KEXINIT_MAX, s->env.mem);
	buf_init(&run->theirs, SSH_KEXINIT_MAX, s->env.mem);
	buf_init(&run->gex, 3 * 4 + 2 * SSH_KEX_SHARED_MAX, s->env.mem);
	buf_init(&run->shown, SSH_BLOB_MAX, s->env.mem);
	s->kex->run = run;
	return SSH_OK;
}

int kex_start(struct ssh *s)
{
	struct kex *k = s->kex;
	struct wr w;
	int r;

	TRY(kex_run_new(s));
	w = wr_to(&k->run->ours);
	TRY(kexinit_write(s, &w, s->session_id.len == 0));
	k->tx_closed = 1;
	kex_clock(s);
	kex_enter(k, KEX_WAIT_KEXINIT);
	return packet_send(s, view_of(buf_head(&k->run->ours), buf_len(&k->run->ours)));
}

/* Only the first KEXINIT carries markers; a later one that does is not listened to. */
static int first_kexinit(struct ssh *s, const struct kexinit *theirs)
{
	struct kex *k = s->kex;
	enum ssh_role peer = s->role == SSH_SERVER ? SSH_CLIENT : SSH_SERVER;

	k->peer_ext_info = kexinit_has(theirs->list[LIST_KEX], kexinit_ext_marker(peer));
	k->strict = kexinit_has(theirs->list[LIST_KEX], kexinit_strict_marker(peer));
	if (!k->strict)
		return SSH_OK;
	if (s->rx->total != 1)		/* OpenSSH PROTOCOL 1.9: KEXINIT must be the first packet */
		return ssh_fail_text(s, SSH_E_PROTOCOL, "strict KEX violation: KEXINIT was not the first packet");
	ssh_enter(s, P_KEX0S);
	return SSH_OK;
}

int kex_send_init(struct ssh *s, const struct dh_group *group, uint8_t number)
{
	struct kex_run *run = s->kex->run;
	struct wr w;
	int r;

	TRY(kem_start(s->kex->next.kex->kem, group, s->env.random, s->env.ctx, &run->secret, run->public, &run->public_len));
	msg_begin(s, &w, number);
	wr_string(&w, run->public, run->public_len);
	return msg_end(s, &w);
}

/* What was agreed upon, as sshd says it. */
static void tell_choice(const struct kex_choice *c)
{
	log_ev(LOGL_DEBUG, "kex: algorithm: %s", c->kex->name);
	log_ev(LOGL_DEBUG, "kex: host key algorithm: %s", c->sig->name);
	for (unsigned d = 0; d < 2; d++)
		log_ev(LOGL_DEBUG, "kex: %s cipher: %s MAC: %s compression: %s", d == 0 ? "client->server" : "server->client", c->cipher[d]->name,
		    c->mac[d] != NULL ? c->mac[d]->name : "<implicit>", c->comp[d]->name);
}

/* Both sides know what they will do: the server waits, the client begins. */
static int run_begin(struct ssh *s)
{
	struct kex *k = s->kex;
	int gex = k->next.kex->kem == KEM_DH_GEX;

	if (s->role == SSH_SERVER) {
		kex_enter(k, gex ? KEX_WAIT_GEX_REQUEST : KEX_WAIT_INIT);
		return SSH_OK;
	}
	kex_enter(k, gex ? KEX_WAIT_GEX_GROUP : KEX_WAIT_REPLY);
	return gex ? kex_gex_start(s) : kex_send_init(s, NULL, SSH_MSG_KEX_ECDH_INIT);
}

int ssh_on_kexinit(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	struct kexinit ours, theirs;
	struct view payload = view_of(in->p - 1, rd_left(in) + 1);	/* I_C and I_S include the type byte */
	const char *why;
	int first = s->session_id.len == 0, r;

	if (k->state == KEX_IDLE)
		TRY(kex_start(s));
	if (k->state != KEX_WAIT_KEXINIT)
		return SSH_E_PROTOCOL;
	TRY(kexinit_parse(&theirs, payload));
	TRY(kexinit_parse(&ours, view_of(buf_head(&k->run->ours), buf_len(&k->run->ours))));
	TRY(buf_append(&k->run->theirs, payload.p, payload.len));
	if (s->role == SSH_SERVER)
		k->peer_rsa = hostkeys_rsa_offer(theirs.list[LIST_HOSTKEY]);
	if (first)
		TRY(first_kexinit(s, &theirs));
	else
		ssh_enter(s, P_REKEY);
	r = s->role == SSH_SERVER ? kexinit_choose(&k->next, &theirs, &ours, &why)
	    : kexinit_choose(&k->next, &ours, &theirs, &why);
	if (r < 0) {
		struct view offer = theirs.list[k->next.failed];

		s->mismatch = why;	/* the copy of the packet stays until ssh_free() */
		s->mismatch_offer = view_of(buf_head(&k->run->theirs) + (offer.p - payload.p), offer.len);
		return ssh_fail_text(s, r, why);
	}
	tell_choice(&k->next);
	k->run->skip_guess = kexinit_guess_wrong(&theirs, &ours);
	return run_begin(s);
}

int kex_drops_guess(struct ssh *s, uint8_t type)
{
	struct kex_run *run = s->kex->run;

	if (run == NULL || !run->skip_guess || type < 30 || type > 49)
		return 0;
	run->skip_guess = 0;		/* exactly one (RFC 4253 7) */
	return 1;
}

/* ---- NEWKEYS ------------------------------------------------------------------------------------- */

static uint64_t bytes_max(const struct ssh *s, const struct cipher_alg *alg)
{
	return packet_bytes_max(alg, s->policy.rekey_bytes);
}

/* Our NEWKEYS, and whatever waited for it, under the new keys. */
static int send_newkeys(struct ssh *s)
{
	struct kex *k = s->kex;
	int first = s->session_id.len == 0, out = s->role == SSH_SERVER ? 1 : 0, r;
	struct cipher *tx;
	struct wr w;

	if (first)
		s->session_id = k->run->hash;
	TRY(kex_derive(s, &k->run->next_rx, &tx));
	msg_begin(s, &w, SSH_MSG_NEWKEYS);
	if ((r = msg_end(s, &w)) < 0) {
		cipher_free(tx);
		return r;
	}
	packet_rekey(s->tx, tx, k->strict, bytes_max(s, k->next.cipher[out]));
	TRY(packet_compress_keys(s, s->tx, k->next.comp[out]));
	k->tx_closed = 0;
	kex_enter(k, KEX_WAIT_NEWKEYS);
	if (first && s->role == SSH_SERVER && k->peer_ext_info)
		TRY(ext_info_send(s));
	s->more->room_again = 1;
	return held_flush(s);
}

int ssh_on_newkeys(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	int first = s->phase != P_REKEY, in_dir = s->role == SSH_SERVER ? 0 : 1, r;
	struct ssh_event *e;

	if (k->state != KEX_WAIT_NEWKEYS)
		return SSH_E_PROTOCOL;
	TRY(rd_done(in));
	packet_rekey(s->rx, k->run->next_rx, k->strict, bytes_max(s, k->next.cipher[in_dir]));
	k->run->next_rx = NULL;
	TRY(packet_compress_keys(s, s->rx, k->next.comp[in_dir]));
	k->now = k->next;
	k->done_at = s->now;
	k->rekeys += first ? 0 : 1;
	run_drop(s);
	kex_enter(k, KEX_IDLE);
	ssh_enter(s, first ? P_SERVICE : P_OPEN);
	if ((e = ssh_event_new(s, SSH_EV_KEX_DONE)) == NULL)
		return SSH_E_BUG;
	e->first = first;
	return first && s->role == SSH_CLIENT ? userauth_client_start(s) : SSH_OK;
}

/* ---- the server's part ------------------------------------------------------------------------------ */

static int need_sign(struct ssh *s)
{
	struct kex *k = s->kex;
	const struct hostkey *key = signing_key(s);
	struct ssh_event *e;

	if (key == NULL)
		return ssh_fail(s, SSH_E_NO_SIGNER);
	if ((e = ssh_event_new(s, SSH_EV_NEED_SIGN)) == NULL)
		return SSH_E_BUG;
	e->key = key->index;
	e->alg = view_str(k->next.sig->name);
	e->data = view_of(k->run->hash.v, k->run->hash.len);
	s->wait = WAIT_SIGN;
	return SSH_OK;
}

int kex_got_init(struct ssh *s, struct rd *in, enum kex_state state, const struct dh_group *group)
{
	struct kex *k = s->kex;
	struct kex_run *run = k->run;
	struct view peer = rd_string(in, SSH_KEX_PUBLIC_MAX);
	int r;

	TRY(rd_done(in));
	if (k->state != state)
		return SSH_E_PROTOCOL;
	if ((run->hostkey = kex_hostkey(s, k->next.sig)) == NULL)
		return SSH_E_NO_SIGNER;		/* it was moved to where there is no such key */
	s->more->once++;
	TRY(kem_respond(k->next.kex->kem, group, s->env.random, s->env.ctx, peer, run->public, &run->public_len, &run->k));
	TRY(kex_hash(s, view_of(run->hostkey->blob, run->hostkey->len), peer, view_of(run->public, run->public_len)));
	kex_enter(k, KEX_WAIT_SIGN);
	return need_sign(s);
}

static int send_reply(struct ssh *s, struct view sig)
{
	struct kex_run *run = s->kex->run;
	struct wr w;
	int r;

	msg_begin(s, &w, s->kex->next.kex->kem == KEM_DH_GEX ? SSH_MSG_KEX_DH_GEX_REPLY : SSH_MSG_KEX_31);
	wr_view(&w, kex_shown(run));
	wr_string(&w, run->public, run->public_len);
	wr_view(&w, sig);
	TRY(msg_end(s, &w));
	return send_newkeys(s);
}

int ssh_answer_sign(struct ssh *s, int status, struct view sig)
{
	int r;

	if (s->error)
		return s->error;
	if (s->wait != WAIT_SIGN)
		return SSH_E_NOT_NOW;		/* repeated, or nobody asked */
	s->more->once++;
	s->wait = WAIT_NOTHING;
	if (status < 0 || sig.len == 0 || sig.len > SSH_SIG_MAX)
		return ssh_fail(s, SSH_E_NO_SIGNER);
	return (r = send_reply(s, sig)) < 0 ? ssh_fail(s, r) : SSH_OK;
}

int ssh_repeat_need(struct ssh *s, struct ssh_event *ev)
{
	if (s->error || s->wait != WAIT_SIGN)
		return 0;
	/* Not asked yet: the event in the queue will do. */
	if (s->event_count > 0)
		return 0;
	if (need_sign(s) < 0)
		return 0;
	*ev = s->events[s->event_first];
	events_clear(s);
	return 1;
}

/* ---- the client's part ------------------------------------------------------------------------------- */

/* RFC 4253 8: the signature proves that the server holds the private half of the key it shows. */
static int verify_host(struct ssh *s, struct view blob, struct view sig)
{
	const struct kex *k = s->kex;
	struct pubkey *key;
	int r;

	TRY(pubkey_parse(&key, blob, s->env.mem));
	r = pubkey_verify(key, k->next.sig, view_of(k->run->hash.v, k->run->hash.len), sig) == VERIFY_ACCEPT
	    ? SSH_OK : SSH_E_BAD_SIG;
	pubkey_free(key);
	return r;
}

int kex_got_reply(struct ssh *s, struct rd *in, enum kex_state state)
{
	struct kex *k = s->kex;
	struct kex_run *run = k->run;
	struct view blob = rd_string(in, SSH_BLOB_MAX), peer = rd_string(in, SSH_KEX_PUBLIC_MAX);
	struct view sig = rd_string(in, SSH_SIG_MAX);
	struct ssh_event *e;
	int r;

	TRY(rd_done(in));
	if (k->state != state)
		return SSH_E_PROTOCOL;
	TRY(kem_finish(&run->secret, peer, &run->k));
	TRY(kex_hash(s, blob, view_of(run->public, run->public_len), peer));
	TRY(verify_host(s, blob, sig));
	kex_enter(k, KEX_WAIT_HOSTKEY_OK);
	if ((e = ssh_event_new(s, SSH_EV_NEED_HOSTKEY_OK)) == NULL)
		return SSH_E_BUG;
	e->alg = view_str(k->next.sig->name);
	e->data = blob;
	e->data2 = sig;
	e->data3 = view_of(run->hash.v, run->hash.len);
	s->wait = WAIT_HOSTKEY;
	return SSH_OK;
}

int ssh_answer_hostkey(struct ssh *s, int accept)
{
	int r;

	if (s->error)
		return s->error;
	if (s->wait != WAIT_HOSTKEY)
		return SSH_E_NOT_NOW;
	s->wait = WAIT_NOTHING;
	if (!accept)
		return ssh_fail(s, SSH_E_HOSTKEY);
	return (r = send_newkeys(s)) < 0 ? ssh_fail(s, r) : SSH_OK;
}

int msg_held(const struct ssh *s)
{
	return s->kex->tx_closed;
}
