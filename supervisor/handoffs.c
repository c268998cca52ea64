#include "base/log.h"
#include "supervisor/handoff.h"
#include "supervisor/state.h"
#include "supervisor/timer.h"

/* handoffs - which connections are to move, a few at a time, again and again until they have. */

static void pump(struct daemon *d);

/* Off whatever list it is on; a record that is new, or was restored, is on none. */
static void unlist(struct session *s)
{
	if (s->wants_move.next == NULL)
		list_init(&s->wants_move);
	list_remove(&s->wants_move);
}

int handoff_waits(const struct session *s)
{
	return s->wants_move.next != NULL && !list_empty(&s->wants_move);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct handoffs *x = &d->handoffs;

	(void)fd, (void)what;
	while (!list_empty(&x->later)) {
		struct list *l = x->later.next;

		list_remove(l);
		list_add_tail(&x->wanted, l);
	}
	pump(d);
}

static void try_later(struct session *s)
{
	struct handoffs *x = &s->d->handoffs;

	if (timer_make(&x->again, s->d->base, on_again, s->d) < 0)
		return;
	if (!evtimer_pending(x->again, NULL))
		timer_start(x->again, HANDOFF_AGAIN_MS);
	unlist(s);
	list_add_tail(&x->later, &s->wants_move);
}

/* A try may end before handoff_session() returns, and what follows from it comes here again: one of us works, the others leave it to it. */
static void pump(struct daemon *d)
{
	struct handoffs *x = &d->handoffs;

	if (x->pumping > 0)
		return;
	x->pumping++;
	while (x->nactive < HANDOFFS_AT_ONCE && !list_empty(&x->wanted) && !d->stopping) {
		struct session *s = LIST_OF(x->wanted.next, struct session, wants_move);

		unlist(s);
		handoff_session(s);
	}
	x->pumping--;
	if (d->renewing == 2 && x->nactive == 0 && list_empty(&x->wanted) && list_empty(&x->later)) {
		d->renewing = 0;	/* every connection moved, or stays where it is */
		state_daemon(d);
	}
}

void handoffs_outcome(struct session *s, const struct handoff_outcome *o)
{
	struct daemon *d = s->d;
	struct handoffs *x = &d->handoffs;

	unlist(s);
	if (o->result == MOVE_DONE) {
		x->moved++;
		s->move_failures = 0;
	} else if (o->result == MOVE_FAILED) {
		x->failed++;
		log_ev(LOGL_WARN, "%s: not moved: %s", s->kid->name, o->why);
		s->move_failures++;
	}
	if (o->result == MOVE_LATER || (o->result == MOVE_FAILED && s->move_failures < HANDOFF_FAILURES))
		try_later(s);
	handoffs_tell(d, o, handoff_waits(s));
	pump(d);
}

void handoff_want(struct session *s)
{
	s->move_failures = 0;
	if (s->move != NULL)
		return;			/* what is under way is as good */
	unlist(s);
	list_add_tail(&s->d->handoffs.wanted, &s->wants_move);
	pump(s->d);
}

void handoff_all(struct daemon *d)
{
	struct session *s;
	size_t at = 0;

	d->handoffs.pumping++;		/* first all of them, then one after the other */
	while ((s = table_next(&d->sessions, &at)) != NULL)
		handoff_want(s);
	d->handoffs.pumping--;
	pump(d);
}

void handoffs_suspend(struct daemon *d)
{
	if (d->handoffs.suspended)
		return;
	d->handoffs.suspended = 1;
	d->handoffs.pumping++;
	handoff_abandon_all(d);
}

void handoffs_resume(struct daemon *d)
{
	if (!d->handoffs.suspended)
		return;
	d->handoffs.suspended = 0;
	d->handoffs.pumping--;
	pump(d);
}

static unsigned length(const struct list *head)
{
	unsigned n = 0;

	LIST_EACH(l, head)
		n++;
	return n;
}

void handoff_count(const struct daemon *d, struct handoff_counts *c)
{
	const struct handoffs *x = &d->handoffs;

	*c = (struct handoff_counts){ .moving = x->nactive, .moved = x->moved, .failed = x->failed };
	c->waiting = length(&x->wanted) + length(&x->later);
}

void handoffs_init(struct daemon *d)
{
	list_init(&d->handoffs.active);
	list_init(&d->handoffs.wanted);
	list_init(&d->handoffs.later);
	list_init(&d->handoffs.jobs);
}

void handoffs_drop(struct daemon *d)
{
	if (d->handoffs.again != NULL)
		event_free(d->handoffs.again);
	d->handoffs.again = NULL;
	handoffs_drop_jobs(d);
}
