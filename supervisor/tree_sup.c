#include "supervisor/tree_internal.h"

#include <string.h>

/*
 * tree_sup - what a supervisor node does: start its children in order, answer deaths in the order they
 * happened, count restarts, stop its children in reverse order, fail upwards.
 */

static int alive(const struct sup_node *n)
{
	return n->state != SUP_ST_DOWN && n->state != SUP_ST_DEAD && n->state != SUP_ST_RETRY && n->state != SUP_ST_WAITING;
}

/* ---- restart intensity ------------------------------------------------------ */

static unsigned in_period(const struct sup_node *s, uint64_t now, uint64_t *out)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->window_used; i++)
		if (now <= s->window[i] + s->spec.period_ms) {
			if (out != NULL)
				out[kept] = s->window[i];
			kept++;
		}
	return kept;
}

unsigned sup_window(const struct sup_node *s, uint64_t now_ms)
{
	return in_period(s, now_ms, NULL);
}

/* OTP's add_restart: this one included, more than intensity within the period is too many. Returns whether it may. */
static int add_restart(struct sup_node *s)
{
	s->window_used = in_period(s, s->tree->now, s->window);
	if (s->window_used > s->spec.intensity)		/* intensity is lower than it was */
		return 0;
	s->window[s->window_used++] = s->tree->now;
	return s->window_used <= s->spec.intensity;
}

/* How long a restart has to wait for its turn in the whole tree. */
static uint32_t pace(struct sup_tree *t)
{
	uint64_t most = t->now + (SUP_PACE_BURST - 1) * SUP_PACE_MS, wait;

	if (t->pace < t->now)
		t->pace = t->now;
	wait = t->pace > most ? t->pace - most : 0;
	t->pace += SUP_PACE_MS;
	return (uint32_t)wait;
}

/* ---- stopping ----------------------------------------------------------------- */

static void fall(struct sup_node *s, int why)
{
	if (sup_job_falls(s->job))
		return;
	s->job = why;
	sup_enter(s, SUP_ST_STOPPING);
	sup_do(s, SUP_DO_FALL, 0, 0);
}

/* Everyone at once: dynamic children have no order (OTP's terminate_dynamic_children). */
static int stop_all(struct sup_node *s)
{
	int left = 0;

	LIST_EACH_SAFE(l, next, &s->children)
		sup_step(SUP_CHILD(l), SUP_EV_STOP);
	LIST_EACH(l, &s->children)
		left += alive(SUP_CHILD(l));
	return left;
}

/* From the right, one at a time, down to but not including stop (NULL: all). Returns 1 while somebody is alive. */
static int stop_from_right(struct sup_node *s, const struct sup_node *stop)
{
	struct list *l, *left;

	for (l = s->children.prev; l != &s->children && SUP_CHILD(l) != stop; l = left) {
		struct sup_node *c = SUP_CHILD(l);

		left = l->prev;
		sup_step(c, SUP_EV_STOP);	/* may remove c */
		if (alive(c))
			return 1;
	}
	return 0;
}

/* All children are down: a supervisor that starts again starts as it was specified. */
static void fallen(struct sup_node *s)
{
	enum sup_job why = (enum sup_job)s->job;

	LIST_EACH_SAFE(l, next, &s->children) {
		struct sup_node *c = SUP_CHILD(l);

		if (c->dynamic)
			sup_forget(c);
		else
			c->gone = c->held = c->byhand = c->fresh = c->restarting = 0;
	}
	s->job = JOB_IDLE;
	s->window_used = 0;
	s->reason = SUP_SHUTDOWN;
	sup_enter(s, SUP_ST_DOWN);
	if (s->parent == NULL) {
		sup_do(s, SUP_DO_EXIT, why != JOB_FALL_ASKED, 0);
	} else if (s->asked) {
		sup_do(s, SUP_DO_REPORT, 0, SUP_DID_STOP);
		sup_went_down(s);
	} else if (why == JOB_FALL_BOOT) {
		sup_start_failed(s);
	} else {
		sup_enter(s, SUP_ST_DEAD);
		sup_advance(s->parent);
	}
}

static void go_on_falling(struct sup_node *s)
{
	int left = s->spec.strategy == SUP_SIMPLE_ONE_FOR_ONE ? stop_all(s) : stop_from_right(s, NULL);

	if (!left && sup_job_falls(s->job))
		fallen(s);
}

/* ---- answering a death --------------------------------------------------------- */

static void remove_child(struct sup_node *c)
{
	sup_enter(c, SUP_ST_DOWN);
	if (c->removing || (c->spec.restart == SUP_TEMPORARY && c->dynamic))
		sup_forget(c);
	else if (c->spec.restart == SUP_TEMPORARY)
		c->gone = 1;
}

/* Does the end of c, which stays down, stop its supervisor? */
static int auto_shutdown(const struct sup_node *s, const struct sup_node *c)
{
	if (!c->spec.significant || s->spec.auto_shutdown == SUP_NEVER)
		return 0;
	if (s->spec.auto_shutdown == SUP_ALL_SIGNIFICANT)
		LIST_EACH(l, &s->children) {
			const struct sup_node *other = SUP_CHILD(l);

			if (other != c && other->spec.significant && other->state != SUP_ST_DOWN)
				return 0;
		}
	return 1;
}

