#include "supervisor/session.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "ipc/values.h"
#include "supervisor/boxes.h"
#include "supervisor/cgroup.h"
#include "supervisor/counters.h"
#include "supervisor/drain.h"
#include "supervisor/effects.h"
#include "supervisor/exits.h"
#include "supervisor/grant.h"
#include "supervisor/hail.h"
#include "supervisor/handoff.h"
#include "supervisor/introduce.h"
#include "supervisor/listen.h"
#include "supervisor/manager.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/proxy.h"
#include "supervisor/reports.h"
#include "supervisor/spare.h"
#include "supervisor/state.h"
#include "supervisor/stats.h"
#include "supervisor/survive.h"
#include "supervisor/timer.h"
#include "supervisor/watchdog.h"
#include "supervisor/worker.h"

#define FORK_TRIES 4

/* ---- life -------------------------------------------------------------------------- */

static void tell_fate(struct session *s, int fate)
{
	struct ipc_CONN_FATE m = { .slot = s->slot, .fate = (uint8_t)fate };

	if (s->fate_told || s->acceptor == 0)
		return;
	s->fate_told = 1;
	LIST_EACH(l, &s->d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->serial == s->acceptor && p->is_ready && p->link != NULL)
			link_send(p->link, IPC_CONN_FATE, &m);
	}
	state_session(s);
}

/* Ours may be the last close(): whatever a connection set, it must not wait for the client. */
static void close_socks(struct session *s)
{
	static const struct linger none = { 0, 0 };

	stats_last(s);
	for (int i = 0; i < 2; i++) {
		if (s->sock[i] >= 0) {
			setsockopt(s->sock[i], SOL_SOCKET, SO_LINGER, &none, sizeof none);
			close(s->sock[i]);
		}
		s->sock[i] = -1;
	}
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	char ip[ADDR_TEXT_MAX];

	(void)fd, (void)what;
	count(COUNT_GRACE_OVER);
	log_ev(LOGL_INFO, "Timeout before authentication for %s port %u", addr_ip_text(&s->peer, ip), addr_port(&s->peer));
	hail_end(s, "Timeout before authentication", NULL);	/* the session may be gone after it */
}

int session_start_grace(struct session *s)
{
	uint64_t now = clock_ms();

	if (s->deadline_ms == 0 || s->grant != NULL)
		return SSH_OK;
	return timer_set(&s->grace, s->d->base, s->deadline_ms > now ? s->deadline_ms - now : 0, on_grace, s);
}

/* The daemon of -i serves one client. */
static void on_only_one_gone(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	daemon_stop(arg);
}

void session_forget(struct session *s)
{
	struct timeval now = { 0, 0 };

	if (s == NULL)
		return;
	handoff_cancel(s);
	survive_drop(s);
	tell_fate(s, FATE_ENDED);
	cgroup_session_end(s);
	worker_drop_parked(s);
	exits_drop(s);
	if (s->d->opt.inetd)
		event_base_once(s->d->base, -1, EV_TIMEOUT, on_only_one_gone, s->d, &now);
	state_forget_session(s);
	table_remove(&s->d->sessions, s->conn);
	drain_look_again(s->d);
	if (s->grace != NULL)
		event_free(s->grace);
	if (s->park != NULL)
		event_free(s->park);
	free(s->respawn);
	close_socks(s);
	grant_free(s->grant);
	stats_free(s->stats);
	free(s->notice.text);
	free(s);
}

/* Nodes and record; the descriptors are taken, also on failure. */
static int session_new(struct daemon *d, const int socks[2], const struct addr *peer, const struct addr *local,
    struct session **res)
{
	struct session *s = calloc(1, sizeof *s);
	char name[40];

