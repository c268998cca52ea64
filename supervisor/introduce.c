#include "supervisor/introduce.h"

#include <event2/event.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/proc.h"
#include "supervisor/session.h"
#include "supervisor/state.h"

/* A link holds 256 messages and then ends: with thousands of clients a guard gets to know them a few at a time. */
#define QUEUE_ENOUGH 64u
#define PACE_MS      2

/* PEER_LINK to both; s: the client it is about, or NULL. */
static void introduce(struct proc *a, struct proc *b, const struct session *s)
{
	struct ipc_PEER_LINK to_a = { .peer_role = (uint8_t)b->role }, to_b = { .peer_role = (uint8_t)a->role };
	int pair[2], r;

	if (a->link == NULL || b->link == NULL)
		return;
	if (s != NULL) {
		to_a.conn = to_b.conn = s->conn;
		to_a.peer = to_b.peer = s->peer;
		to_a.local = to_b.local = s->local;
	}
	if (link_pair(pair) < 0) {
		log_ev(LOGL_ERROR, "no link between %s and %s: out of descriptors", ipc_role_name(a->role), ipc_role_name(b->role));
		return;
	}
	r = link_send_fds(a->link, IPC_PEER_LINK, &to_a, &pair[0], 1);
	if (r < 0)
		close(pair[1]);
	else
		r = link_send_fds(b->link, IPC_PEER_LINK, &to_b, &pair[1], 1);
	if (r < 0)
		log_ev(LOGL_WARN, "no link between %s and %s: %s", ipc_role_name(a->role), ipc_role_name(b->role), err_text(r));
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

static void tell_authed(struct proc *keysign, const struct session *s)
{
	int r = link_send(keysign->link, IPC_CONN_AUTHED, &(struct ipc_CONN_AUTHED){ .conn = s->conn });

	if (r < 0)
		log_ev(LOGL_WARN, "%s: keysign was not told of the login: %s", s->kid->name, err_text(r));
}

/* A guard that comes late learns what its predecessor knew of a live client. */
static void brief(struct proc *g, const struct session *s)
{
	struct ipc_SESSION_ID m;

	if (g->link == NULL || s == NULL)
		return;
	m = (struct ipc_SESSION_ID){ .conn = s->conn, .hash = view_of(s->id, s->id_len) };
	if (g->role == ROLE_KEY && s->grant != NULL)
		tell_authed(g, s);
	else if (g->role == ROLE_AUTH && s->grant == NULL && s->id_len > 0 && link_send(g->link, IPC_SESSION_ID, &m) < 0)
		log_ev(LOGL_WARN, "%s: auth was not told the session id", s->kid->name);
}

void introduce_authed(const struct session *s)
{
	struct proc *keysign = proc_of(s->d, KID_KEYSIGN);

	if (keysign != NULL && keysign->link != NULL)
		tell_authed(keysign, s);
}

static const enum kid_id guards[] = { KID_KEYSIGN, KID_AUTH };

static void on_pace(evutil_socket_t fd, short what, void *arg);

/* Now, or when the guard has read what waits for it. */
static void acquaint(struct proc *g, struct proc *p)
{
	struct daemon *d = g->d;
	struct timeval tv = { 0, PACE_MS * 1000 };

	p->unmet &= ~(1u << g->role);
	if (link_queued(g->link) < QUEUE_ENOUGH) {
		introduce(g, p, about(p));
		brief(g, about(p));
		return;
	}
	if (d->introductions == NULL)
		d->introductions = evtimer_new(d->base, on_pace, d);
	if (d->introductions == NULL || event_add(d->introductions, &tv) < 0)
		log_ev(LOGL_ERROR, "no link between %s and %s: out of memory", ipc_role_name(g->role), ipc_role_name(p->role));
	else
		p->unmet |= 1u << g->role;
	state_proc(p);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
		struct proc *g = proc_of(d, guards[i]);

		if (g == NULL)
			continue;	/* its successor meets everybody anyway */
		LIST_EACH(l, &d->procs) {
			struct proc *p = LIST_OF(l, struct proc, all);

			if (p->unmet & 1u << g->role)
				acquaint(g, p);
			if (link_queued(g->link) >= QUEUE_ENOUGH)
				break;
		}
	}
}

void introduce_go_on(struct daemon *d)
{
	struct timeval now = { 0, 0 };

	if (d->introductions == NULL)
		d->introductions = evtimer_new(d->base, on_pace, d);
	if (d->introductions != NULL)
		event_add(d->introductions, &now);
}

void introduce_newcomer(struct proc *p)
{
	for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
		struct proc *g = proc_of(p->d, guards[i]);

		if (g != NULL && needs(p->role, g->role))
			acquaint(g, p);
	}
}

void introduce_successor(struct proc *p)
{
	struct proc *keysign = proc_of(p->d, KID_KEYSIGN);

	if (keysign != NULL)		/* else the next one is introduced to everybody */
		acquaint(keysign, p);
}

void introduce_guard(struct proc *g)
{
	LIST_EACH(l, &g->d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p != g && p->greeted && needs(p->role, g->role))
			acquaint(g, p);
	}
}

void introduce_lost(struct daemon *d, enum ipc_role role)
{
	if (role != ROLE_KEY && role != ROLE_AUTH)
		return;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);
		struct ipc_PEER_GONE m = { .peer_role = (uint8_t)role, .conn = about(p) != NULL ? about(p)->conn : 0 };

		p->unmet &= ~(1u << role);
		if (p->greeted && p->link != NULL && needs(p->role, role))
			link_send(p->link, IPC_PEER_GONE, &m);
	}
}
