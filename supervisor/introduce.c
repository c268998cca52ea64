#include "supervisor/introduce.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/values.h"
#include "supervisor/proc.h"
#include "supervisor/session.h"
#include "supervisor/state.h"
#include "supervisor/timer.h"

/* A link holds 256 messages and then ends: with thousands of clients a guard gets to know them a few at a time. */
#define QUEUE_ENOUGH 64u
#define PACE_MS      2
#define AGAIN_MS     100	/* when something was missing to make a link of */

/* PEER_LINK to both; s: the client it is about, or NULL. SSH_OK: done, or one of them is gone and needs none; an error: try again. */
static int introduce(struct proc *a, struct proc *b, const struct session *s)
{
	struct ipc_PEER_LINK to_a = { .peer_role = (uint8_t)b->role }, to_b = { .peer_role = (uint8_t)a->role };
	int pair[2], r;

	if (a->link == NULL || b->link == NULL)
		return SSH_OK;
	if (s != NULL) {
		to_a.conn = to_b.conn = s->conn;
		to_a.peer = to_b.peer = s->peer;
		to_a.local = to_b.local = s->local;
	}
	if (link_pair(pair) < 0) {
		log_ev(LOGL_ERROR, "no link between %s and %s: %s", ipc_role_name(a->role), ipc_role_name(b->role), strerror(errno));
		return SSH_E_SYS;
	}
	r = link_send_fds(a->link, IPC_PEER_LINK, &to_a, &pair[0], 1);
	if (r < 0)
		close(pair[1]);
	else
		r = link_send_fds(b->link, IPC_PEER_LINK, &to_b, &pair[1], 1);
	if (r < 0)	/* one that is gone already needs none: a balancer's check, say */
		log_ev(r == SSH_E_GONE ? LOGL_DEBUG : LOGL_WARN, "no link between %s and %s: %s", ipc_role_name(a->role), ipc_role_name(b->role), err_text(r));
	return SSH_OK;		/* what could not be kept for one of them ends it */
}

/* Does a process of this role talk to that guard? */
static int needs(enum ipc_role role, enum ipc_role guard)
{
	return role == ROLE_CONN || (guard == ROLE_KEY && (role == ROLE_NUR || role == ROLE_AUTH));
}

static const struct session *about(const struct proc *p)
{
	return p->role == ROLE_CONN && p->kid != NULL ? p->kid->session : NULL;
}

/* A client whose PROXY header has not come yet is nobody's business: its address may still change. */
static int unknown(const struct proc *p)
{
	return about(p) != NULL && about(p)->header != HEADER_NEVER;
}

static void tell_authed(struct proc *keysign, const struct session *s)
{
	struct ipc_CONN_AUTHED m = { .conn = s->conn, .hash = view_of(s->id, s->id_len) };
	int r = link_send(keysign->link, IPC_CONN_AUTHED, &m);

	if (r < 0)
		log_ev(LOGL_WARN, "%s: keysign was not told of the login: %s", s->kid->name, err_text(r));
}

/*
 * A guard that comes late learns what its predecessor knew of a live client. That it was granted does not mean that it has heard so: then it
 * asks the new auth again.
 */
static void brief(struct proc *g, const struct session *s)
{
	struct ipc_SESSION_ID m;

	if (g->link == NULL || s == NULL)
		return;
	m = (struct ipc_SESSION_ID){ .conn = s->conn, .hash = view_of(s->id, s->id_len), .hostkey = view_of(s->host, s->host_len) };
	if (g->role == ROLE_KEY && s->grant != NULL)
		tell_authed(g, s);
	else if (g->role == ROLE_AUTH && s->id_len > 0 && link_send(g->link, IPC_SESSION_ID, &m) < 0)
		log_ev(LOGL_WARN, "%s: auth was not told the session id", s->kid->name);
}

/* The keysign that holds this set of host keys; after a reload the old one serves those who showed its keys. NULL: none. */
static struct proc *keysign_of(struct daemon *d, uint64_t keys)
{
	struct proc *now = proc_of(d, KID_KEYSIGN);

	if (now != NULL && now->keys == keys)
		return now;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role == ROLE_KEY && p->keys == keys && p->is_ready && !p->ending && p->link != NULL)
			return p;
	}
	return NULL;
}

static struct proc *keysign_or_any(struct daemon *d, uint64_t keys)
{
	struct proc *g = keysign_of(d, keys);

	return g != NULL ? g : proc_of(d, KID_KEYSIGN);
}

void introduce_authed(const struct session *s)
{
	const struct proc *p = s->connection != NULL ? s->connection->proc : NULL;
	struct proc *keysign = p != NULL ? keysign_or_any(s->d, p->keys) : NULL;

	if (keysign != NULL)
		tell_authed(keysign, s);
}

void introduce_session_id(const struct proc *keysign, const struct ipc_SESSION_ID *m)
{
	struct proc *auth = proc_of(keysign->d, KID_AUTH);

	if (keysign->kid == NULL && auth != NULL && m->hash.len > 0 && link_send(auth->link, IPC_SESSION_ID, m) < 0)
		log_ev(LOGL_WARN, "session %lu: auth was not told the session id", (unsigned long)m->conn);
}

static const enum ipc_role guards[] = { ROLE_KEY, ROLE_AUTH };