	*res = NULL;
	if (s == NULL)
		goto fail;
	s->d = d;
	s->since = time(NULL);
	s->log_level = -1;
	s->sock[0] = socks[0], s->sock[1] = socks[1];
	s->peer = *peer, s->local = *local;
	list_init(&s->parked);
	list_init(&s->works);
	if (d->kids[KID_SESSIONS] == NULL || (s->kid = fx_add(d, d->kids[KID_SESSIONS], KID_SESSION, "session", 1)) == NULL)
		goto fail;
	s->conn = s->kid->node->id;
	snprintf(name, sizeof name, "session %lu", (unsigned long)s->conn);
	snprintf(s->kid->name, sizeof s->kid->name, "%s", name);
	if (table_put(&d->sessions, s->conn, s) < 0) {
		fx_stop(s->kid);	/* down: forgotten at once; it has no record yet */
		goto fail;
	}
	s->kid->session = s;
	if (d->values->LoginGraceTime > 0)
		s->deadline_ms = clock_ms() + (uint64_t)d->values->LoginGraceTime * 1000;
	if (session_start_grace(s) < 0 || (s->connection = fx_add(d, s->kid, KID_CONN, "connection", 0)) == NULL) {
		fx_stop(s->kid);	/* takes the record with it */
		return SSH_E_NOMEM;
	}
	s->connection->session = s;
	watchdog_touch(d);
	*res = s;
	return SSH_OK;
fail:
	for (int i = 0; i < 2; i++)
		if (socks[i] >= 0)
			close(socks[i]);
	free(s);
	return SSH_E_NOMEM;
}

/* Is there a session of that slot already? It may even have logged in, which gave its slot back: then the client's address tells. */
static int known(const struct proc *acceptor, const struct ipc_CONN_NEW *m)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&acceptor->d->sessions, &at)) != NULL) {
		const struct addr *peer = s->via.family != ADDR_NONE ? &s->via : &s->peer;

		if (s->acceptor != acceptor->serial || s->slot != m->slot)
			continue;
		if (!s->fate_told || (peer->family != ADDR_NONE && addr_same_ip(peer, &m->peer) && peer->port == m->peer.port))
			return 1;
	}
	return 0;
}

struct session *session_restore(struct daemon *d, struct kid *k, struct kid *connection, const struct saved_SESSION *m)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL || m->id.len > sizeof s->id || m->host.len > sizeof s->host || table_put(&d->sessions, k->node->id, s) < 0) {
		free(s);
		return NULL;
	}
	s->d = d;
	s->conn = k->node->id;
	s->kid = k;
	s->connection = connection;
	s->sock[0] = s->sock[1] = -1;
	s->peer = m->peer, s->local = m->local;
	s->acceptor = m->acceptor;
	s->slot = m->slot;
	s->fate_told = m->fate_told;
	s->tries = m->tries;
	if (m->id.len > 0)
		memcpy(s->id, m->id.p, s->id_len = m->id.len);
	if (m->host.len > 0)
		memcpy(s->host, m->host.p, s->host_len = m->host.len);
	s->phase = m->phase;
	s->deadline_ms = m->deadline_ms;
	s->last_worker = m->last_worker;
	s->header = m->header;
	s->via = m->via;
	s->since = m->since > 0 ? (time_t)m->since : time(NULL);
	s->log_level = m->level <= LOGL_TRACE + 1 ? m->level - 1 : -1;
	list_init(&s->parked);
	list_init(&s->works);
	list_init(&s->wants_move);
	k->session = s;
	if (connection != NULL)
		connection->session = s;
	return s;
}

