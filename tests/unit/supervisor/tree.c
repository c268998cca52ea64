#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Cases from OTP's supervisor(3erl) and from what its supervisor_SUITE covers; names as there where there is one. */

static struct world w;		/* one test, one process */

static struct sup_node *a, *b, *c;

/* Three workers of one kind under the root, started. */
static void three(enum sup_strategy strategy, enum sup_restart restart, unsigned intensity, uint32_t period_ms)
{
	struct sup_spec spec = worker(restart);

	world_new(&w, strategy, intensity, period_ms);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	c = add(root_of(&w), "c", &spec);
	boot(&w);
	cr_assert_eq(count_up(root_of(&w)), 3);
}

TestSuite(tree);

/* ---- the table ------------------------------------------------------------------ */

Test(tree, every_cell_has_an_answer)
{
	for (int kind = SUP_WORKER; kind <= SUP_SUPERVISOR; kind++)
		for (int s = 0; s < SUP_ST_COUNT; s++)
			for (int e = 0; e < SUP_EV_COUNT; e++)
				cr_assert_not_null(sup_cell_name(kind, s, e), "%s on %s", sup_state_name(s), sup_event_name(e));
	cr_assert_null(sup_cell_name(SUP_WORKER, SUP_ST_COUNT, 0));
	cr_assert_null(sup_cell_name(SUP_WORKER, 0, SUP_EV_COUNT));
}

/* ---- starting and stopping --------------------------------------------------------- */

Test(tree, starts_left_to_right_waiting_for_ready)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	w.flags = 0;
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "start a");
	ready(&w, a);
	HAPPENED(&w, "start b");
	cr_assert_eq(root_of(&w)->state, SUP_ST_STARTING);
	ready(&w, b);
	HAPPENED(&w, "up root");
	cr_assert_eq(root_of(&w)->state, SUP_ST_UP);
}

Test(tree, stops_right_to_left_one_at_a_time)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	w.flags = 0;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c");
	die(&w, c, SUP_NORMAL);
	HAPPENED(&w, "report c stop; term b");
	die(&w, b, SUP_SHUTDOWN);
	HAPPENED(&w, "report b stop; term a");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a stop; exit 0");
}

Test(tree, no_children)
{
	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "up root");
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; exit 0");
}

Test(tree, child_that_dies_before_ready_at_boot_stops_the_others_and_fails)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	c = add(root_of(&w), "c", &spec);
	w.mood[b->id] = SILENT;
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "start a; start b");
	die(&w, b, SUP_NORMAL);
	HAPPENED(&w, "report b fail-start; fall root; term a; report a stop; exit 1");
}

Test(tree, child_that_cannot_be_started_at_boot)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);

	world_new(&w, SUP_ONE_FOR_ALL, 5, 5000);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	w.mood[b->id] = STILLBORN;
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "start a; start b; report b fail-start; fall root; term a; report a stop; exit 1");
}

Test(tree, hanging_start_is_killed_and_is_a_failed_start)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	spec.start_ms = 3000;
	a = add(root_of(&w), "a", &spec);
	w.mood[a->id] = SILENT;
	sup_start(root_of(&w), w.now);
	settle(&w);
	cr_assert_eq(w.timer[a->id], 3000);
	timeout(&w, a);
	HAPPENED(&w, "start a; kill a; report a fail-start; fall root; exit 1");
}

Test(tree, ready_cancels_the_start_timer)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	spec.start_ms = 3000;
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	cr_assert_eq(w.timer[a->id], 0);
	cr_assert_eq(a->state, SUP_ST_UP);
}

Test(tree, stop_while_starting)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	a = add(root_of(&w), "a", &spec);
	b = add(root_of(&w), "b", &spec);
	w.mood[a->id] = SILENT;
	boot(&w);
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term a; report a stop; exit 0");
}

/* ---- shutdown ---------------------------------------------------------------------- */

Test(tree, shutdown_brutal_kill)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	spec.shutdown_ms = SUP_BRUTAL_KILL;
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; kill a; report a stop; exit 0");
}

