#include "supervisor/supervise.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/effects.h"
#include "supervisor/report.h"

/* conf has a table of its own making from the same children.def. */
_Static_assert((int)CONF_NODES == (int)KID_COUNT && (int)CONF_NODE_ACCEPTOR == (int)KID_ACCEPTOR, "one children.def");
_Static_assert((int)CONF_PERMANENT == (int)SUP_PERMANENT && (int)CONF_TRANSIENT == (int)SUP_TRANSIENT
    && (int)CONF_TEMPORARY == (int)SUP_TEMPORARY, "restart types by number");
_Static_assert(CONF_INTENSITY_MAX == SUP_INTENSITY_MAX && CONF_INFINITY == SUP_INFINITY, "limits");

const struct sup_spec *supervise_spec(const struct daemon *d, enum kid_id id)
{
	return &d->specs[id];
}

static void onto(const struct daemon *d, struct sup_node *n)
{
	const struct kid *k = n->ctx;
	const char *why = k != NULL ? sup_respec(n, &d->specs[k->row->id]) : NULL;

	if (why != NULL)
		log_ev(LOGL_ERROR, "Supervise %s: %s; what held before stays", k->row->name, why);
	LIST_EACH(l, &n->children)
		onto(d, LIST_OF(l, struct sup_node, link));
}

void supervise_apply(struct daemon *d)
{
	for (int id = 0; id < KID_COUNT; id++) {
		struct conf_child c = conf_child_of(&d->values->Supervise, (size_t)id);
		struct sup_spec *s = &d->specs[id];

		*s = kid_row((enum kid_id)id)->spec;
		s->restart = (enum sup_restart)c.restart;
		s->shutdown_ms = c.shutdown_ms;
		s->start_ms = c.start_ms;
		s->intensity = c.intensity;
		s->period_ms = c.period_ms;
		s->backoff_min_ms = c.backoff_min_ms;
		s->backoff_max_ms = c.backoff_max_ms;
	}
	if (d->tree != NULL)
		onto(d, sup_root(d->tree));
}

const char *supervise_trouble(const struct kid *k, char *out, size_t size)
{
	const struct sup_node *n = k->node;
	uint64_t now = clock_ms();
	char when[32];

	if (n->state == SUP_ST_WAITING && n->fails > 0)
		snprintf(out, size, "%s, %u failed starts, next try in %s", k->last_exit, n->fails,
		    report_time(when, sizeof when, n->due_ms > now ? n->due_ms - now : 0));
	else if (n->state == SUP_ST_WAITING)
		snprintf(out, size, "%s, too many restarts at a time, next in %s", k->last_exit,
		    report_time(when, sizeof when, n->due_ms > now ? n->due_ms - now : 0));
	else if (n->held && n->state == SUP_ST_DOWN)
		snprintf(out, size, "terminated");
	else
		snprintf(out, size, "%s", k->last_exit);
	return out;
}

static void count_throttled(const struct sup_node *n, const struct kid **first, unsigned *count)
{
	if (n->state == SUP_ST_WAITING && (*count)++ == 0)
		*first = n->ctx;
	LIST_EACH(l, &n->children)
		count_throttled(LIST_OF(l, struct sup_node, link), first, count);
}

const struct kid *supervise_throttled(const struct daemon *d, unsigned *n)
{
	const struct kid *first = NULL;

	*n = 0;
	if (d->tree != NULL)
		count_throttled(sup_root(d->tree), &first, n);
	return first;
}

int supervise_worth_a_line(const struct sup_node *n)
{
	return n->fails <= 4 || (n->fails & (n->fails - 1)) == 0 || n->fails % 100 == 0;
}