int session_accept(struct proc *acceptor, struct ipc_msg *m)
{
	struct daemon *d = acceptor->d;
	struct ipc_CONN_FATE ended = { .slot = m->u.CONN_NEW.slot, .fate = FATE_ENDED };
	int socks[2] = { ipc_take_fd(m, 0), -1 }, r;
	char text[ADDR_TEXT_MAX];
	struct session *s;

	if (socks[0] < 0 || d->stopping || !spare_fds(SPARE_SESSION)) {
		if (!d->stopping)
			count(COUNT_REFUSED_RESOURCES);
		if (socks[0] >= 0 && !d->stopping)
			log_ev(LOGL_ERROR, "connection from %s refused: %s", addr_text(&m->u.CONN_NEW.peer, text), strerror(EMFILE));
		if (socks[0] >= 0)
			close(socks[0]);
		return link_send(acceptor->link, IPC_CONN_FATE, &ended) == SSH_E_FULL ? SSH_E_FULL : SSH_OK;
	}
	if (acceptor->replay && known(acceptor, &m->u.CONN_NEW)) {
		close(socks[0]);	/* its session was made before that supervisor died */
		return SSH_OK;
	}
	count(COUNT_CONNECTIONS);
	r = session_new(d, socks, &m->u.CONN_NEW.peer, &m->u.CONN_NEW.local, &s);
	if (r == SSH_OK) {
		s->acceptor = acceptor->serial;
		s->slot = m->u.CONN_NEW.slot;
		s->header = proxy_header_of(d->values, &s->peer);
		state_session(s);
		reports_connected(s);
		if ((r = fx_start(s->kid)) < 0)
			fx_stop(s->kid);	/* its end tells the fate */
	} else {
		link_send(acceptor->link, IPC_CONN_FATE, &ended);
	}
	if (r < 0) {
		count(COUNT_REFUSED_RESOURCES);
		log_ev(LOGL_ERROR, "connection from %s refused: %s", addr_text(&m->u.CONN_NEW.peer, text), err_text(r));
	}
	return SSH_OK;
}

int session_only(struct daemon *d, int in, int out)
{
	struct addr peer = { 0 }, local = { 0 };
	int socks[2] = { in, out }, r;
	struct session *s;

	if (out < 0)
		listen_addresses(in, &peer, &local);
	TRY(session_new(d, socks, &peer, &local, &s));
	return fx_start(s->kid);
}

/* ---- its connection process ----------------------------------------------------------- */

/* CONN_START with duplicates of what the client is on. */
static int send_start(struct session *s, struct proc *p)
{
	struct ipc_CONN_START m = { .conn = s->conn, .peer = s->peer, .local = s->local, .proxy = s->header };
	int fds[2], n = s->sock[1] >= 0 ? 2 : 1;

	for (int i = 0; i < n; i++)
		if ((fds[i] = fcntl(s->sock[i], F_DUPFD_CLOEXEC, 3)) < 0) {
			while (i-- > 0)
				close(fds[i]);
			return SSH_E_SYS;
		}
	return link_send_fds(p->link, IPC_CONN_START, &m, fds, n);
}

int session_connect(struct kid *k)
{
	struct session *s = k->session;
	struct proc *p;
	int pair[2], r, saved;

	if (link_pair(pair) < 0) {
		log_ev(LOGL_ERROR, "%s refused: %s", s->kid->name, strerror(errno));
		return SSH_E_SYS;
	}
	if ((p = proc_new(s->d, k, ROLE_CONN, 0, pair[0])) == NULL) {
		close(pair[1]);
		return SSH_E_NOMEM;
	}
	s->tries++;
	p->slot = boxes_take(s->d);
	p->greeted = 1;		/* a fork of the nursery needs no HELLO */
	state_proc(p);
	state_session(s);
	r = send_start(s, p);
	saved = errno;
	if (r == SSH_OK) {
		introduce_newcomer(p);
		r = nursery_fork(s->d, p, s->conn, pair[1]);
	} else {
		close(pair[1]);
	}
	if (r < 0) {
		log_ev(LOGL_ERROR, "%s refused: %s", s->kid->name, r == SSH_E_SYS ? strerror(saved) : err_text(r));
		proc_disown(p);
	}
	return r;
}

int session_connect_again(struct kid *k)
{
	struct session *s = k->session;

	if (s->tries >= FORK_TRIES || k->node->state != SUP_ST_STARTING)
		return SSH_E_LIMIT;
	if (k->proc != NULL)
		proc_disown(k->proc);
	return session_connect(k);
}

