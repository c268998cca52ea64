#include "guard/signer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/again.h"
#include "guard/budget.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"

#define REPLAY_BATCH    64u	/* session ids in one go: the link's queue must have room for live ones */
#define REPLAY_PAUSE_US 5000
#define PROVE_TEXT_MAX  (SSH_BLOB_MAX + SSH_HASH_MAX + 64u)
#define AGENT_RETRY_MS  15000u	/* starting anew for a lost agent: never often enough to be a crash loop (children.def) */

/* One connection's link. */
struct signer_client {
	struct list at;
	struct signer *signer;
	struct link *link;
	uint64_t conn;
	char peer[ADDR_TEXT_MAX];
	struct budget budget;
	uint8_t id[SSH_HASH_MAX];	/* its session id, for an auth that comes later and for proofs */
	size_t id_len;
	uint8_t host[SSH_HASH_MAX];	/* SHA-256 of the key it was signed with; SSH_HOST_DIGEST bytes count */
	int id_ours;			/* we signed it; else the supervisor told us, and auth knows it from there */
	int told;			/* the auth of now has it */
	struct event *later;		/* a request that must wait for the budget */
	struct { int open, at_agent, prove; uint32_t req; uint8_t key, hash_len; char alg[SSH_ALG_NAME_MAX + 1]; uint8_t hash[SSH_HASH_MAX]; } ask;
};

struct nursery { struct list at; struct link *link; };

void signer_init(struct signer *s, struct child *self)
{
	memset(s, 0, sizeof *s);
	s->self = self;
	s->began_ms = clock_ms();
	agent_init(&s->agent);
	list_init(&s->clients);
	table_init(&s->by_conn);
	list_init(&s->nurseries);
}

/* ---- session ids for auth ------------------------------------------------------ */

static void tell_id(struct signer_client *c)
{
	struct ipc_SESSION_ID m = { .conn = c->conn, .hash = view_of(c->id, c->id_len), .hostkey = view_of(c->host, SSH_HOST_DIGEST) };

	if (c->signer->auth != NULL && !c->told && c->id_ours)
		c->told = link_send(c->signer->auth, IPC_SESSION_ID, &m) == SSH_OK;
}

static void on_replay(evutil_socket_t fd, short what, void *arg)
{
	struct signer *s = arg;
	struct timeval pause = { 0, REPLAY_PAUSE_US };
	unsigned sent = 0;

	(void)fd, (void)what;
	LIST_EACH(at, &s->clients) {
		struct signer_client *c = LIST_OF(at, struct signer_client, at);

		if (s->auth == NULL || c->told || !c->id_ours)
			continue;
		if (sent++ == REPLAY_BATCH || link_queued(s->auth) >= REPLAY_BATCH) {
			evtimer_add(s->replay, &pause);
			return;
		}
		tell_id(c);
	}
}

/* ---- signing ------------------------------------------------------------------- */

static void client_free(struct signer_client *c)
{
	list_remove(&c->at);
	if (table_get(&c->signer->by_conn, c->conn) == c)
		table_remove(&c->signer->by_conn, c->conn);
	agent_forget(&c->signer->agent, c);
	link_free(c->link);
	if (c->later != NULL)
		event_free(c->later);
	free(c);
}

/* A link that could not take an answer ends. */
static void client_lost(struct signer_client *c, int error)
{
	again(c->signer->self, c->conn, error);
	client_free(c);
}

/* As long as the hash of a key exchange that this build knows (SHA-1's too: it may be switched on). */
static int is_exchange_hash(struct view hash)
{
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_KEX, i, NULL)) != NULL; i++)
		if (hash.len == hash_len(kex_alg_find(view_str(name))->hash))
			return 1;
	return 0;
}

/* Known key, and an algorithm of exactly that type of key or certificate. */
static const struct sig_alg *row_of(const struct signer *s, uint8_t key, struct view alg)
{
	const struct sig_alg *row = sig_alg_find(alg);
	struct rd blob;

	if (key >= s->keys.n || row == NULL || alg.len > SSH_ALG_NAME_MAX)
		return NULL;
	blob = rd_view(hostkeys_shown(&s->keys, key));
	return view_is(rd_string(&blob, SSH_ALG_NAME_MAX), row->key_name) ? row : NULL;
}