Test(tree, shutdown_timeout_then_kill)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	w.mood[c->id] = STUBBORN;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c");
	cr_assert_eq(w.timer[c->id], 5000);
	timeout(&w, c);
	HAPPENED(&w, "kill c; report c stop; term b; report b stop; term a; report a stop; exit 0");
}

Test(tree, shutdown_infinity_has_no_timer)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	spec.shutdown_ms = SUP_INFINITY;
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	w.mood[a->id] = STUBBORN;
	stop(&w, root_of(&w));
	cr_assert_eq(w.timer[a->id], 0);
	HAPPENED(&w, "fall root; term a");
	die(&w, a, SUP_NORMAL);
	HAPPENED(&w, "report a stop; exit 0");
}

Test(tree, exit_in_time_cancels_the_timer)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	stop(&w, root_of(&w));
	cr_assert_eq(w.timer[a->id] + w.timer[b->id] + w.timer[c->id], 0);
}

Test(tree, second_stop_changes_nothing)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	w.flags = 0;
	stop(&w, root_of(&w));
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c");
}

Test(tree, crash_while_stopping)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	w.flags = 0;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c");
	die(&w, a, SUP_ABNORMAL);		/* not its turn yet; must not be restarted */
	HAPPENED(&w, "");
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c stop; term b");
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b stop; report a stop; exit 0");
}

Test(tree, supervisor_with_shutdown_time_is_killed_with_all_below)
{
	struct sup_spec spec = worker(SUP_PERMANENT), sub = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	struct sup_node *s, *t;

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	sub.shutdown_ms = 100;
	s = add(root_of(&w), "s", &sub);
	spec.shutdown_ms = SUP_INFINITY;
	a = add(s, "a", &spec);
	t = add(s, "t", &sub);
	b = add(t, "b", &spec);
	boot(&w);
	w.mood[a->id] = w.mood[b->id] = STUBBORN;
	t->spec.shutdown_ms = SUP_INFINITY;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; fall s; fall t; term b");
	timeout(&w, s);
	HAPPENED(&w, "kill a; kill b; report a stop; report b stop; report t stop; report s stop; exit 0");
}

/* ---- restart types × reasons: permanent_normal ... temporary_abnormal ------------------ */

static void one_dies(enum sup_restart restart, enum sup_reason reason, const char *want)
{
	three(SUP_ONE_FOR_ONE, restart, 1, 5000);
	die(&w, b, reason);
	HAPPENED(&w, want);
}

Test(tree, permanent_normal)   { one_dies(SUP_PERMANENT, SUP_NORMAL, "report b restart; start b"); }
Test(tree, permanent_shutdown) { one_dies(SUP_PERMANENT, SUP_SHUTDOWN, "report b restart; start b"); }
Test(tree, permanent_abnormal) { one_dies(SUP_PERMANENT, SUP_ABNORMAL, "report b restart; start b"); }
Test(tree, transient_normal)   { one_dies(SUP_TRANSIENT, SUP_NORMAL, "report b leave"); cr_assert_eq(b->state, SUP_ST_DOWN); }
Test(tree, transient_shutdown) { one_dies(SUP_TRANSIENT, SUP_SHUTDOWN, "report b leave"); cr_assert_eq(b->state, SUP_ST_DOWN); }
Test(tree, transient_abnormal) { one_dies(SUP_TRANSIENT, SUP_ABNORMAL, "report b restart; start b"); }
Test(tree, temporary_normal)   { one_dies(SUP_TEMPORARY, SUP_NORMAL, "report b remove"); }
Test(tree, temporary_shutdown) { one_dies(SUP_TEMPORARY, SUP_SHUTDOWN, "report b remove"); }
Test(tree, temporary_abnormal) { one_dies(SUP_TEMPORARY, SUP_ABNORMAL, "report b remove"); }

Test(tree, restarts_are_counted_for_the_child)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 3, 5000);
	die(&w, b, SUP_ABNORMAL);
	die(&w, b, SUP_ABNORMAL);
	cr_assert_eq(b->restarts, 2);
	cr_assert_eq(a->restarts, 0);
	cr_assert_eq(sup_window(root_of(&w), w.now), 2);
}

