#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/tree_internal.h"

/* Random trees under random storms of events: what must be true after every step, whatever happens. */

static struct world w;
static uint64_t seed;

static unsigned roll(unsigned n)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;	/* xorshift64 */
	return (unsigned)(seed >> 11) % n;
}

static struct sup_spec any_spec(const struct sup_spec *parent, enum sup_kind kind)
{
	struct sup_spec s = {
		.kind = kind, .restart = roll(3), .shutdown_ms = (uint32_t[]){ 0, 100, SUP_INFINITY }[roll(3)],
		.start_ms = roll(2) ? 1000 : 0, .strategy = roll(4), .auto_shutdown = roll(3), .intensity = roll(6),
		.period_ms = 1 + roll(5000),
	};

	if (roll(2)) {
		s.backoff_min_ms = 1 + roll(200);
		s.backoff_max_ms = s.backoff_min_ms + roll(2000);
	}
	s.significant = roll(3) == 0;
	if (sup_check(parent, &s) != NULL)
		s.significant = 0;
	return s;
}

static void grow(struct sup_node *parent, unsigned depth)
{
	for (unsigned i = 1 + roll(4); i > 0; i--) {
		struct sup_spec s = any_spec(&parent->spec, depth > 0 && roll(3) == 0 ? SUP_SUPERVISOR : SUP_WORKER);
		struct sup_node *n = add(parent, "n", &s);

		if (s.kind == SUP_SUPERVISOR)
			grow(n, depth - 1);
	}
}

static int runs(const struct sup_node *n)
{
	return n->state != SUP_ST_DOWN && n->state != SUP_ST_DEAD && n->state != SUP_ST_RETRY && n->state != SUP_ST_WAITING;
}

/* The node and everything below; returns how many nodes there are. */
static unsigned check(struct sup_node *n)
{
	unsigned count = 1;
	int seen_down = 0;

	cr_assert_eq(sup_find(w.tree, n->id), n, "lost node %lu", (unsigned long)n->id);
	if (n->spec.kind == SUP_WORKER)
		cr_assert_eq(w.process[n->id] != 0, runs(n) && w.process[n->id], "process without a running node");
	if (n->spec.kind == SUP_WORKER && n->state == SUP_ST_UP)
		cr_assert(w.process[n->id]);
	if (n->timed)
		cr_assert(n->state == SUP_ST_STARTING || n->state == SUP_ST_STOPPING || n->state == SUP_ST_WAITING, "timer in state %s", sup_state_name(n->state));
	if (n->spec.kind == SUP_SUPERVISOR)
		cr_assert_leq(n->window_used, n->window_room);
	/* OTP: what was deleted, or was temporary and is terminated, does not run; what waits does so with a timer */
	if (n->gone)
		cr_assert_eq(n->state, SUP_ST_DOWN);
	if (n->held)
		cr_assert(!runs(n) || n->state == SUP_ST_STOPPING || n->state == SUP_ST_KILLING, "terminated, and %s", sup_state_name(n->state));
	if (n->state == SUP_ST_WAITING)
		cr_assert(n->timed && n->due_ms >= w.now - 300 * 300, "waits for nothing");
	if (n->byhand)
		cr_assert(n->state != SUP_ST_UP && n->state != SUP_ST_RETRY && n->state != SUP_ST_WAITING);
	LIST_EACH(l, &n->children) {
		struct sup_node *c = LIST_OF(l, struct sup_node, link);

		cr_assert(runs(n) || !runs(c), "a running child under a supervisor that is %s", sup_state_name(n->state));
		if (n->state == SUP_ST_STARTING && n->spec.strategy != SUP_SIMPLE_ONE_FOR_ONE && !c->gone) {
			/* order: nobody runs to the right of one that was not started yet */
			cr_assert(!(seen_down && runs(c)), "started out of order");
			seen_down |= c->state == SUP_ST_DOWN || c->state == SUP_ST_STARTING;
		}
		count += check(c);
	}
	return count;
}

static struct sup_node *pick(void)
{
	return sup_find(w.tree, 1 + roll((unsigned)400));
}

static struct sup_node *pick_supervisor(void)
{
	for (int i = 0; i < 50; i++) {
		struct sup_node *n = pick();

		if (n != NULL && n->spec.kind == SUP_SUPERVISOR)
			return n;
	}
	return root_of(&w);
}

