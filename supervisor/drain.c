#include "supervisor/drain.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "ipc/values.h"
#include "supervisor/hail.h"
#include "supervisor/halt.h"
#include "supervisor/notify.h"
#include "supervisor/reports.h"
#include "supervisor/state.h"
#include "supervisor/state_codec.h"
#include "supervisor/timer.h"

struct drain {
	struct daemon *d;
	enum drain_state state;
	struct drain_order order;
	struct event *next;		/* end of the grace, or of patience with sessions */
	struct event *look;		/* outside of whatever ended a session */
	uint64_t next_ms;		/* when; 0: nothing comes by itself */
	int told;			/* that it is over */
	int reopen;			/* undone while sockets were closing: they are opened when that is done */
	void (*watcher)(struct daemon *);
};

#define FAREWELL "this server is taken out of service"	/* unless the order has a message */
#define LOOK_MS 5000		/* while it lasts, those who wait for it hear of it at least so often */

enum drain_state drain_state(const struct daemon *d)
{
	return d->drain != NULL ? d->drain->state : DRAIN_OFF;
}

int drain_is_closed(const struct daemon *d)
{
	return drain_state(d) >= DRAIN_CLOSED;
}

unsigned drain_sessions(const struct daemon *d)
{
	return (unsigned)d->sessions.used;
}

/* While a socket is being closed its acceptor may still hand over a client. */
static int is_over(const struct daemon *d)
{
	LIST_EACH(at, &d->listeners)
		if (LIST_OF(at, struct listener, link)->kid != NULL)
			return 0;
	return drain_sessions(d) == 0;
}

const char *drain_state_name(const struct daemon *d)
{
	switch (drain_state(d)) {
	case DRAIN_OFF:
		break;
	case DRAIN_CLOSED:
	case DRAIN_ENDING:
		if (is_over(d))
			return "drained";
		return drain_state(d) == DRAIN_ENDING ? "ending" : "draining";
	case DRAIN_GRACE:
		return "draining";
	}
	return d->stopping ? "stopping" : d->up ? "running" : "starting";
}

static unsigned listening(const struct daemon *d)
{
	unsigned n = 0;

	LIST_EACH(at, &d->listeners)
		n += LIST_OF(at, struct listener, link)->halt == LISTEN_ON;
	return n;
}

void drain_row(const struct daemon *d, struct wr *w)
{
	uint64_t now = clock_ms();

	row_text(w, "state", drain_state_name(d));
	row_bool(w, "ready", drain_word(d) == HEALTH_READY);
	row_number(w, "sessions", drain_sessions(d));
	row_number(w, "listening", listening(d));
	if (d->drain != NULL && d->drain->next_ms != 0)
		row_number(w, drain_state(d) == DRAIN_GRACE ? "closes_in_s" : "ends_in_s",
		    d->drain->next_ms > now ? (int64_t)((d->drain->next_ms - now + 999) / 1000) : 0);
}

/* ---- telling ---------------------------------------------------------------------------- */

uint8_t drain_word(const struct daemon *d)
{
	return d->up && !d->stopping && drain_state(d) == DRAIN_OFF ? HEALTH_READY : HEALTH_DRAIN;
}

void drain_tell(struct daemon *d)
{
	struct ipc_READINESS m = { .word = drain_word(d) };

	LIST_EACH(at, &d->procs) {
		struct proc *p = LIST_OF(at, struct proc, all);

		if (d->health != NULL && p->kid != NULL && p->kid->listener == d->health && p->is_ready && p->link != NULL)
			link_send(p->link, IPC_READINESS, &m);
	}
	if (d->drain == NULL)
		return;
	reports_tell(d, HAPPENS_DRAIN, LOGL_DEBUG, NULL, (struct tell[]){ TELL_TEXT("result", drain_state_name(d)), TELL_NUMBER("sessions", drain_sessions(d)),
		TELL_END });
	if (d->drain->state != DRAIN_OFF)
		notify_say("STATUS=%s, %u sessions left", drain_state(d) == DRAIN_ENDING ? "Ending sessions" : "Draining", drain_sessions(d));
	else
		notify_say("STATUS=Serving, %u sessions", drain_sessions(d));
	if (d->drain->watcher != NULL)
		d->drain->watcher(d);
}

