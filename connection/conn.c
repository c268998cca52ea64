#include "connection/conn.h"

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "connection/chan_session.h"
#include "connection/ends.h"
#include "connection/handover.h"
#include "connection/notice.h"
#include "connection/stats.h"
#include "ipc/clock.h"
#include "ssh/crypto/crypto.h"
#include "ssh/disconnect.h"

uint32_t conn_req(struct conn *c)
{
	return ++c->last_req;
}

/* ---- the end -------------------------------------------------------------------- */

void conn_end(struct conn *c, enum farewell_kind kind, int number, struct view text)
{
	struct farewell f = {
		.peer = c->peer, .user = answers_user(c), .unknown = c->answers.unknown, .authed = c->authed, .kind = kind, .number = number, .text = text,
		.quiet = c->proxy.own,
	};
	char line[LOG_LINE_MAX];
	enum log_level level;

	if (c->over)
		return;
	survive_close(c);
	c->over = 1;
	for (unsigned i = 0; (level = farewell_line(&f, i, line, sizeof line)) != LOGL_QUIET; i++)
		log_ev(level, "%s", line);
	event_base_loopbreak(c->base);
}

void conn_disconnect(struct conn *c, unsigned reason, const char *text)
{
	if (c->over)
		return;
	ssh_disconnect(c->ssh, reason, text);
	conn_end(c, BYE_SENT, (int)reason, view_str(text));
}

void conn_turn(struct conn *c)
{
	if (c->ssh == NULL || c->over || c->still)
		return;
	survive_cause(c, BOOK_TURN, 0, 0);
	loop_turn(c);
}

/* ---- keysign and auth ------------------------------------------------------------- */

static int on_guard_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct conn *c = ctx;
	int r;

	if (c->ssh == NULL)
		return SSH_E_RULE;
	if (prove_hears(c, m))
		;			/* that one is written down */
	else if (l == c->key)
		survive_cause(c, BOOK_TURN, 0, 0);
	else
		survive_close(c);
	r = answers_message(c, m);
	loop_turn(c);
	return r;
}

/* The supervisor makes a new guard and a new link; until then questions wait. */
static void on_guard_gone(struct link *l, int error, void *ctx)
{
	struct conn *c = ctx;

	if (error != 0 && !c->still)
		conn_end(c, BYE_ERROR, error, view_of(NULL, 0));
	if (l == c->key) {
		c->key = NULL;
		c->answers.sign_req = 0;
		prove_link_lost(c);
	}
	if (l == c->auth) {
		c->auth = NULL;
		answers_auth_lost(c);
	}
	link_free(l);
	conn_turn(c);
}

static void drop_guard(struct conn *c, uint8_t role)
{
	struct link *l = role == ROLE_KEY ? c->key : role == ROLE_AUTH ? c->auth : NULL;

	if (l != NULL)
		on_guard_gone(l, 0, c);
}

static int on_peer_link(struct conn *c, struct ipc_msg *m)
{
	static const struct link_ops ops = { on_guard_message, on_guard_gone };
	uint8_t role = m->u.PEER_LINK.peer_role;
	struct link **place = role == ROLE_KEY ? &c->key : role == ROLE_AUTH ? &c->auth : NULL;
	int r;

	if (place == NULL)
		return SSH_E_RULE;
	drop_guard(c, role);
	TRY(link_new(place, c->base, ipc_take_fd(m, 0), ROLE_CONN, (enum ipc_role)role, &ops, c));
	link_enter(*place, W_UP);
	if (c->ssh != NULL) {
		answers_repeat(c, (enum ipc_role)role);
		conn_turn(c);
	}
	return SSH_OK;
}

void conn_authed(struct conn *c)
{
	c->authed = 1;
	link_enter(c->sup, W_AUTHED);
}

/* ---- the supervisor ---------------------------------------------------------------- */

/* Small packets leave at once, and a peer that vanished is noticed some day; pipes have neither. */
static void tune(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void conn_log_start(const struct conn *c)
{
	char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];

	log_ev(LOGL_VERBOSE, "Connection from %s port %u on %s port %u", addr_ip_text(&c->peer, peer), addr_port(&c->peer),
	    addr_ip_text(&c->local, local), addr_port(&c->local));
}

const struct ssh_env *conn_env(void)
{
	static const struct ssh_env env = { .random = crypto_random, .padding = survive_padding };

	return &env;
}

int conn_add_hostkeys(struct conn *c)
{
	int r;

	for (unsigned i = 0; i < c->keys->count; i++)
		TRY(ssh_add_hostkey(c->ssh, i, view_of(c->keys->v[i].p, c->keys->v[i].len)));
	return SSH_OK;
}

static int on_start(struct conn *c, struct ipc_msg *m)
{
	int in, out, r;

	if (c->ssh != NULL || c->still)
		return SSH_E_RULE;
	c->peer = m->u.CONN_START.peer;
	c->local = m->u.CONN_START.local;
	in = ipc_take_fd(m, 0);
	out = m->nfds > 1 ? ipc_take_fd(m, 1) : in;
	tune(in);
	if ((r = loop_start(c, in, out)) < 0)
		return r;
	TRY(ssh_new(&c->ssh, SSH_SERVER, conn_env(), c->policy));
	ssh_tick(c->ssh, clock_ms());	/* deadlines count from here */
	TRY(conn_add_hostkeys(c));
	TRY(link_send(c->sup, IPC_READY, &(struct ipc_READY){ 0 }));
	link_enter(c->sup, W_UP);
	c->input_ms = clock_ms();
	TRY(proxy_start(c, m->u.CONN_START.proxy));
	if (!proxy_awaited(c))
		conn_log_start(c);
	loop_turn(c);
	return SSH_OK;
}

