#include "world.h"

#include <criterion/criterion.h>

/* terminate_child, restart_child, delete_child, start_child, count_children: supervisor(3erl), and new specifications for live nodes. */

static struct world w;

static struct sup_node *a, *b, *c;

static void three(enum sup_strategy strategy, enum sup_restart restart, unsigned intensity)
{
	struct sup_spec spec = worker(restart);

	spec.backoff_min_ms = 100, spec.backoff_max_ms = 1000;
	world_new(&w, strategy, intensity, 5000);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	c = add(root_of(&w), "c", &spec);
	boot(&w);
	cr_assert_eq(count_up(root_of(&w)), 3);
}

static void refused(enum sup_refusal got, enum sup_refusal want)
{
	cr_assert_eq(got, want, "%s, not %s", sup_refusal_name(got), sup_refusal_name(want));
	settle(&w);
}

#define TERMINATE(n, want)  refused(sup_terminate(n, w.now), want)
#define RESTART(n, want)    refused(sup_restart_child(n, w.now), want)
#define DELETE(n, want)     refused(sup_delete(n, w.now), want)
#define AGAIN(n, want)      refused(sup_start_again(n, w.now), want)

static void counts(unsigned specs, unsigned active, unsigned supervisors, unsigned workers)
{
	struct sup_count n = sup_count_children(root_of(&w));

	cr_assert(n.specs == specs && n.active == active && n.supervisors == supervisors && n.workers == workers,
	    "specs %u active %u supervisors %u workers %u", n.specs, n.active, n.supervisors, n.workers);
}

Test(tree_child, terminate_keeps_the_specification)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	TERMINATE(b, SUP_ALLOWED);
	HAPPENED(&w, "term b; report b stop");
	cr_assert_eq(b->state, SUP_ST_DOWN);
	counts(3, 2, 0, 3);
	TERMINATE(b, SUP_ALLOWED);	/* OTP: ok again */
	HAPPENED(&w, "");
	cr_assert_eq(sup_window(root_of(&w), w.now), 0);
	RESTART(b, SUP_ALLOWED);
	HAPPENED(&w, "start b");
	counts(3, 3, 0, 3);
	cr_assert_eq(b->restarts, 0);
}

Test(tree_child, restart_of_one_that_runs)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	RESTART(b, SUP_RUNNING);
	DELETE(b, SUP_RUNNING);
	w.flags = 0;
	TERMINATE(b, SUP_ALLOWED);
	RESTART(b, SUP_RUNNING);	/* not gone yet */
	HAPPENED(&w, "term b");
}

Test(tree_child, one_that_is_restarting)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	w.mood[b->id] = SILENT;
	die(&w, b, SUP_ABNORMAL);
	RESTART(b, SUP_RESTARTING);
	fail(&w, b);
	fail(&w, b);
	cr_assert_eq(b->state, SUP_ST_WAITING);
	RESTART(b, SUP_RESTARTING);
	DELETE(b, SUP_RESTARTING);
	AGAIN(b, SUP_RESTARTING);
	counts(3, 2, 0, 3);
	w.used = 0;
	TERMINATE(b, SUP_ALLOWED);
	cr_assert_eq(b->state, SUP_ST_DOWN);
	cr_assert_eq(w.timer[b->id], 0);
	w.mood[b->id] = OBEDIENT;
	RESTART(b, SUP_ALLOWED);
	HAPPENED(&w, "start b");
}

Test(tree_child, restart_that_fails_is_an_answer_and_no_restart)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0);
	TERMINATE(b, SUP_ALLOWED);
	w.mood[b->id] = STILLBORN;
	RESTART(b, SUP_ALLOWED);
	HAPPENED(&w, "term b; report b stop; start b; report b fail-start");
	cr_assert_eq(b->state, SUP_ST_DOWN);
	cr_assert_eq(root_of(&w)->state, SUP_ST_UP);
	w.mood[b->id] = OBEDIENT;
	RESTART(b, SUP_ALLOWED);
	cr_assert_eq(b->state, SUP_ST_UP);
}