/* What is to be signed. A proof is over the session id that we know: a connection in wrong hands has none of other sessions. */
static int text_of(const struct signer_client *c, struct buf *b)
{
	if (!c->ask.prove)
		return buf_append(b, c->ask.hash, c->ask.hash_len);
	return c->id_len > 0 ? ssh_prove_text(b, view_of(c->id, c->id_len), hostkeys_shown(&c->signer->keys, c->ask.key)) : SSH_E_NO_SIGNER;
}

static int is_good(const struct signer_client *c, struct view sig)
{
	const struct hostkeys *keys = &c->signer->keys;
	const struct pubkey *pub = keys->v[hostkeys_signer(keys, c->ask.key)].pub;
	struct buf text;
	int r;

	buf_init(&text, PROVE_TEXT_MAX, NULL);
	r = text_of(c, &text);
	if (r == SSH_OK && pubkey_verify(pub, sig_alg_find(view_str(c->ask.alg)), view_of(buf_head(&text), buf_len(&text)), sig) != VERIFY_ACCEPT)
		r = SSH_E_BAD_SIG;
	buf_drop(&text);
	return r;
}

static int answer(struct signer_client *c, int r, struct view sig)
{
	struct ipc_SIGNED m = { .req = c->ask.req, .status = r == SSH_OK ? SIGNED_OK : SIGNED_FAILED, .sig = sig };

	if (r < 0)
		log_ev(LOGL_ERROR, "host key signature failed: %s", err_text(r));
	c->ask.open = c->ask.at_agent = 0;
	return link_send(c->link, IPC_SIGNED, &m);
}

/* The agent is another program: what it says is verified as our own signatures are. */
static void on_agent_signed(void *ctx, struct view sig)
{
	struct signer_client *c = ctx;
	int r = sig.len > 0 ? is_good(c, sig) : SSH_E_NO_SIGNER;

	if ((r = answer(c, r, r == SSH_OK ? sig : view_of(NULL, 0))) < 0)
		client_lost(c, r);
}

/*
 * A lost agent cannot be dialled from in here: the process has no rights left. It ends, its successor dials, and connections repeat
 * their open SIGN. Not too often: without an agent each request would be a restart.
 */
static int without_agent(struct signer_client *c)
{
	struct signer *s = c->signer;

	if (clock_ms() - s->began_ms < AGENT_RETRY_MS)
		return answer(c, SSH_E_NO_SIGNER, view_of(NULL, 0));
	log_ev(LOGL_ERROR, "HostKeyAgent: a key of the lost agent is wanted; starting anew to reach it");
	event_base_loopbreak(s->self->base);
	return SSH_OK;
}

static int ask_agent(struct signer_client *c, struct view blob, struct view text, const struct sig_alg *row)
{
	uint32_t flags = row->kind != KEY_RSA ? 0 : row->hash == HASH_SHA256 ? 2 : row->hash == HASH_SHA512 ? 4 : 0;
	int r;

	if (!agent_here(&c->signer->agent))
		return without_agent(c);
	if ((r = agent_sign(&c->signer->agent, blob, text, flags, on_agent_signed, c)) < 0)
		return answer(c, r, view_of(NULL, 0));
	c->ask.at_agent = 1;
	return SSH_OK;
}

/* The hash of a first exchange is the session id. */
static void note_id(struct signer_client *c)
{
	struct view hash = view_of(c->ask.hash, c->ask.hash_len), shown = hostkeys_shown(&c->signer->keys, c->ask.key);

	if (c->id_len == 0 && !c->ask.prove && !c->budget.authed &&
	    hash_parts(HASH_SHA256, &shown, 1, c->host) == SSH_OK) {	/* else it is logged in and moved here, or we are new: that hash is a rekey's */
		memcpy(c->id, hash.p, hash.len);
		c->id_len = hash.len;
		c->id_ours = 1;
		/* The session record keeps it for the day when both guards are new. */
		link_send(c->signer->self->sup, IPC_SESSION_ID, &(struct ipc_SESSION_ID){ .conn = c->conn, .hash = hash,
			.hostkey = view_of(c->host, SSH_HOST_DIGEST) });
	}
	tell_id(c);	/* before SIGNED: the client may log in at once */
}

static int sign_text(struct signer_client *c, struct view text)
{
	const struct hostkeys *keys = &c->signer->keys;
	unsigned i = hostkeys_signer(keys, c->ask.key);
	const struct sig_alg *row = sig_alg_find(view_str(c->ask.alg));
	struct buf sig;
	struct wr w = wr_to(&sig);
	int r;

	if (keys->v[i].key == NULL)
		return ask_agent(c, hostkeys_shown(keys, i), text, row);
	buf_init(&sig, SSH_SIG_MAX, NULL);
	r = privkey_sign(keys->v[i].key, row, text, &w);
	if (r == SSH_OK)
		r = wr_done(&w);
	r = answer(c, r, r == SSH_OK ? view_of(buf_head(&sig), buf_len(&sig)) : view_of(NULL, 0));
	buf_drop(&sig);
	return r;
}