/* An operator ends it (coppicectl kick, drain). */
static int on_end(struct conn *c, const struct ipc_CONN_END *m)
{
	char text[LOG_LINE_MAX];

	if (c->ssh == NULL)
		return SSH_E_RULE;
	log_clean(text, sizeof text, m->text.p, m->text.len);
	conn_disconnect(c, m->reason, text);
	return SSH_OK;
}

int conn_hears(enum ipc_type type)
{
	return type == IPC_SPAWNED || type == IPC_WORKER_EXIT || type == IPC_CONN_NOTICE;
}

/* A successor is told again what its predecessor may not have heard. */
static int is_known(struct conn *c, const struct ipc_msg *m)
{
	uint32_t notice = c->survive.notice;

	if (m->type != IPC_CONN_NOTICE)
		return session_knows(c, m);
	if (c->survive.replay == NULL)
		c->survive.notice = 0;
	return notice != 0 && m->u.CONN_NOTICE.req == notice;
}

int conn_hear(struct conn *c, struct ipc_msg *m)
{
	int r = SSH_OK;

	if (is_known(c, m))
		return SSH_OK;
	survive_heard(c, m);
	if (m->type == IPC_SPAWNED)
		r = session_spawned(c, m);
	else if (m->type == IPC_WORKER_EXIT)
		r = session_worker_exit(c, &m->u.WORKER_EXIT);
	else
		r = notice_show(c, &m->u.CONN_NOTICE);
	loop_turn(c);
	return r;
}

static int on_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct conn *c = ctx;
	int r;

	if (c->still && !handover_hears(m->type))
		return SSH_E_RULE;
	if (conn_hears(m->type))
		return conn_hear(c, m);
	switch (m->type) {
	case IPC_PING:
		return link_send(l, IPC_PONG, &(struct ipc_PONG){ .seq = m->u.PING.seq });
	case IPC_CONN_START:
		return on_start(c, m);
	case IPC_PEER_LINK:
		return on_peer_link(c, m);
	case IPC_PEER_GONE:
		drop_guard(c, m->u.PEER_GONE.peer_role);
		return SSH_OK;
	case IPC_ENDS_ASK:
		return ends_tell(c, m->u.ENDS_ASK.duplicates);
	case IPC_HANDOFF:
		return handover_stop(c, m);
	case IPC_ADOPT:
		return handover_adopt(c, m);
	case IPC_SERVE:
		handover_serve(c);
		return SSH_OK;
	case IPC_LEAVE:
		return handover_leave(c);
	case IPC_MEMORY:
		if ((r = survive_begin(c, m)) == SSH_OK)
			loop_turn(c);	/* the first checkpoint */
		return r;
	case IPC_REVIVE:
		return survive_revive(c, m);
	case IPC_REVIVE_ENDS:
		return survive_ends(c, m);
	case IPC_REVIVE_GO:
		return survive_go(c);
	case IPC_STATS_ASK:
		return stats_tell(c, m->u.STATS_ASK.req);
	case IPC_LOGLEVEL:
		log_set_level((enum log_level)m->u.LOGLEVEL.level);
		return SSH_OK;
	case IPC_CONN_END:
		return on_end(c, &m->u.CONN_END);
	default:
		return SSH_E_RULE;
	}
}

/* The supervisor and its keeper are gone, or it let us go: nobody keeps this session's books any more. */
static void on_gone(struct link *l, int error, void *ctx)
{
	struct conn *c = ctx;

	(void)l;
	if (!c->over && !c->still && c->ssh != NULL)
		ssh_disconnect(c->ssh, DISCONNECT_BY_APPLICATION, "the server is stopping");
	if (!c->over && !c->still)	/* else the other one goes on, or says what happened */
		log_ev(LOGL_INFO, "ev=end conn=%llu: supervisor is gone%s%s", (unsigned long long)c->id, error ? ": " : "",
		    error ? err_text(error) : "");
	c->over = 1;
	event_base_loopbreak(c->base);
}

int conn_init(struct conn *c, struct event_base *base, int sup_fd, uint64_t id, const struct ssh_policy *policy,
    const struct hostkeys *keys)
{
	static const struct link_ops ops = { on_message, on_gone };

	memset(c, 0, sizeof *c);
	c->base = base;
	c->policy = policy;
	c->keys = keys;
	c->id = id;
	loop_init(&c->loop);
	answers_init(&c->answers);
	prove_init(&c->prove);
	table_init(&c->sessions);
	return link_new(&c->sup, base, sup_fd, ROLE_CONN, ROLE_SUP, &ops, c);
}

void conn_run(struct conn *c)
{
	while (!c->over && event_base_dispatch(c->base) == 0)
		;
	if (c->ssh != NULL && !c->still && !proxy_holds(c))
		loop_flush_last(c);
}

void conn_drop(struct conn *c)
{
	survive_drop(c);
	session_drop_all(c);
	table_drop(&c->sessions);
	loop_drop(&c->loop);
	proxy_drop(&c->proxy);
	answers_drop(&c->answers);
	prove_drop(&c->prove);
	link_free(c->key);
	link_free(c->auth);
	link_free(c->sup);
	ssh_free(c->ssh);
	free(c->accept_env);
	memset(c, 0, sizeof *c);
	loop_init(&c->loop);
}