Test(tree_child, a_restarted_one_crashes_as_any_other)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	TERMINATE(b, SUP_ALLOWED);
	RESTART(b, SUP_ALLOWED);
	w.used = 0;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; start b");
}

Test(tree_child, terminate_while_starting_by_hand)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	TERMINATE(b, SUP_ALLOWED);
	w.mood[b->id] = SILENT;
	RESTART(b, SUP_ALLOWED);
	RESTART(b, SUP_RUNNING);
	TERMINATE(b, SUP_ALLOWED);
	HAPPENED(&w, "term b; report b stop; start b; term b; report b stop");
	w.mood[b->id] = OBEDIENT;
	RESTART(b, SUP_ALLOWED);
	cr_assert_eq(b->state, SUP_ST_UP);
}

Test(tree_child, delete_and_start_again)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	AGAIN(b, SUP_STARTED);
	TERMINATE(b, SUP_ALLOWED);
	AGAIN(b, SUP_PRESENT);
	DELETE(b, SUP_ALLOWED);
	counts(2, 2, 0, 2);
	TERMINATE(b, SUP_NOT_FOUND);
	RESTART(b, SUP_NOT_FOUND);
	DELETE(b, SUP_NOT_FOUND);
	w.used = 0;
	w.mood[b->id] = STILLBORN;
	AGAIN(b, SUP_ALLOWED);
	HAPPENED(&w, "start b; report b remove");
	RESTART(b, SUP_NOT_FOUND);
	w.mood[b->id] = OBEDIENT;
	AGAIN(b, SUP_ALLOWED);
	HAPPENED(&w, "start b");
	counts(3, 3, 0, 3);
}

Test(tree_child, delete_of_a_dynamic_one_forgets_it)
{
	struct sup_spec spec = worker(SUP_PERMANENT);
	struct sup_node *d;

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	d = start_child(&w, root_of(&w), "d", &spec);
	TERMINATE(d, SUP_ALLOWED);
	counts(4, 3, 0, 4);
	w.used = 0;
	DELETE(d, SUP_ALLOWED);
	HAPPENED(&w, "forget d");
	counts(3, 3, 0, 3);
}

Test(tree_child, temporary_ones_are_gone_when_terminated)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);
	struct sup_node *d;

	three(SUP_ONE_FOR_ONE, SUP_TEMPORARY, 1);
	TERMINATE(b, SUP_ALLOWED);
	RESTART(b, SUP_NOT_FOUND);
	counts(2, 2, 0, 2);
	d = start_child(&w, root_of(&w), "d", &spec);
	w.used = 0;
	TERMINATE(d, SUP_ALLOWED);
	HAPPENED(&w, "term d; report d stop; forget d");
}

Test(tree_child, a_temporary_one_terminated_and_started_again_is_terminated_no_more)
{
	three(SUP_ONE_FOR_ALL, SUP_TEMPORARY, 1);
	TERMINATE(b, SUP_ALLOWED);
	AGAIN(b, SUP_ALLOWED);
	cr_assert_eq(b->state, SUP_ST_UP);
	cr_assert_eq(b->held, 0);
}

Test(tree_child, simple_one_for_one)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 0, 1000);
	boot(&w);
	counts(1, 0, 0, 0);
	a = start_child(&w, root_of(&w), "a", &spec);
	b = start_child(&w, root_of(&w), "b", &spec);
	counts(1, 2, 0, 2);
	RESTART(a, SUP_SIMPLE);
	DELETE(a, SUP_SIMPLE);
	w.used = 0;
	TERMINATE(a, SUP_ALLOWED);	/* by pid, as OTP allows */
	HAPPENED(&w, "term a; report a stop; forget a");
	counts(1, 1, 0, 1);
}

Test(tree_child, the_root_is_nobodys_child)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	TERMINATE(root_of(&w), SUP_IS_ROOT);
	RESTART(root_of(&w), SUP_IS_ROOT);
	DELETE(root_of(&w), SUP_IS_ROOT);
	AGAIN(root_of(&w), SUP_IS_ROOT);
}

