#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void world_new_spec(struct world *w, const struct sup_spec *root)
{
	memset(w, 0, sizeof *w);
	w->tree = sup_tree_new(root);
	cr_assert_not_null(w->tree);
	sup_root(w->tree)->ctx = (void *)"root";
	w->now = 1000000;
	w->exited = -1;
	w->flags = WORLD_AUTO_START | WORLD_AUTO_STOP;
}

void world_new(struct world *w, enum sup_strategy strategy, unsigned intensity, uint32_t period_ms)
{
	struct sup_spec root = super(strategy, SUP_PERMANENT, intensity, period_ms);

	world_new_spec(w, &root);
}

void world_free(struct world *w)
{
	sup_tree_free(w->tree);
}

struct sup_spec worker(enum sup_restart restart)
{
	return (struct sup_spec){ .kind = SUP_WORKER, .restart = restart, .shutdown_ms = 5000 };
}

struct sup_spec super(enum sup_strategy strategy, enum sup_restart restart, unsigned intensity, uint32_t period_ms)
{
	return (struct sup_spec){ .kind = SUP_SUPERVISOR, .strategy = strategy, .restart = restart, .intensity = intensity,
		.period_ms = period_ms, .shutdown_ms = SUP_INFINITY };
}

struct sup_node *add(struct sup_node *parent, const char *name, const struct sup_spec *spec)
{
	struct sup_node *n = sup_add(parent, spec, 0);

	cr_assert_not_null(n, "%s", name);
	n->ctx = (void *)name;
	return n;
}

struct sup_node *root_of(struct world *w)
{
	return sup_root(w->tree);
}

__attribute__((format(printf, 2, 3)))
static void note(struct world *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->log + w->used, sizeof w->log - w->used, fmt, ap);
	va_end(ap);
	if (n > 0 && w->used + (size_t)n < sizeof w->log)
		w->used += (size_t)n;
}

static void push(struct world *w, struct sup_node *n, enum sup_event ev, enum sup_reason reason)
{
	size_t at = w->tail++ % WORLD_NODES;

	w->queue[at].id = n->id;
	w->queue[at].ev = ev;
	w->queue[at].reason = reason;
}

static void obey(struct world *w, const struct sup_action *a)
{
	struct sup_node *n = a->node;
	const char *name = n->ctx, *sep = w->used ? "; " : "";

	cr_assert_lt(n->id, WORLD_NODES);
	switch (a->verb) {
	case SUP_DO_START:
		note(w, "%sstart %s", sep, name);
		cr_assert_eq(w->process[n->id], 0, "%s is started twice", name);
		if (w->mood[n->id] == STILLBORN) {
			push(w, n, SUP_EV_FAILED, SUP_ABNORMAL);
			break;
		}
		w->process[n->id] = 1;
		if ((w->flags & WORLD_AUTO_START) && w->mood[n->id] != SILENT)
			push(w, n, SUP_EV_READY, SUP_NORMAL);
		break;
	case SUP_DO_TERM:
		note(w, "%sterm %s", sep, name);
		cr_assert(w->process[n->id], "%s has no process to end", name);
		if ((w->flags & WORLD_AUTO_STOP) && w->mood[n->id] != STUBBORN)
			push(w, n, SUP_EV_EXITED, SUP_SHUTDOWN);
		break;
	case SUP_DO_KILL:
		note(w, "%skill %s", sep, name);
		cr_assert(w->process[n->id], "%s has no process to kill", name);
		if (w->flags & WORLD_AUTO_STOP)
			push(w, n, SUP_EV_EXITED, SUP_ABNORMAL);
		break;
	case SUP_DO_TIMER:
		w->timer[n->id] = a->ms;
		break;
	case SUP_DO_REPORT:
		note(w, "%sreport %s %s", sep, name, sup_did_name(a->did));
		break;
	case SUP_DO_UP:
		note(w, "%sup %s", sep, name);
		break;
	case SUP_DO_FALL:
		note(w, "%sfall %s", sep, name);
		break;
	case SUP_DO_FORGET:
		note(w, "%sforget %s", sep, name);
		cr_assert_eq(w->process[n->id], 0, "%s is forgotten alive", name);
		cr_assert_eq(w->timer[n->id], 0, "%s is forgotten with a timer", name);
		break;
	case SUP_DO_EXIT:
		note(w, "%sexit %u", sep, a->ms);
		w->exited = (int)a->ms;
		break;
	}
}

static void drain(struct world *w)
{
	struct sup_action a;

	while (sup_next(w->tree, &a))
		obey(w, &a);
}

void settle(struct world *w)
{
	drain(w);
	while (w->head != w->tail) {
		size_t at = w->head++ % WORLD_NODES;
		struct sup_node *n = sup_find(w->tree, w->queue[at].id);

		if (n == NULL)
			continue;
		if (w->queue[at].ev == SUP_EV_EXITED)
			w->process[n->id] = 0;
		sup_event(n, w->queue[at].ev, w->queue[at].reason, w->now);
		drain(w);
	}
}

static void event(struct world *w, struct sup_node *n, enum sup_event ev, enum sup_reason reason)
{
	push(w, n, ev, reason);
	settle(w);
}

void ready(struct world *w, struct sup_node *n)
{
	event(w, n, SUP_EV_READY, SUP_NORMAL);
}

void fail(struct world *w, struct sup_node *n)
{
	w->process[n->id] = 0;
	event(w, n, SUP_EV_FAILED, SUP_ABNORMAL);
}

void die(struct world *w, struct sup_node *n, enum sup_reason reason)
{
	event(w, n, SUP_EV_EXITED, reason);
}

void timeout(struct world *w, struct sup_node *n)
{
	cr_assert_neq(w->timer[n->id], 0, "%s has no timer", (char *)n->ctx);
	w->now += w->timer[n->id];
	w->timer[n->id] = 0;
	event(w, n, SUP_EV_TIMEOUT, SUP_NORMAL);
}

void stop(struct world *w, struct sup_node *n)
{
	sup_stop(n, w->now);
	settle(w);
}

struct sup_node *start_child(struct world *w, struct sup_node *parent, const char *name, const struct sup_spec *spec)
{
	struct sup_node *n = sup_add(parent, spec, 1);

	cr_assert_not_null(n, "%s", name);
	n->ctx = (void *)name;
	cr_assert_eq(sup_start(n, w->now), 0);
	settle(w);
	return n;
}

void boot(struct world *w)
{
	cr_assert_eq(sup_start(root_of(w), w->now), 0);
	settle(w);
	w->used = 0, w->log[0] = '\0';
}

void happened(struct world *w, const char *file, int line, const char *want)
{
	cr_expect_str_eq(w->log, want, "%s:%d\n  want: %s\n  got:  %s", file, line, want, w->log);
	w->used = 0, w->log[0] = '\0';
}

unsigned count_up(struct sup_node *s)
{
	unsigned n = 0;

	LIST_EACH(l, &s->children)
		n += LIST_OF(l, struct sup_node, link)->state == SUP_ST_UP;
	return n;
}