static int sign_now(struct signer_client *c)
{
	struct buf text;
	int r;

	note_id(c);
	buf_init(&text, PROVE_TEXT_MAX, NULL);
	if ((r = text_of(c, &text)) == SSH_OK)
		r = sign_text(c, view_of(buf_head(&text), buf_len(&text)));
	else
		r = answer(c, r, view_of(NULL, 0));
	buf_drop(&text);
	return r;
}

static void ask_later(struct signer_client *c, uint64_t ms)
{
	struct timeval t = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (ms == BUDGET_WAIT)
		return;		/* CONN_AUTHED will ask again */
	evtimer_add(c->later, &t);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct signer_client *c = arg;
	uint64_t wait;
	int r;

	(void)fd, (void)what;
	if (!c->ask.open || c->ask.at_agent)
		return;
	if ((wait = budget_take(&c->budget, clock_ms())) > 0)
		ask_later(c, wait);
	else if ((r = sign_now(c)) < 0)
		client_lost(c, r);
}

static int broke_rules(const struct signer_client *c, const char *what)
{
	log_ev(LOGL_WARN, "ev=violation conn=%llu peer=%s: %s", (unsigned long long)c->conn, c->peer, what);
	return SSH_E_RULE;
}

/* SIGN, or PROVE without a hash. */
static int on_ask(struct signer_client *c, uint32_t req, uint8_t key, struct view alg, struct view hash)
{
	uint64_t wait;

	c->ask.open = 1;
	c->ask.req = req;
	c->ask.key = key;
	c->ask.prove = hash.len == 0;
	c->ask.hash_len = (uint8_t)hash.len;
	if (hash.len > 0)
		memcpy(c->ask.hash, hash.p, hash.len);
	memcpy(c->ask.alg, alg.p, alg.len);
	c->ask.alg[alg.len] = '\0';
	if ((wait = budget_take(&c->budget, clock_ms())) == 0)
		return sign_now(c);
	log_ev(LOGL_VERBOSE, "ev=budget conn=%llu peer=%s wait_ms=%lld", (unsigned long long)c->conn, c->peer,
	    wait == BUDGET_WAIT ? -1LL : (long long)wait);
	ask_later(c, wait);
	return SSH_OK;
}

static int on_request(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct signer_client *c = ctx;
	const struct ipc_SIGN *q = &m->u.SIGN;
	const struct ipc_PROVE *p = &m->u.PROVE;

	(void)l;
	if (m->type != IPC_SIGN && m->type != IPC_PROVE)
		return broke_rules(c, "not a request to sign");
	if (c->ask.open)
		return broke_rules(c, "a second SIGN before the first was answered");
	if (m->type == IPC_PROVE) {
		if (row_of(c->signer, p->key, p->alg) == NULL || c->signer->keys.v[p->key].cert)
			return broke_rules(c, "PROVE with an unknown key or algorithm");
		return on_ask(c, p->req, p->key, p->alg, view_of(NULL, 0));
	}
	if (row_of(c->signer, q->key, q->alg) == NULL || !is_exchange_hash(q->hash))
		return broke_rules(c, "SIGN with an unknown key, algorithm or hash length");
	return on_ask(c, q->req, q->key, q->alg, q->hash);
}

static void on_client_gone(struct link *l, int error, void *ctx)
{
	(void)l;
	client_lost(ctx, error);
}

static int on_authed(struct signer *s, const struct ipc_CONN_AUTHED *m)
{
	struct signer_client *c = table_get(&s->by_conn, m->conn);

	if (c == NULL)
		return SSH_OK;		/* it left meanwhile */
	c->budget.authed = 1;
	if (c->id_len == 0 && m->hash.len > 0) {
		memcpy(c->id, m->hash.p, m->hash.len);
		c->id_len = m->hash.len;
	}
	if (c->ask.open)
		on_later(-1, 0, c);
	return SSH_OK;
}

