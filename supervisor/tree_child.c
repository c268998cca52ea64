#include <stdlib.h>

#include "supervisor/tree_internal.h"

/* tree_child - OTP's functions for one child: terminate_child, restart_child, delete_child, start_child, count_children. */

static int dead(const struct sup_node *n)
{
	return n->state == SUP_ST_DEAD || n->state == SUP_ST_RETRY || n->state == SUP_ST_WAITING;
}

/* What holds for all of them. */
static enum sup_refusal refuse(const struct sup_node *n)
{
	if (n->parent == NULL)
		return SUP_IS_ROOT;
	if (n->gone || n->removing)
		return SUP_NOT_FOUND;
	return n->parent->state == SUP_ST_UP ? SUP_ALLOWED : SUP_NOT_NOW;
}

enum sup_refusal sup_terminate(struct sup_node *n, uint64_t now_ms)
{
	enum sup_refusal no = refuse(n);

	sup_begin(n->tree, now_ms);
	if (no != SUP_ALLOWED)
		return no;
	n->held = 1;
	if (n->state != SUP_ST_DOWN)
		sup_step(n, SUP_EV_STOP);
	return SUP_ALLOWED;
}

/* For those that want it terminated. */
static enum sup_refusal refuse_alive(const struct sup_node *n)
{
	enum sup_refusal no = refuse(n);

	if (no != SUP_ALLOWED)
		return no;
	if (n->parent->spec.strategy == SUP_SIMPLE_ONE_FOR_ONE)
		return SUP_SIMPLE;
	if (n->parent->job != JOB_IDLE)
		return SUP_NOT_NOW;
	if (dead(n) || (n->state == SUP_ST_STARTING && !n->fresh && !n->byhand) || n->state == SUP_ST_ABORTING)
		return SUP_RESTARTING;
	return n->state != SUP_ST_DOWN ? SUP_RUNNING : SUP_ALLOWED;
}

enum sup_refusal sup_restart_child(struct sup_node *n, uint64_t now_ms)
{
	enum sup_refusal no = refuse_alive(n);

	sup_begin(n->tree, now_ms);
	if (no != SUP_ALLOWED)
		return no;
	n->held = 0;
	n->byhand = 1;
	sup_step(n, SUP_EV_START);
	return SUP_ALLOWED;
}

enum sup_refusal sup_delete(struct sup_node *n, uint64_t now_ms)
{
	enum sup_refusal no = refuse_alive(n);

	sup_begin(n->tree, now_ms);
	if (no != SUP_ALLOWED)
		return no;
	n->held = 0;
	n->gone = 1;
	if (n->dynamic)
		sup_forget(n);
	return SUP_ALLOWED;
}

enum sup_refusal sup_start_again(struct sup_node *n, uint64_t now_ms)
{
	sup_begin(n->tree, now_ms);
	if (n->parent == NULL)
		return SUP_IS_ROOT;
	if (!n->gone)
		return n->state == SUP_ST_DOWN ? SUP_PRESENT : dead(n) ? SUP_RESTARTING : SUP_STARTED;
	if (n->parent->state != SUP_ST_UP || n->parent->job != JOB_IDLE)
		return SUP_NOT_NOW;
	n->gone = n->held = 0;
	n->fresh = 1;
	sup_step(n, SUP_EV_START);
	return SUP_ALLOWED;
}

struct sup_count sup_count_children(const struct sup_node *s)
{
	struct sup_count c = { 0 };

	LIST_EACH(l, &s->children) {
		const struct sup_node *n = SUP_CHILD(l);

		if (n->gone)
			continue;
		c.specs++;
		c.active += n->state != SUP_ST_DOWN && !dead(n);
		c.supervisors += n->spec.kind == SUP_SUPERVISOR;
		c.workers += n->spec.kind == SUP_WORKER;
	}
	if (s->spec.strategy == SUP_SIMPLE_ONE_FOR_ONE)
		c.specs = 1;
	return c;
}

const char *sup_respec(struct sup_node *n, const struct sup_spec *spec)
{
	struct sup_spec next = n->spec;
	const char *why;
	uint64_t *more;

	next.restart = spec->restart;
	next.shutdown_ms = spec->shutdown_ms;
	next.start_ms = spec->start_ms;
	next.backoff_min_ms = spec->backoff_min_ms;
	next.backoff_max_ms = spec->backoff_max_ms;
	next.intensity = spec->intensity;
	next.period_ms = spec->period_ms;
	if ((why = sup_check(n->parent != NULL ? &n->parent->spec : NULL, &next)) != NULL)
		return why;
	if (next.kind == SUP_SUPERVISOR && next.intensity + 1 > n->window_room) {
		if ((more = realloc(n->window, (next.intensity + 1) * sizeof *more)) == NULL)
			return "out of memory";
		n->window = more;
		n->window_room = next.intensity + 1;
	}
	n->spec = next;
	return NULL;
}