Test(tree, temporary_children_never_count)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 0, 1000);
	boot(&w);
	for (int i = 0; i < 1000; i++)
		die(&w, start_child(&w, root_of(&w), "x", &spec), SUP_ABNORMAL);
	cr_assert_eq(sup_window(root_of(&w), w.now), 0);
	cr_assert_eq(w.exited, -1);
	cr_assert_eq(root_of(&w)->state, SUP_ST_UP);
}

/* ---- strategies and their escalation ------------------------------------------------------ */

Test(tree, one_for_one)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a");
	cr_assert_eq(count_up(root_of(&w)), 3);
}

Test(tree, one_for_one_escalation)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall root; term c; report c stop; term b; report b stop; exit 1");
}

Test(tree, one_for_all)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 1, 5000);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; term c; report c stop; term a; report a stop; start a; start b; start c");
	cr_assert_eq(count_up(root_of(&w)), 3);
	cr_assert_eq(sup_window(root_of(&w), w.now), 1);
}

Test(tree, one_for_all_escalation)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 1, 5000);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; term c; report c stop; term a; report a stop; start a; start b; start c");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall root; term c; report c stop; term b; report b stop; exit 1");
}

Test(tree, rest_for_one_restarts_only_later_ones)
{
	three(SUP_REST_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; term c; report c stop; start b; start c");
	cr_assert_eq(count_up(root_of(&w)), 3);
}

Test(tree, rest_for_one_last_child_alone)
{
	three(SUP_REST_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c restart; start c");
}

Test(tree, rest_for_one_escalation)
{
	three(SUP_REST_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c; report c stop; term b; report b stop; start a; start b; start c");
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b give-up; fall root; term c; report c stop; term a; report a stop; exit 1");
}

Test(tree, simple_one_for_one)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 1, 5000);
	boot(&w);
	a = start_child(&w, root_of(&w), "a", &spec);
	b = start_child(&w, root_of(&w), "b", &spec);
	HAPPENED(&w, "start a; start b");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a");
	cr_assert_eq(count_up(root_of(&w)), 2);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b give-up; fall root; term a; report a stop; forget a; forget b; exit 1");
}

Test(tree, simple_one_for_one_stops_all_at_once)
{
	struct sup_spec spec = worker(SUP_TEMPORARY);

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 1, 5000);
	boot(&w);
	a = start_child(&w, root_of(&w), "a", &spec);
	b = start_child(&w, root_of(&w), "b", &spec);
	w.flags = 0;
	HAPPENED(&w, "start a; start b");
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term a; term b");
	die(&w, b, SUP_SHUTDOWN);
	HAPPENED(&w, "report b stop; forget b");
	die(&w, a, SUP_SHUTDOWN);
	HAPPENED(&w, "report a stop; forget a; exit 0");
}

Test(tree, one_for_all_removes_temporary_ones)
{
	struct sup_spec perm = worker(SUP_PERMANENT), temp = worker(SUP_TEMPORARY);

	world_new(&w, SUP_ONE_FOR_ALL, 1, 5000);
	a = add(root_of(&w), "a", &perm);
	b = add(root_of(&w), "b", &temp);
	boot(&w);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term b; report b stop; start a");
	cr_assert_eq(b->state, SUP_ST_DOWN);
}

Test(tree, one_for_all_starts_a_transient_one_that_had_ended_well)
{
	struct sup_spec perm = worker(SUP_PERMANENT), tran = worker(SUP_TRANSIENT);

	world_new(&w, SUP_ONE_FOR_ALL, 1, 5000);
	a = add(root_of(&w), "a", &perm);
	b = add(root_of(&w), "b", &tran);
	boot(&w);
	die(&w, b, SUP_NORMAL);
	HAPPENED(&w, "report b leave");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a; start b");
}

/* ---- intensity ------------------------------------------------------------------------------ */

Test(tree, intensity_zero_gives_up_at_once)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall root; term c; report c stop; term b; report b stop; exit 1");
}

Test(tree, restarts_outside_the_period_are_forgotten)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 2, 5000);
	for (int i = 0; i < 100; i++) {
		die(&w, a, SUP_ABNORMAL);
		w.now += 2501;
	}
	cr_assert_eq(w.exited, -1);
	cr_assert_eq(a->restarts, 100);
}