void session_connection_ended(struct session *s, int crashed)
{
	if (s != NULL)
		tell_fate(s, crashed ? FATE_CRASHED : FATE_ENDED);
}

int session_peer(struct session *s, const struct ipc_CONN_PEER *m)
{
	if (s->header == HEADER_NEVER && s->connection->proc->replay)
		return SSH_OK;		/* the supervisor that died had noted it; who is owed an introduction gets it */
	if (s->header == HEADER_NEVER || s->grant != NULL || m->proxied > 1 || (m->proxied && m->peer.family == ADDR_NONE))
		return SSH_E_RULE;
	s->header = HEADER_NEVER;
	if (m->proxied) {
		s->via = s->peer;
		s->peer = m->peer;
		s->local = m->local;
	}
	state_session(s);
	introduce_newcomer(s->connection->proc);
	return SSH_OK;
}

int session_identified(struct daemon *d, const struct ipc_SESSION_ID *m)
{
	struct session *s = table_get(&d->sessions, m->conn);

	if (m->hash.len == 0 || m->hash.len > SSH_HASH_MAX || m->hostkey.len != SSH_HOST_DIGEST)
		return SSH_E_RULE;
	if (s != NULL && s->id_len == 0) {	/* a rekey's hash is no session id */
		memcpy(s->id, m->hash.p, m->hash.len);
		s->id_len = m->hash.len;
		memcpy(s->host, m->hostkey.p, m->hostkey.len);
		s->host_len = m->hostkey.len;
		state_session(s);
	}
	return SSH_OK;
}

/* What follows from a grant that is in the journal; if that was cut short, once more. */
static void now_granted(struct session *s, struct proc *p)
{
	if (p->is_ready)	/* else when it is: what it said is in its socket still */
		link_enter(p->link, W_AUTHED);
	if (s->grace != NULL)
		event_del(s->grace);
	tell_fate(s, FATE_AUTHENTICATED);
	if (s->cgroup[0] == '\0')
		cgroup_session_begin(s);
	manager_touch(s->d);
	introduce_authed(s);
	if (p->is_ready)
		survive_begin(s);
	worker_serve_parked(s);
}

int session_granted(struct proc *auth, const struct ipc_AUTH_GRANTED *m)
{
	struct daemon *d = auth->d;
	struct session *s = table_get(&d->sessions, m->conn);
	struct proc *p = s != NULL && s->connection != NULL ? s->connection->proc : NULL;
	int r;

	if (p == NULL || p->link == NULL)
		return SSH_OK;		/* the client left meanwhile */
	if (s->grant != NULL && auth->replay) {
		now_granted(s, p);
		return SSH_OK;
	}
	if (s->grant != NULL) {
		log_ev(LOGL_ERROR, "%s: granted twice; the first one holds", s->kid->name);
		return SSH_OK;
	}
	if (!d->privileged && m->uid != getuid()) {
		log_ev(LOGL_ERROR, "%s: granted for another user, and this daemon is not root", s->kid->name);
		return SSH_OK;
	}
	if ((r = grant_new(&s->grant, m)) < 0) {
		log_ev(LOGL_ERROR, "%s: grant: %s", s->kid->name, err_text(r));
		proc_kill(p);
		return SSH_OK;
	}
	count(view_is(m->method, "password") ? COUNT_LOGIN_PASSWORD : view_is(m->method, "keyboard-interactive") ?
	    COUNT_LOGIN_INTERACTIVE : COUNT_LOGIN_KEY);
	s->deadline_ms = 0;
	state_grant(s);
	state_session(s);
	now_granted(s, p);
	state_proc(p);
	return SSH_OK;
}

void session_falls(struct session *s)
{
	handoff_cancel(s);
	survive_drop(s);
	close_socks(s);
	worker_hang_up_all(s);
}