Test(tree_child, as_in_otp_a_restart_of_all_brings_a_terminated_one_back)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 1);
	TERMINATE(b, SUP_ALLOWED);
	w.used = 0;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c; report c stop; start a; start b; start c");
}

Test(tree_child, terminated_in_the_middle_of_a_restart_it_stays_down)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 1);
	w.mood[b->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c; report c stop; term b; report b stop; start a; start b");
	RESTART(c, SUP_NOT_NOW);
	TERMINATE(b, SUP_ALLOWED);
	HAPPENED(&w, "term b; report b stop; start c");
	cr_assert_eq(b->state, SUP_ST_DOWN);
	cr_assert_eq(c->state, SUP_ST_UP);
}

Test(tree_child, a_supervisor_and_all_below)
{
	struct sup_spec leaf = worker(SUP_PERMANENT), sub = super(SUP_REST_FOR_ONE, SUP_PERMANENT, 1, 5000);
	struct sup_node *s;

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	s = add(root_of(&w), "s", &sub);
	a = add(s, "a", &leaf);
	b = add(s, "b", &leaf);
	boot(&w);
	TERMINATE(a, SUP_ALLOWED);
	DELETE(a, SUP_ALLOWED);
	w.used = 0;
	TERMINATE(s, SUP_ALLOWED);
	HAPPENED(&w, "fall s; term b; report b stop; report s stop");
	RESTART(b, SUP_NOT_NOW);
	TERMINATE(b, SUP_NOT_NOW);
	RESTART(s, SUP_ALLOWED);	/* it starts as it was specified */
	HAPPENED(&w, "start a; start b; up s");
	TERMINATE(s, SUP_ALLOWED);
	w.mood[b->id] = STILLBORN;
	w.used = 0;
	RESTART(s, SUP_ALLOWED);
	HAPPENED(&w, "start a; start b; report b fail-start; fall s; term a; report a stop; report s fail-start");
	cr_assert_eq(root_of(&w)->state, SUP_ST_UP);
	DELETE(s, SUP_ALLOWED);
	w.mood[b->id] = OBEDIENT;
	AGAIN(s, SUP_ALLOWED);
	cr_assert_eq(s->state, SUP_ST_UP);
}

/* ---- new specifications ------------------------------------------------------------------- */

Test(tree_child, respec_holds_from_now_on)
{
	struct sup_spec spec;

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1);
	spec = root_of(&w)->spec;
	spec.intensity = 500;
	cr_assert_null(sup_respec(root_of(&w), &spec));
	for (int i = 0; i < 5; i++)
		die(&w, a, SUP_ABNORMAL);
	cr_assert_eq(count_up(root_of(&w)), 3);
	spec = b->spec;
	spec.restart = SUP_TEMPORARY;
	spec.shutdown_ms = 7;
	cr_assert_null(sup_respec(b, &spec));
	w.used = 0;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b remove");
	spec = root_of(&w)->spec;
	spec.intensity = 2;		/* five stand in the window already */
	cr_assert_null(sup_respec(root_of(&w), &spec));
	cr_assert_eq(w.exited, -1);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall root; term c; report c stop; exit 1");
}

Test(tree_child, respec_refuses_what_a_new_child_would_be_refused)
{
	struct sup_spec root = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000), sig = worker(SUP_TRANSIENT), other;

	root.auto_shutdown = SUP_ANY_SIGNIFICANT;
	world_new_spec(&w, &root);
	sig.significant = 1;
	a = add(root_of(&w), "a", &sig);
	boot(&w);
	other = sig;
	other.restart = SUP_PERMANENT;
	cr_assert_not_null(sup_respec(a, &other));
	cr_assert_eq(a->spec.restart, SUP_TRANSIENT);
	other = root;
	other.intensity = SUP_INTENSITY_MAX + 1;
	cr_assert_not_null(sup_respec(root_of(&w), &other));
	other.intensity = 5;
	other.auto_shutdown = SUP_NEVER;	/* the design's: it stays */
	cr_assert_null(sup_respec(root_of(&w), &other));
	cr_assert_eq(root_of(&w)->spec.auto_shutdown, SUP_ANY_SIGNIFICANT);
}