/* OTP's functions on any node at any time; what they promise holds at once. */
static void command(struct sup_node *n)
{
	uint64_t id = n->id;
	unsigned what = roll(5);
	enum sup_state was = n->state;
	enum sup_refusal no;
	struct sup_spec s;

	switch (what) {
	case 0:
		no = sup_terminate(n, w.now);
		cr_assert(no == SUP_ALLOWED || no == SUP_NOT_FOUND || no == SUP_NOT_NOW || no == SUP_IS_ROOT);
		break;
	case 1:
		no = sup_restart_child(n, w.now);
		cr_assert(no != SUP_ALLOWED || was == SUP_ST_DOWN);
		break;
	case 2:
		no = sup_delete(n, w.now);
		cr_assert(no != SUP_ALLOWED || was == SUP_ST_DOWN);
		cr_assert(no != SUP_ALLOWED || sup_find(w.tree, id) == NULL || n->gone);
		break;
	case 3:
		no = sup_start_again(n, w.now);
		break;
	default:
		s = any_spec(n->parent != NULL ? &n->parent->spec : NULL, n->spec.kind);
		sup_respec(n, &s);
	}
	settle(&w);
}

static void something(void)
{
	struct sup_node *n = pick();
	struct sup_spec s;

	w.now += roll(300);
	if (n == NULL)
		return;
	switch (roll(15)) {
	case 0: case 1: case 2: case 3:
		if (n->spec.kind == SUP_WORKER && w.process[n->id])
			die(&w, n, roll(3));
		break;
	case 4: case 5:
		if (w.process[n->id])
			ready(&w, n);
		break;
	case 6: case 7:
		if (w.timer[n->id])
			timeout(&w, n);
		break;
	case 8:
		if (n->parent != NULL && roll(4) == 0)
			stop(&w, n);
		break;
	case 9:
		n = pick_supervisor();
		s = any_spec(&n->spec, SUP_WORKER);
		if (n->state == SUP_ST_UP && n->id < 300)
			start_child(&w, n, "d", &s);
		break;
	case 10:
		w.mood[n->id] = roll(4);
		break;
	case 11: case 12:
		command(n);
		break;
	default:		/* any event at any time must be harmless */
		if (n->spec.kind == SUP_SUPERVISOR || !w.process[n->id]) {
			if (n->state != SUP_ST_STARTING && n->state != SUP_ST_ABORTING && n->state != SUP_ST_STOPPING
			    && n->state != SUP_ST_WAITING)	/* a timer's end is timeout()'s */
				sup_event(n, roll(SUP_EV_COUNT), roll(3), w.now);
			settle(&w);
		}
	}
}

/* Whatever is left obeys at last: the tree must come to its end, and nothing may be lost on the way. */
static void end_all(void)
{
	memset(w.mood, 0, sizeof w.mood);
	w.flags = WORLD_AUTO_START | WORLD_AUTO_STOP;
	stop(&w, root_of(&w));
	for (unsigned id = 1; id < WORLD_NODES && w.exited < 0; id++)
		if (w.process[id] && sup_find(w.tree, id) != NULL)
			die(&w, sup_find(w.tree, id), SUP_ABNORMAL);
	for (unsigned round = 0; round < 1000 && w.exited < 0; round++)
		for (unsigned id = 1; id < 500; id++)
			if (w.process[id])
				die(&w, sup_find(w.tree, id), SUP_ABNORMAL);
	cr_assert_geq(w.exited, 0, "the tree does not end");
	for (unsigned id = 0; id < WORLD_NODES; id++)
		cr_assert_eq(w.process[id], 0, "process of node %u is left over", id);
}

Test(tree_random, invariants_hold)
{
	for (unsigned round = 1; round <= 600; round++) {
		struct sup_spec root = { .kind = SUP_SUPERVISOR, .intensity = 1 + round % 200, .period_ms = 1 + round % 5000 };

		seed = 0x9e3779b97f4a7c15u * round;
		root.strategy = roll(4);
		root.auto_shutdown = roll(3);
		world_new_spec(&w, &root);
		w.flags = roll(4);
		grow(root_of(&w), 3);
		sup_start(root_of(&w), w.now);
		settle(&w);
		for (unsigned i = 0; i < 300 && w.exited < 0; i++) {
			w.used = 0;
			something();
			cr_assert_eq(check(root_of(&w)), w.tree->nodes.used, "a node is out of reach");
		}
		if (w.exited < 0)
			end_all();
		for (unsigned id = 0; id < WORLD_NODES; id++)
			cr_assert_eq(w.process[id], 0, "round %u: process of node %u is left over", round, id);
		world_free(&w);
	}
}