static void restart(struct sup_node *s, struct sup_node *c)
{
	int first = c->state == SUP_ST_DEAD;	/* a RETRY was reported when its start failed */
	uint32_t wait = 0;
	int in = 0;

	if (!c->paid) {
		if (!add_restart(s)) {
			sup_do(c, SUP_DO_REPORT, 0, SUP_DID_GIVE_UP);
			sup_enter(c, SUP_ST_DOWN);
			fall(s, JOB_FALL_SELF);
			return;
		}
		wait = pace(s->tree);
	}
	if (first)
		sup_do(c, SUP_DO_REPORT, wait, SUP_DID_RESTART);
	if (wait > 0) {
		c->paid = 1;
		sup_wait(c, wait);
		return;
	}
	c->paid = 0;
	c->restarting = 1;
	if (s->spec.strategy == SUP_ONE_FOR_ONE || s->spec.strategy == SUP_SIMPLE_ONE_FOR_ONE) {
		sup_step(c, SUP_EV_START);
		return;
	}
	sup_enter(c, SUP_ST_DOWN);
	s->from = c->id;
	s->job = JOB_CLEAR;
	/* As in OTP, those that were terminated come up with the others; what is terminated from now on does not. */
	LIST_EACH(l, &s->children)
		if (s->spec.strategy == SUP_ONE_FOR_ALL || (in |= SUP_CHILD(l) == c))
			SUP_CHILD(l)->held = 0;
}

/* Not at once: what was missing is missing still. */
static void restart_later(struct sup_node *c)
{
	c->paid = 1;
	sup_do(c, SUP_DO_REPORT, c->spec.backoff_min_ms, SUP_DID_BACK_OFF);
	sup_wait(c, c->spec.backoff_min_ms);
}

static void answer(struct sup_node *s, struct sup_node *c)
{
	int again = c->state == SUP_ST_RETRY || c->spec.restart == SUP_PERMANENT
	    || (c->spec.restart == SUP_TRANSIENT && (c->reason == SUP_ABNORMAL || c->reason == SUP_STARVED));

	if (again && !c->removing) {
		if (c->state == SUP_ST_DEAD && c->reason == SUP_STARVED && c->spec.backoff_max_ms > 0)
			restart_later(c);
		else
			restart(s, c);
		return;
	}
	if (auto_shutdown(s, c)) {
		sup_do(c, SUP_DO_REPORT, 0, SUP_DID_AUTO_SHUTDOWN);
		remove_child(c);
		fall(s, JOB_FALL_SELF);
		return;
	}
	sup_do(c, SUP_DO_REPORT, 0, c->spec.restart == SUP_TEMPORARY ? SUP_DID_REMOVE : SUP_DID_LEAVE);
	remove_child(c);
}

static struct sup_node *oldest_claim(const struct sup_node *s)
{
	struct sup_node *found = NULL;

	LIST_EACH(l, &s->children) {
		struct sup_node *c = SUP_CHILD(l);

		if ((c->state == SUP_ST_DEAD || c->state == SUP_ST_RETRY) && (found == NULL || c->seq < found->seq))
			found = c;
	}
	return found;
}

/* ---- starting --------------------------------------------------------------------- */

/* From the child `from` (NULL: the first) to the last, each when the one before it is up. Returns 1 while one is on its way. */
static int start_from(struct sup_node *s, const struct sup_node *from, int again)
{
	int in = from == NULL;

	LIST_EACH(l, &s->children) {
		struct sup_node *c = SUP_CHILD(l);

		in |= c == from;
		if (!in || c->removing || c->gone || c->held)
			continue;
		if (c->state == SUP_ST_DOWN) {
			c->restarting = again != 0;
			sup_step(c, SUP_EV_START);
			return 1;	/* look again: that may have changed the list */
		}
		if (c->state == SUP_ST_STARTING || c->state == SUP_ST_ABORTING)
			return 1;
	}
	return 0;
}

static const struct sup_node *range(const struct sup_node *s)
{
	LIST_EACH(l, &s->children)
		if (s->spec.strategy == SUP_REST_FOR_ONE && SUP_CHILD(l)->id == s->from)
			return SUP_CHILD(l);
	return NULL;
}

/* A child that is starting, or was just told to; 1 when nothing more can be done now. */
static int waiting(const struct sup_node *s)
{
	LIST_EACH(l, &s->children) {
		const struct sup_node *c = SUP_CHILD(l);

		if (!c->removing && (c->state == SUP_ST_STARTING || c->state == SUP_ST_ABORTING))
			return 1;
	}
	return 0;
}

