#include "world.h"

#include <criterion/criterion.h>

/* Restarts that fail before READY where there is a back-off, and the pace of the whole tree. */

static struct world w;

static struct sup_node *a, *b, *c;

static void three(enum sup_strategy strategy, unsigned intensity)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	spec.backoff_min_ms = 100;
	spec.backoff_max_ms = 30000;
	world_new(&w, strategy, intensity, 5000);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	c = add(root_of(&w), "c", &spec);
	boot(&w);
	cr_assert_eq(count_up(root_of(&w)), 3);
}

Test(tree_backoff, at_once_then_later_and_later_for_ever)
{
	uint32_t most = 100;

	three(SUP_ONE_FOR_ONE, 1);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; start b; report b back-off; start b; report b back-off");
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(b->state, SUP_ST_WAITING);
		cr_assert(w.timer[b->id] <= most && w.timer[b->id] >= most - most / 4, "%u ms, not about %u", w.timer[b->id], most);
		cr_assert_eq(b->due_ms, w.now + w.timer[b->id]);
		timeout(&w, b);
		HAPPENED(&w, "start b; report b back-off");
		most = most * 2 < 30000 ? most * 2 : 30000;
	}
	cr_assert_eq(b->fails, 1002);
	cr_assert_eq(w.exited, -1);
	cr_assert_eq(sup_window(root_of(&w), w.now), 0);
	w.mood[b->id] = OBEDIENT;
	timeout(&w, b);
	cr_assert_eq(count_up(root_of(&w)), 3);
	cr_assert_eq(b->fails, 0);
}

Test(tree_backoff, delays_are_not_all_the_same)
{
	uint32_t first = 0;
	int differ = 0;

	three(SUP_ONE_FOR_ONE, 1);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	for (int i = 0; i < 40; i++) {
		timeout(&w, b);
		if (i == 20)
			first = w.timer[b->id];
		differ |= i > 20 && w.timer[b->id] != first;
	}
	cr_assert(differ);
}

Test(tree_backoff, a_crash_after_ready_counts_as_before)
{
	three(SUP_ONE_FOR_ONE, 1);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	w.mood[b->id] = OBEDIENT;
	timeout(&w, b);
	w.used = 0;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b give-up; fall root; term c; report c stop; term a; report a stop; exit 1");
}

Test(tree_backoff, the_first_start_fails_the_supervisor)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	spec.backoff_min_ms = 100, spec.backoff_max_ms = 1000;
	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	a = add(root_of(&w), "a", &spec);
	w.mood[a->id] = STILLBORN;
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "start a; report a fail-start; fall root; exit 1");
}

Test(tree_backoff, siblings_serve_on_and_may_crash)
{
	three(SUP_REST_FOR_ONE, 5);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; term c; report c stop; start b; report b back-off; start b; report b back-off");
	cr_assert_eq(a->state, SUP_ST_UP);
	w.mood[b->id] = OBEDIENT;
	timeout(&w, b);
	HAPPENED(&w, "start b; start c");
	w.mood[c->id] = STILLBORN;
	die(&w, c, SUP_ABNORMAL);
	cr_assert_eq(c->state, SUP_ST_WAITING);
	w.used = 0;
	w.mood[c->id] = OBEDIENT;
	die(&w, a, SUP_ABNORMAL);	/* all to the right of a start with it, c without waiting any longer */
	HAPPENED(&w, "report a restart; term b; report b stop; start a; start b; start c");
	cr_assert_eq(w.timer[c->id], 0);
}

Test(tree_backoff, one_for_all_tries_all_of_them_again)
{
	three(SUP_ONE_FOR_ALL, 5);
	w.mood[b->id] = STILLBORN;
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c restart; term b; report b stop; term a; report a stop; start a; start b; report b back-off; "
	    "term a; report a stop; start a; start b; report b back-off");
	w.mood[b->id] = OBEDIENT;
	timeout(&w, b);
	HAPPENED(&w, "term a; report a stop; start a; start b; start c");
	cr_assert_eq(sup_window(root_of(&w), w.now), 1);
}

Test(tree_backoff, hanging_starts_are_failed_starts)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	spec.backoff_min_ms = 100, spec.backoff_max_ms = 1000, spec.start_ms = 500;
	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	w.mood[a->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	timeout(&w, a);
	HAPPENED(&w, "report a restart; start a; kill a; report a back-off; start a");
	timeout(&w, a);
	HAPPENED(&w, "kill a; report a back-off");
	cr_assert_eq(a->state, SUP_ST_WAITING);
}

Test(tree_backoff, a_supervisor_whose_start_fails_waits_too)
{
	struct sup_spec leaf = worker(SUP_PERMANENT), sub = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);
	struct sup_node *s;

	sub.backoff_min_ms = 100, sub.backoff_max_ms = 1000;
	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	s = add(root_of(&w), "s", &sub);
	a = add(s, "a", &leaf);
	b = add(root_of(&w), "b", &leaf);
	boot(&w);
	w.mood[a->id] = STILLBORN;
	die(&w, a, SUP_ABNORMAL);	/* s gives up, the root restarts it */
	HAPPENED(&w, "report a give-up; fall s; report s restart; start a; report a fail-start; fall s; report s back-off; "
	    "start a; report a fail-start; fall s; report s back-off");
	cr_assert_eq(s->state, SUP_ST_WAITING);
	cr_assert_eq(b->state, SUP_ST_UP);
	for (int i = 0; i < 100; i++)
		timeout(&w, s);
	cr_assert_eq(w.exited, -1);
	w.mood[a->id] = OBEDIENT;
	timeout(&w, s);
	cr_assert_eq(s->state, SUP_ST_UP);
	cr_assert_eq(s->fails, 0);
}