void drain_watch(struct daemon *d, void (*fn)(struct daemon *))
{
	if (d->drain != NULL)
		d->drain->watcher = fn;
}

/* ---- steps -------------------------------------------------------------------------------- */

static void set_next(struct drain *r, uint64_t ms, int wanted)
{
	event_del(r->next);
	r->next_ms = wanted ? clock_ms() + ms : 0;
	if (wanted)
		timer_start(r->next, ms);
}

static void end_sessions(struct drain *r)
{
	struct daemon *d = r->d;
	struct sup_node *sessions = d->kids[KID_SESSIONS] != NULL ? d->kids[KID_SESSIONS]->node : NULL;
	uint64_t *ids = calloc(drain_sessions(d) + 1, sizeof *ids);
	size_t n = 0;

	r->state = DRAIN_ENDING;
	state_drain(d);
	log_ev(LOGL_INFO, "Drain: %u sessions are ended.", drain_sessions(d));
	if (ids != NULL && sessions != NULL)
		LIST_EACH(at, &sessions->children)
			if (n <= drain_sessions(d))
				ids[n++] = LIST_OF(at, struct sup_node, link)->id;
	for (size_t i = 0; i < n; i++) {	/* one may take others along */
		struct sup_node *node = sup_find(d->tree, ids[i]);
		const struct kid *k = node != NULL ? node->ctx : NULL;

		if (k != NULL && k->session != NULL)
			hail_end(k->session, r->order.message[0] != '\0' ? r->order.message : FAREWELL, NULL);
	}
	free(ids);
	drain_tell(d);
}

/* What there is to say is said; is it over? */
static void look(struct drain *r)
{
	struct daemon *d = r->d;

	drain_tell(d);
	if (r->state < DRAIN_CLOSED || !is_over(d) || d->stopping || r->told)
		return;
	r->told = 1;
	set_next(r, 0, 0);
	state_drain(d);
	log_ev(LOGL_INFO, r->order.exit ? "Drained; terminating." : "Drained: no session is left.");
	if (r->order.exit)
		daemon_stop(d);
}

/* How many sockets it closed cannot be opened again. */
static int reopen(struct drain *r)
{
	int failed = 0;

	r->reopen = 0;
	LIST_EACH(at, &r->d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);
		int how = l->halt == LISTEN_DRAINED ? halt_undo(l) : SSH_OK;

		r->reopen |= how == SSH_E_NOT_NOW;
		failed += how < 0 && how != SSH_E_NOT_NOW;
	}
	return failed;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct drain *r = arg;

	(void)fd, (void)what;
	if (r->state == DRAIN_OFF && r->reopen) {
		reopen(r);
		state_drain(r->d);
	}
	look(r);
	if (r->state != DRAIN_OFF && !r->told)
		timer_start(r->look, LOOK_MS);
}

/* From inside the tree's work: afterwards. */
static void look_soon(struct drain *r)
{
	timer_start(r->look, 0);
}

void drain_look_again(struct daemon *d)
{
	if (d->drain != NULL && !d->stopping && (drain_is_closed(d) || d->drain->reopen))
		look_soon(d->drain);
}

static void halt_all(struct drain *r)
{
	LIST_EACH_SAFE(at, next, &r->d->listeners)
		halt_listener(LIST_OF(at, struct listener, link), LISTEN_DRAINED);
}