/* One thing at a time; returns 0 when the rest has to wait for an event. */
static int work(struct sup_node *s)
{
	struct sup_node *c;

	switch ((enum sup_job)s->job) {
	case JOB_IDLE:
		if (s->state != SUP_ST_UP || (c = oldest_claim(s)) == NULL)
			return 0;
		answer(s, c);
		return 1;
	case JOB_CLEAR:
		if (stop_from_right(s, range(s)))
			return 0;
		if (s->job == JOB_CLEAR)
			s->job = JOB_REGROW;
		return 1;
	case JOB_BOOT:
	case JOB_REGROW:
		if (start_from(s, s->job == JOB_REGROW ? range(s) : NULL, s->job == JOB_REGROW))
			return !waiting(s);
		if (s->job == JOB_BOOT) {
			sup_enter(s, SUP_ST_UP);
			s->fresh = s->byhand = 0;
			s->fails = 0;
			sup_do(s, SUP_DO_UP, 0, 0);
			if (s->parent != NULL)
				sup_advance(s->parent);
		}
		s->job = JOB_IDLE;
		return 1;
	case JOB_FALL_BOOT:
		if (s->state == SUP_ST_STARTING) {	/* a child's failed start told us; now say so */
			sup_enter(s, SUP_ST_STOPPING);
			sup_do(s, SUP_DO_FALL, 0, 0);
		}
		go_on_falling(s);
		return 0;
	case JOB_FALL_ASKED:
	case JOB_FALL_SELF:
		go_on_falling(s);
		return 0;
	}
	return 0;
}

void sup_advance(struct sup_node *s)
{
	if (s->busy)	/* further up the stack it looks again anyway */
		return;
	s->busy = 1;
	for (;;) {
		int job = s->job;

		/* A fall that was decided by this very step has to begin. */
		if (!work(s) && (s->job == job || s->job == JOB_IDLE))
			break;
	}
	s->busy = 0;
}

/* ---- a supervisor node as a child of its parent --------------------------------------- */

static void super_start(struct sup_node *s)
{
	s->restarts += s->restarting;
	s->restarting = 0;
	s->asked = 0;
	s->window_used = 0;
	sup_enter(s, SUP_ST_STARTING);
	sup_timer(s, s->spec.start_ms);
	s->job = JOB_BOOT;
	sup_advance(s);
}

static void kill_below(struct sup_node *s)
{
	LIST_EACH(l, &s->children) {
		struct sup_node *c = SUP_CHILD(l);

		if (!alive(c) || c->state == SUP_ST_KILLING)
			continue;
		if (c->spec.kind == SUP_SUPERVISOR) {
			c->asked = 1;
			fall(c, JOB_FALL_ASKED);
			kill_below(c);
		} else if (c->state != SUP_ST_ABORTING) {
			sup_do(c, SUP_DO_KILL, 0, 0);
		}
		sup_enter(c, SUP_ST_KILLING);
	}
}

static void super_kill(struct sup_node *s)
{
	sup_enter(s, SUP_ST_KILLING);
	kill_below(s);
	sup_advance(s);
}

static void super_stop(struct sup_node *s)
{
	s->asked = 1;
	fall(s, JOB_FALL_ASKED);
	if (s->parent != NULL && s->spec.shutdown_ms == SUP_BRUTAL_KILL) {
		super_kill(s);
		return;
	}
	sup_timer(s, s->spec.shutdown_ms);
	sup_advance(s);
}

/* It is falling already; now its parent waits for that, too. */
static void super_stop_too(struct sup_node *s)
{
	int first = !s->asked;

	s->asked = 1;
	if (first && s->parent != NULL && s->state != SUP_ST_KILLING) {
		if (s->spec.shutdown_ms == SUP_BRUTAL_KILL)
			super_kill(s);
		else
			sup_timer(s, s->spec.shutdown_ms);
	}
	sup_advance(s);
}

static void super_hung(struct sup_node *s)
{
	fall(s, JOB_FALL_BOOT);
	super_kill(s);
}

#define CELL(fn) { fn, #fn }
#define IGNORE   CELL(sup_ignore)

/* READY, FAILED and EXITED are for processes; a supervisor node learns of its children by sup_advance(). */
const struct sup_cell sup_super_table[SUP_ST_COUNT][SUP_EV_COUNT] = {
	[SUP_ST_DOWN]     = { [SUP_EV_START] = CELL(super_start), [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = IGNORE },
	[SUP_ST_STARTING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = CELL(super_hung), [SUP_EV_STOP] = CELL(super_stop) },
	[SUP_ST_ABORTING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = IGNORE },
	[SUP_ST_UP]       = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = CELL(super_stop) },
	[SUP_ST_STOPPING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = CELL(super_kill), [SUP_EV_STOP] = CELL(super_stop_too) },
	[SUP_ST_KILLING]  = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = CELL(super_stop_too) },
	[SUP_ST_DEAD]     = { [SUP_EV_START] = CELL(super_start), [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = CELL(sup_drop_claim) },
	[SUP_ST_RETRY]    = { [SUP_EV_START] = CELL(super_start), [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = CELL(sup_drop_claim) },
	[SUP_ST_WAITING]  = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY] = IGNORE, [SUP_EV_FAILED] = IGNORE, [SUP_EV_EXITED] = IGNORE,
	                      [SUP_EV_TIMEOUT] = CELL(sup_due),    [SUP_EV_STOP] = CELL(sup_drop_claim) },
};