/* The guard of that role for p now; NULL: none, it comes later. A connection has no keysign before it has host keys. */
static struct proc *guard_of(struct proc *p, enum ipc_role role)
{
	if (!needs(p->role, role))
		return NULL;
	if (role == ROLE_AUTH || p->role == ROLE_AUTH)
		return proc_of(p->d, role == ROLE_AUTH ? KID_AUTH : KID_KEYSIGN);
	if (p->role == ROLE_NUR)
		return keysign_of(p->d, p->keys);
	return p->forked_by != 0 ? keysign_or_any(p->d, p->keys) : NULL;
}

static void on_pace(evutil_socket_t fd, short what, void *arg);

static void owe(struct proc *g, struct proc *p, unsigned ms)
{
	struct daemon *d = g->d;

	if (timer_set(&d->introductions, d->base, ms, on_pace, d) < 0)
		proc_starve(p);		/* it would wait for ever */
	else
		p->unmet |= 1u << g->role;
	state_proc(p);
}

/* Now, or when the guard has read what waits for it. */
static void acquaint(struct proc *g, struct proc *p)
{
	int now = link_queued(g->link) < QUEUE_ENOUGH;

	p->unmet &= ~(1u << g->role);
	if (now && introduce(g, p, about(p)) == SSH_OK)
		brief(g, about(p));
	else
		owe(g, p, now ? AGAIN_MS : PACE_MS);
}

/* A guard that is gone is skipped: its successor meets everybody anyway. */
static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd, (void)what;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		for (size_t i = 0; i < sizeof guards / sizeof guards[0] && !unknown(p); i++) {
			struct proc *g = p->unmet & 1u << guards[i] ? guard_of(p, guards[i]) : NULL;

			if (g != NULL)
				acquaint(g, p);
		}
	}
}

/* Which of its introductions a killed supervisor had made nobody knows; whoever hears one again repeats its questions. */
static void forget(struct daemon *d)
{
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (!p->greeted || p->link == NULL || p->kid == NULL || (p->role != ROLE_CONN && p->role != ROLE_AUTH))
			continue;
		for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++)
			if (needs(p->role, guards[i]))
				p->unmet |= 1u << guards[i];
	}
}

void introduce_go_on(struct daemon *d, int anew)
{
	if (anew)
		forget(d);
	if (timer_set(&d->introductions, d->base, 0, on_pace, d) < 0)
		log_ev(LOGL_ERROR, "guards and connections are not introduced to each other: %s", err_text(SSH_E_NOMEM));
}

void introduce_keys(struct proc *connection)
{
	struct proc *g = guard_of(connection, ROLE_KEY);

	if (g != NULL)
		acquaint(g, connection);
}

void introduce_newcomer(struct proc *p)
{
	if (unknown(p))
		return;
	for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
		struct proc *g = guard_of(p, guards[i]);

		if (g != NULL)
			acquaint(g, p);
	}
}

void introduce_successor(struct proc *p)
{
	struct proc *keysign = guard_of(p, ROLE_KEY);

	if (keysign != NULL)		/* else the next one is introduced to everybody */
		acquaint(keysign, p);
}

void introduce_guard(struct proc *g)
{
	LIST_EACH(l, &g->d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p != g && p->greeted && !unknown(p) && guard_of(p, g->role) == g)
			acquaint(g, p);
	}
}

void introduce_again(struct proc *guard, uint64_t conn)
{
	const struct session *s = table_get(&guard->d->sessions, conn);
	struct proc *p = s != NULL && s->connection != NULL ? s->connection->proc : NULL;

	if (p != NULL && p->link != NULL && !unknown(p) && guard_of(p, guard->role) == guard)
		owe(guard, p, AGAIN_MS);
}

void introduce_take_over(struct proc *keysign)
{
	LIST_EACH(l, &keysign->d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role == ROLE_AUTH && p->kid != NULL && p->greeted)
			acquaint(keysign, p);
	}
}

static int is_used(const struct daemon *d, uint64_t keys)
{
	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);

		if (p->keys == keys && p->link != NULL && ((p->role == ROLE_CONN && p->forked_by != 0) || p->role == ROLE_NUR))
			return 1;
	}
	return 0;
}

void introduce_retire(struct daemon *d)
{
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role != ROLE_KEY || p->kid != NULL || p->trial || p->link == NULL || is_used(d, p->keys))
			continue;
		log_ev(LOGL_VERBOSE, "ev=keysign pid=%d: nobody shows its host keys any more; it ends", (int)p->pid);
		proc_disown(p);
	}
}

/* A keysign of former keys died: whoever still needs it asks the one in force, which may have the same key. */
void introduce_orphans(struct daemon *d, uint64_t keys)
{
	struct proc *g = proc_of(d, KID_KEYSIGN);

	if (g == NULL || keysign_of(d, keys) != NULL)
		return;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role == ROLE_CONN && p->keys == keys && p->forked_by != 0 && p->link != NULL)
			acquaint(g, p);
	}
}

void introduce_lost(struct daemon *d, enum ipc_role role, uint64_t keys)
{
	if (role != ROLE_KEY && role != ROLE_AUTH)
		return;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);
		struct ipc_PEER_GONE m = { .peer_role = (uint8_t)role, .conn = about(p) != NULL ? about(p)->conn : 0 };

		if (role == ROLE_KEY && p->role != ROLE_AUTH && p->keys != keys)
			continue;	/* it has another keysign */
		p->unmet &= ~(1u << role);
		if (p->greeted && p->link != NULL && !unknown(p) && needs(p->role, role))
			link_send(p->link, IPC_PEER_GONE, &m);
	}
}