Test(tree_backoff, stop_while_waiting)
{
	three(SUP_ONE_FOR_ONE, 1);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	w.used = 0;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c; report c stop; term a; report a stop; exit 0");
	cr_assert_eq(w.timer[b->id], 0);
}

Test(tree_backoff, one_that_waits_can_be_removed)
{
	three(SUP_ONE_FOR_ONE, 1);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	w.used = 0;
	stop(&w, b);
	HAPPENED(&w, "forget b");
}

Test(tree_backoff, backoff_must_grow)
{
	struct sup_spec root = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 1), spec = worker(SUP_PERMANENT);

	spec.backoff_max_ms = 100;
	cr_assert_not_null(sup_check(&root, &spec));
	spec.backoff_min_ms = 101;
	cr_assert_not_null(sup_check(&root, &spec));
	spec.backoff_min_ms = 100;
	cr_assert_null(sup_check(&root, &spec));
	root.period_ms = 0;
	cr_assert_not_null(sup_check(NULL, &root));
}

/* ---- the pace ------------------------------------------------------------------------ */

Test(tree_backoff, a_crash_loop_is_paced_whatever_the_intensity)
{
	unsigned starts = 0;
	uint64_t end;

	three(SUP_ONE_FOR_ONE, SUP_INTENSITY_MAX);
	for (end = w.now + 60000; w.now < end; starts++) {
		if (b->state == SUP_ST_WAITING)
			timeout(&w, b);
		cr_assert_eq(b->state, SUP_ST_UP);
		die(&w, b, SUP_ABNORMAL);	/* at once */
		w.used = 0;
	}
	cr_assert_leq(starts, SUP_PACE_BURST + 60000 / SUP_PACE_MS + 1);
	cr_assert_geq(starts, 60000 / SUP_PACE_MS);
	cr_assert_eq(w.exited, -1);
	cr_assert_eq(count_up(root_of(&w)) + (b->state == SUP_ST_WAITING), 3);
}

Test(tree_backoff, a_paced_restart_counts_once)
{
	three(SUP_ONE_FOR_ONE, 12);
	for (unsigned i = 0; i < SUP_PACE_BURST; i++)
		die(&w, a, SUP_ABNORMAL);
	cr_assert_eq(a->state, SUP_ST_UP);
	w.used = 0;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart");
	cr_assert_eq(w.timer[a->id], SUP_PACE_MS);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart");
	cr_assert_eq(w.timer[b->id], 2 * SUP_PACE_MS);
	timeout(&w, a);
	HAPPENED(&w, "start a");
	cr_assert_eq(sup_window(root_of(&w), w.now), SUP_PACE_BURST + 2);
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c give-up; fall root; term a; report a stop; exit 1");
}

Test(tree_backoff, temporary_children_have_no_pace)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 0, 1000);
	boot(&w);
	for (int i = 0; i < 200; i++)
		die(&w, start_child(&w, root_of(&w), "x", &spec), SUP_ABNORMAL);
	w.used = 0;
	start_child(&w, root_of(&w), "y", &spec);
	HAPPENED(&w, "start y");
}

/* A child that was ended because we had no memory to serve it with is no crash, however often. */
Test(tree_backoff, our_own_want_is_nobodys_crash)
{
	three(SUP_REST_FOR_ONE, 1);
	for (int i = 0; i < 1000; i++) {
		w.used = 0;
		die(&w, b, SUP_STARVED);
		HAPPENED(&w, "report b back-off");
		cr_assert_eq(b->state, SUP_ST_WAITING);
		cr_assert_eq(w.timer[b->id], 100);
		cr_assert_eq(c->state, SUP_ST_UP, "its neighbours serve on meanwhile");
		timeout(&w, b);
		HAPPENED(&w, "term c; report c stop; start b; start c");
		cr_assert_eq(count_up(root_of(&w)), 3);
	}
	cr_assert_eq(sup_window(root_of(&w), w.now), 0);
	cr_assert_eq(w.exited, -1);
	w.used = 0;
	die(&w, b, SUP_ABNORMAL);
	cr_assert_eq(count_up(root_of(&w)), 3);
	cr_assert_eq(sup_window(root_of(&w), w.now), 1, "a crash is one as ever");
}

Test(tree_backoff, our_own_want_counts_where_there_is_no_back_off)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	die(&w, a, SUP_STARVED);
	HAPPENED(&w, "report a restart; start a");
	die(&w, a, SUP_STARVED);
	cr_assert_eq(w.exited, 1);
}

Test(tree_backoff, our_own_want_brings_a_transient_child_back_and_a_temporary_one_not)
{
	struct sup_spec t = worker(SUP_TRANSIENT), once = worker(SUP_TEMPORARY);

	t.backoff_min_ms = 100;
	t.backoff_max_ms = 30000;
	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	a = add(root_of(&w), "a", &t);
	b = add(root_of(&w), "b", &once);
	boot(&w);
	die(&w, a, SUP_STARVED);
	die(&w, b, SUP_STARVED);
	timeout(&w, a);
	cr_assert_eq(a->state, SUP_ST_UP);
	cr_assert_eq(b->state, SUP_ST_DOWN);
}