Test(tree, the_end_of_the_period_belongs_to_it)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, a, SUP_ABNORMAL);
	w.now += 5000;
	die(&w, a, SUP_ABNORMAL);
	cr_assert_eq(w.exited, 1);
}

Test(tree, just_after_the_period)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	die(&w, a, SUP_ABNORMAL);
	w.now += 5001;
	die(&w, a, SUP_ABNORMAL);
	cr_assert_eq(w.exited, -1);
}

Test(tree, intensity_is_of_the_supervisor_not_of_the_child)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 2, 5000);
	die(&w, a, SUP_ABNORMAL);
	die(&w, b, SUP_ABNORMAL);
	cr_assert_eq(w.exited, -1);
	die(&w, c, SUP_ABNORMAL);
	cr_assert_eq(w.exited, 1);
}

/* ---- failing while restarting ------------------------------------------------------------------ */

Test(tree, one_for_one_child_fails_in_restart_counts_again)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 3, 5000);
	w.mood[b->id] = STILLBORN;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; start b; report b restart; start b; report b restart; start b; report b restart; "
	    "report b give-up; fall root; term c; report c stop; term a; report a stop; exit 1");
}

Test(tree, one_for_one_recovers_from_a_failed_restart)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 3, 5000);
	w.mood[b->id] = SILENT;
	die(&w, b, SUP_ABNORMAL);
	w.mood[b->id] = OBEDIENT;
	die(&w, b, SUP_NORMAL);
	HAPPENED(&w, "report b restart; start b; report b restart; start b");
	cr_assert_eq(count_up(root_of(&w)), 3);
	cr_assert_eq(sup_window(root_of(&w), w.now), 2);
}

Test(tree, rest_for_one_later_child_fails_in_restart)
{
	three(SUP_REST_FOR_ONE, SUP_PERMANENT, 3, 5000);
	w.mood[b->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c; report c stop; term b; report b stop; start a; start b");
	w.mood[b->id] = OBEDIENT;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; start b; start c");	/* a stays up: only b and what follows it */
	cr_assert_eq(sup_window(root_of(&w), w.now), 2);
}

Test(tree, one_for_all_other_child_fails_in_restart)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 3, 5000);
	w.mood[b->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	w.used = 0, w.log[0] = 0;
	w.mood[b->id] = OBEDIENT;
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b restart; term a; report a stop; start a; start b; start c");
}

Test(tree, hanging_restart_is_killed_and_counts)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 5000);
	spec.start_ms = 1000;
	a = add(root_of(&w), "a", &spec);
	boot(&w);
	w.mood[a->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	timeout(&w, a);
	HAPPENED(&w, "report a restart; start a; kill a; report a restart; report a give-up; fall root; exit 1");
}

Test(tree, a_death_during_the_restart_of_others_is_answered_afterwards)
{
	three(SUP_REST_FOR_ONE, SUP_PERMANENT, 5, 5000);
	w.mood[c->id] = SILENT;
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c restart; start c");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "");
	w.mood[c->id] = OBEDIENT;
	ready(&w, c);
	HAPPENED(&w, "report a restart; term c; report c stop; term b; report b stop; start a; start b; start c");
}

Test(tree, one_for_one_children_restart_side_by_side)
{
	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 5, 5000);
	w.mood[a->id] = SILENT;
	die(&w, a, SUP_ABNORMAL);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a; report b restart; start b");
	cr_assert_eq(a->state, SUP_ST_STARTING);
	cr_assert_eq(b->state, SUP_ST_UP);
}

Test(tree, stop_while_restarting)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 5, 5000);
	w.mood[a->id] = SILENT;
	die(&w, b, SUP_ABNORMAL);
	w.used = 0, w.log[0] = 0;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term a; report a stop; exit 0");
}

Test(tree, stop_while_clearing)
{
	three(SUP_ONE_FOR_ALL, SUP_PERMANENT, 5, 5000);
	w.mood[c->id] = STUBBORN;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c");
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root");
	die(&w, c, SUP_ABNORMAL);
	HAPPENED(&w, "report c stop; term b; report b stop; exit 0");
}