static int new_client(struct signer_client **res, struct signer *s, int fd, const struct ipc_PEER_LINK *m)
{
	static const struct link_ops ops = { on_request, on_client_gone };
	struct signer_client *c = calloc(1, sizeof *c);
	int r;

	if (c == NULL || (c->later = evtimer_new(s->self->base, on_later, c)) == NULL) {
		close(fd);
		free(c);
		return SSH_E_NOMEM;
	}
	c->signer = s;
	c->conn = m->conn;
	list_init(&c->at);
	if ((r = link_new(&c->link, s->self->base, fd, ROLE_KEY, ROLE_CONN, &ops, c)) < 0 || (r = table_put(&s->by_conn, c->conn, c)) < 0) {
		client_free(c);
		return r;
	}
	*res = c;
	return SSH_OK;
}

static int add_client(struct signer *s, int fd, const struct ipc_PEER_LINK *m)
{
	struct signer_client *c;
	int r;

	if ((r = new_client(&c, s, fd, m)) < 0) {	/* that connection's loss only, and not for long */
		log_ev(LOGL_ERROR, "connection %llu has no signer: %s", (unsigned long long)m->conn, err_text(r));
		again(s->self, m->conn, r);
		return SSH_OK;
	}
	addr_text(&m->peer, c->peer);
	budget_init(&c->budget);
	list_add_tail(&s->clients, &c->at);
	link_enter(c->link, W_UP);
	return SSH_OK;
}

/* ---- the other links --------------------------------------------------------------- */

static int refuse_all(struct link *l, struct ipc_msg *m, void *ctx)
{
	(void)l, (void)m, (void)ctx;
	return SSH_E_RULE;
}

static void on_auth_gone(struct link *l, int error, void *ctx)
{
	struct signer *s = ctx;

	(void)error;
	link_free(l);
	if (s->auth == l)
		s->auth = NULL;
}

static int set_auth(struct signer *s, int fd)
{
	static const struct link_ops ops = { refuse_all, on_auth_gone };
	struct link *l;
	int r;

	if (s->replay == NULL && (s->replay = evtimer_new(s->self->base, on_replay, s)) == NULL) {
		close(fd);
		return SSH_E_NOMEM;
	}
	TRY(link_new(&l, s->self->base, fd, ROLE_KEY, ROLE_AUTH, &ops, s));
	link_free(s->auth);
	s->auth = l;
	link_enter(l, W_UP);
	LIST_EACH(at, &s->clients)
		LIST_OF(at, struct signer_client, at)->told = 0;
	on_replay(-1, 0, s);
	return SSH_OK;
}

static void on_nursery_gone(struct link *l, int error, void *ctx)
{
	struct nursery *n = ctx;

	(void)error;
	link_free(l);
	list_remove(&n->at);
	free(n);
}

static int add_nursery(struct signer *s, int fd)
{
	static const struct link_ops ops = { refuse_all, on_nursery_gone };
	struct nursery *n = calloc(1, sizeof *n);
	int r;

	if (n == NULL) {
		close(fd);
		return SSH_E_NOMEM;
	}
	if ((r = link_new(&n->link, s->self->base, fd, ROLE_KEY, ROLE_NUR, &ops, n)) < 0) {
		free(n);
		return r;
	}
	list_add_tail(&s->nurseries, &n->at);
	link_enter(n->link, W_UP);
	for (unsigned i = 0; i < s->keys.n; i++) {
		struct ipc_HOSTKEYS m = { .index = (uint8_t)i, .count = (uint8_t)s->keys.n,
			.blob = hostkeys_shown(&s->keys, i) };

		if (link_send(n->link, IPC_HOSTKEYS, &m) < 0) {
			on_nursery_gone(n->link, SSH_E_GONE, n);	/* it will be replaced and ask again */
			return SSH_OK;
		}
	}
	return SSH_OK;
}

int signer_message(struct child *self, struct ipc_msg *m)
{
	struct signer *s = self->ctx;

	if (m->type == IPC_PEER_GONE)
		return SSH_OK;	/* the socket says so itself */
	if (m->type == IPC_CONN_AUTHED)
		return on_authed(s, &m->u.CONN_AUTHED);
	if (m->type != IPC_PEER_LINK)
		return SSH_E_RULE;
	switch (m->u.PEER_LINK.peer_role) {
	case ROLE_CONN:
		return add_client(s, ipc_take_fd(m, 0), &m->u.PEER_LINK);
	case ROLE_AUTH:
		return set_auth(s, ipc_take_fd(m, 0));
	case ROLE_NUR:
		return add_nursery(s, ipc_take_fd(m, 0));
	default:
		return SSH_E_RULE;
	}
}