static void close_all(struct drain *r)
{
	r->state = DRAIN_CLOSED;
	set_next(r, (uint64_t)r->order.timeout * 1000, r->order.limited);
	state_drain(r->d);	/* before a socket is closed, so that whoever finds one closed knows why */
	halt_all(r);
	log_ev(LOGL_INFO, "Drain: no new connections; %u sessions left.", drain_sessions(r->d));
	look_soon(r);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
	struct drain *r = arg;

	(void)fd, (void)what;
	r->next_ms = 0;
	if (r->state == DRAIN_GRACE)
		close_all(r);
	else if (r->state == DRAIN_CLOSED)
		end_sessions(r);
}

/* ---- orders ----------------------------------------------------------------------------------- */

static struct drain *drain_new(struct daemon *d)
{
	struct drain *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->d = d;
	r->next = evtimer_new(d->base, on_next, r);
	r->look = evtimer_new(d->base, on_look, r);
	if (r->next == NULL || r->look == NULL) {
		d->drain = r;
		drain_drop(d);
		return NULL;
	}
	return r;
}

int drain_begin(struct daemon *d, const struct drain_order *order)
{
	struct drain *r;

	if (d->stopping || !d->up || d->opt.inetd)
		return SSH_E_NOT_NOW;
	if (d->drain == NULL && (d->drain = drain_new(d)) == NULL)
		return SSH_E_NOMEM;
	r = d->drain;
	r->order = *order;
	r->told = 0;
	if (r->state < DRAIN_CLOSED) {
		r->state = DRAIN_GRACE;
		log_ev(LOGL_INFO, "Drain: not ready for new clients; listening sockets close in %u s.", (unsigned)order->grace);
		set_next(r, (uint64_t)order->grace * 1000, 1);
	} else {
		set_next(r, (uint64_t)order->timeout * 1000, order->limited);
	}
	state_drain(d);
	look_soon(r);
	return SSH_OK;
}

int drain_undo(struct daemon *d)
{
	struct drain *r = d->drain;
	int failed;

	if (drain_state(d) == DRAIN_OFF)
		return 0;
	r->state = DRAIN_OFF;
	set_next(r, 0, 0);
	event_del(r->look);
	failed = reopen(r);
	state_drain(d);
	log_ev(LOGL_INFO, "Drain ended; ready for new clients.");
	drain_tell(d);
	return failed;
}

/* ---- the next supervisor ------------------------------------------------------------------------ */

int drain_save(const struct daemon *d, struct saved_DRAIN *m)
{
	const struct drain *r = d->drain;

	if (r == NULL || (r->state == DRAIN_OFF && !r->reopen))
		return 0;
	*m = (struct saved_DRAIN){ .state = (uint8_t)r->state, .grace = r->order.grace, .timeout = r->order.timeout,
		.limited = r->order.limited != 0, .exit = r->order.exit != 0, .told = r->told != 0, .reopen = r->reopen != 0,
		.next_ms = r->next_ms };
	return 1;
}

void drain_restore(struct daemon *d, const struct saved_DRAIN *m)
{
	struct drain *r;

	if (m->state > DRAIN_ENDING || (d->drain = drain_new(d)) == NULL)
		return;
	r = d->drain;
	r->state = (enum drain_state)m->state;
	r->order = (struct drain_order){ .grace = m->grace, .timeout = m->timeout, .limited = m->limited, .exit = m->exit };
	r->told = m->told;
	r->reopen = m->reopen;
	r->next_ms = m->next_ms;
}

void drain_resume(struct daemon *d)
{
	struct drain *r = d->drain;
	uint64_t now = clock_ms();

	if (r == NULL)
		return;
	if (r->next_ms != 0)
		set_next(r, r->next_ms > now ? r->next_ms - now : 0, 1);
	if (r->state >= DRAIN_CLOSED)
		halt_all(r);
	if (r->state == DRAIN_ENDING)
		end_sessions(r);
	look_soon(r);
}

void drain_drop(struct daemon *d)
{
	if (d->drain == NULL)
		return;
	if (d->drain->next != NULL)
		event_free(d->drain->next);
	if (d->drain->look != NULL)
		event_free(d->drain->look);
	free(d->drain);
	d->drain = NULL;
}
