#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Significant children, trees of supervisors, dynamic children: supervisor(3erl), second half. */

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

/* ---- significant children and auto_shutdown -------------------------------------------------------- */

static struct sup_node *s1, *s2, *plain, *sub;

/* Under the root a supervisor with this auto_shutdown: two significant children and a plain one. */
static void significant(enum sup_auto how, enum sup_restart restart, enum sup_restart of_sub)
{
	struct sup_spec sig = worker(restart), other = worker(SUP_PERMANENT), sup = super(SUP_ONE_FOR_ONE, of_sub, 5, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 5000);
	sup.auto_shutdown = how;
	sub = add(root_of(&w), "sub", &sup);
	sig.significant = how != SUP_NEVER;
	s1 = add(sub, "s1", &sig);
	s2 = add(sub, "s2", &sig);
	plain = add(sub, "plain", &other);
	boot(&w);
}

Test(tree_nested, significant_needs_auto_shutdown)
{
	struct sup_spec sig = worker(SUP_TEMPORARY), never = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 1),
	    any = never;

	any.auto_shutdown = SUP_ANY_SIGNIFICANT;
	sig.significant = 1;
	cr_assert_not_null(sup_check(&never, &sig));
	cr_assert_null(sup_check(&any, &sig));
	sig.restart = SUP_TRANSIENT;
	cr_assert_null(sup_check(&any, &sig));
	sig.restart = SUP_PERMANENT;
	cr_assert_not_null(sup_check(&any, &sig));
	world_new_spec(&w, &any);
	cr_assert_null(sup_add(root_of(&w), &sig, 0));
}

Test(tree_nested, root_must_be_a_supervisor_and_workers_have_no_children)
{
	struct sup_spec leaf = worker(SUP_PERMANENT);

	cr_assert_null(sup_tree_new(&leaf));
	cr_assert_not_null(sup_check(&leaf, &leaf));
}

Test(tree_nested, any_significant_temporary)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_TEMPORARY);
	die(&w, s1, SUP_NORMAL);
	HAPPENED(&w, "report s1 auto-shutdown; fall sub; term plain; report plain stop; term s2; report s2 stop; report sub remove");
	cr_assert_eq(w.exited, -1);
}

Test(tree_nested, any_significant_temporary_abnormal)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_TEMPORARY);
	die(&w, s2, SUP_ABNORMAL);
	HAPPENED(&w, "report s2 auto-shutdown; fall sub; term plain; report plain stop; term s1; report s1 stop; report sub remove");
}

Test(tree_nested, any_significant_transient_abnormal_is_restarted)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TRANSIENT, SUP_TEMPORARY);
	die(&w, s1, SUP_ABNORMAL);
	HAPPENED(&w, "report s1 restart; start s1");
	die(&w, s1, SUP_SHUTDOWN);
	cr_assert_eq(sub->state, SUP_ST_DOWN);
}

Test(tree_nested, any_significant_ignores_the_others)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_TEMPORARY);
	die(&w, plain, SUP_NORMAL);
	HAPPENED(&w, "report plain restart; start plain");
	cr_assert_eq(sub->state, SUP_ST_UP);
}

Test(tree_nested, all_significant_waits_for_the_last)
{
	significant(SUP_ALL_SIGNIFICANT, SUP_TRANSIENT, SUP_TEMPORARY);
	die(&w, s2, SUP_NORMAL);
	HAPPENED(&w, "report s2 leave");
	die(&w, s1, SUP_NORMAL);
	HAPPENED(&w, "report s1 auto-shutdown; fall sub; term plain; report plain stop; report sub remove");
}

Test(tree_nested, auto_shutdown_never)
{
	significant(SUP_NEVER, SUP_TEMPORARY, SUP_TEMPORARY);
	die(&w, s1, SUP_NORMAL);
	die(&w, s2, SUP_NORMAL);
	cr_assert_eq(sub->state, SUP_ST_UP);
}

Test(tree_nested, auto_shutdown_of_a_permanent_supervisor_restarts_it)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_PERMANENT);
	die(&w, s1, SUP_NORMAL);
	HAPPENED(&w, "report s1 auto-shutdown; fall sub; term plain; report plain stop; term s2; report s2 stop; "
	    "report sub restart; start s1; start s2; start plain; up sub");
}

Test(tree_nested, auto_shutdown_of_a_transient_supervisor_is_a_normal_end)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_TRANSIENT);
	die(&w, s1, SUP_NORMAL);
	cr_assert_eq(sub->state, SUP_ST_DOWN);
	cr_assert_eq(sup_window(root_of(&w), w.now), 0);
	cr_assert_eq(w.exited, -1);
}

Test(tree_nested, stopping_a_significant_child_by_command_is_no_auto_shutdown)
{
	significant(SUP_ANY_SIGNIFICANT, SUP_TEMPORARY, SUP_TEMPORARY);
	stop(&w, s1);
	HAPPENED(&w, "term s1; report s1 stop; forget s1");
	cr_assert_eq(sub->state, SUP_ST_UP);
}

/* ---- trees of supervisors ------------------------------------------------------------------------------ */

Test(tree_nested, nested_escalation)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 60000);
	sub = add(root_of(&w), "sub", &inner);
	a = add(sub, "a", &spec);
	b = add(root_of(&w), "b", &spec);
	boot(&w);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall sub; report sub restart; start a; up sub");
	cr_assert_eq(sup_window(sub, w.now), 0, "a supervisor starts with an empty window");
	die(&w, a, SUP_ABNORMAL);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; start a; report a give-up; fall sub; report sub give-up; fall root; term b; report b stop; exit 1");
}

Test(tree_nested, transient_supervisor_that_gave_up_stays_down)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_TRANSIENT, 0, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 1, 60000);
	sub = add(root_of(&w), "sub", &inner);
	a = add(sub, "a", &spec);
	boot(&w);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall sub; report sub leave");	/* OTP: shutdown is not abnormal */
}

Test(tree_nested, nested_start_failure_fails_the_whole_start)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 5, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 60000);
	a = add(root_of(&w), "a", &spec);
	sub = add(root_of(&w), "sub", &inner);
	b = add(sub, "b", &spec);
	c = add(sub, "c", &spec);
	w.mood[c->id] = STILLBORN;
	sup_start(root_of(&w), w.now);
	settle(&w);
	HAPPENED(&w, "start a; start b; start c; report c fail-start; fall sub; term b; report b stop; "
	    "report sub fail-start; fall root; term a; report a stop; exit 1");
}

Test(tree_nested, supervisor_that_fails_in_restart_is_tried_again)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 2, 60000);
	sub = add(root_of(&w), "sub", &inner);
	a = add(sub, "a", &spec);
	boot(&w);
	w.mood[a->id] = STILLBORN;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall sub; report sub restart; start a; report a fail-start; fall sub; report sub restart; "
	    "start a; report a fail-start; fall sub; report sub restart; report sub give-up; fall root; exit 1");
}

Test(tree_nested, rest_for_one_of_supervisors)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);

	world_new(&w, SUP_REST_FOR_ONE, 2, 60000);
	a = add(root_of(&w), "a", &spec);
	sub = add(root_of(&w), "sub", &inner);
	b = add(sub, "b", &spec);
	c = add(root_of(&w), "c", &spec);
	boot(&w);
	die(&w, b, SUP_ABNORMAL);
	HAPPENED(&w, "report b give-up; fall sub; report sub restart; term c; report c stop; start b; up sub; start c");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a restart; term c; report c stop; fall sub; term b; report b stop; report sub stop; start a; start b; up sub; start c");
}

Test(tree_nested, parent_stops_a_supervisor_that_is_giving_up)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 60000);
	sub = add(root_of(&w), "sub", &inner);
	a = add(sub, "a", &spec);
	b = add(sub, "b", &spec);
	boot(&w);
	w.mood[b->id] = STUBBORN;
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall sub; term b");
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root");
	die(&w, b, SUP_NORMAL);
	HAPPENED(&w, "report b stop; report sub stop; exit 0");
}

/* ---- dynamic children -------------------------------------------------------------------------------------- */

Test(tree_nested, start_child_and_remove)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	struct sup_node *d = start_child(&w, root_of(&w), "d", &spec);
	uint64_t id = d->id;

	HAPPENED(&w, "start d");
	stop(&w, d);
	HAPPENED(&w, "term d; report d stop; forget d");
	cr_assert_null(sup_find(w.tree, id));
}

Test(tree_nested, start_child_that_fails_is_discarded_and_does_not_count)
{
	struct sup_spec spec = worker(SUP_PERMANENT);
	struct sup_node *d;

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);
	d = sup_add(root_of(&w), &spec, 1);
	d->ctx = (void *)"d";
	w.mood[d->id] = STILLBORN;
	sup_start(d, w.now);
	settle(&w);
	HAPPENED(&w, "start d; report d remove; forget d");
	cr_assert_eq(count_up(root_of(&w)), 3);
}

Test(tree_nested, start_child_under_a_stopped_supervisor_is_refused)
{
	struct sup_spec spec = worker(SUP_PERMANENT);
	struct sup_node *d;

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);
	w.flags = 0;
	stop(&w, root_of(&w));
	HAPPENED(&w, "fall root; term c");
	d = sup_add(root_of(&w), &spec, 1);
	d->ctx = (void *)"d";
	cr_assert_neq(sup_start(d, w.now), 0);
	settle(&w);
	HAPPENED(&w, "");
}

Test(tree_nested, dynamic_subtree)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_REST_FOR_ONE, SUP_PERMANENT, 1, 5000);
	struct sup_node *l;

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);
	l = sup_add(root_of(&w), &inner, 1);
	l->ctx = (void *)"l";
	add(l, "l1", &spec);
	add(l, "l2", &spec);
	sup_start(l, w.now);
	settle(&w);
	HAPPENED(&w, "start l1; start l2; up l");
	stop(&w, l);
	HAPPENED(&w, "fall l; term l2; report l2 stop; term l1; report l1 stop; report l stop; forget l1; forget l2; forget l");
	cr_assert_eq(count_up(root_of(&w)), 3);
}

Test(tree_nested, a_session_dies_with_its_connection_and_nothing_else_does)
{
	struct sup_spec many = super(SUP_SIMPLE_ONE_FOR_ONE, SUP_PERMANENT, 0, 1000), ses = super(SUP_ONE_FOR_ALL, SUP_TEMPORARY, 0, 1000),
	    conn = worker(SUP_TEMPORARY), work = worker(SUP_TEMPORARY);
	struct sup_node *sessions, *one, *two, *shell;

	world_new(&w, SUP_ONE_FOR_ONE, 10, 60000);
	sessions = add(root_of(&w), "sessions", &many);
	boot(&w);
	ses.auto_shutdown = SUP_ANY_SIGNIFICANT;
	conn.significant = 1;
	one = sup_add(sessions, &ses, 1), one->ctx = (void *)"one";
	a = add(one, "conn1", &conn);
	sup_start(one, w.now);
	settle(&w);
	two = sup_add(sessions, &ses, 1), two->ctx = (void *)"two";
	b = add(two, "conn2", &conn);
	sup_start(two, w.now);
	settle(&w);
	shell = start_child(&w, one, "shell", &work);
	HAPPENED(&w, "start conn1; up one; start conn2; up two; start shell");
	die(&w, shell, SUP_ABNORMAL);
	HAPPENED(&w, "report shell remove; forget shell");
	start_child(&w, one, "exec", &work);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "start exec; report conn1 auto-shutdown; fall one; term exec; report exec stop; forget exec; report one remove; forget conn1; forget one");
	cr_assert_eq(two->state, SUP_ST_UP);
	cr_assert_eq(sup_window(sessions, w.now), 0);
}

Test(tree_nested, a_session_whose_connection_never_got_ready)
{
	struct sup_spec ses = super(SUP_ONE_FOR_ALL, SUP_TEMPORARY, 0, 1000), conn = worker(SUP_TEMPORARY);
	struct sup_node *one;

	world_new(&w, SUP_SIMPLE_ONE_FOR_ONE, 0, 1000);
	boot(&w);
	ses.auto_shutdown = SUP_ANY_SIGNIFICANT;
	conn.significant = 1;
	one = sup_add(root_of(&w), &ses, 1), one->ctx = (void *)"one";
	a = add(one, "conn", &conn);
	w.mood[a->id] = SILENT;
	sup_start(one, w.now);
	settle(&w);
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "start conn; report conn fail-start; fall one; report one remove; forget conn; forget one");
	cr_assert_eq(root_of(&w)->state, SUP_ST_UP);
}

Test(tree_nested, dynamic_children_are_lost_when_their_supervisor_restarts)
{
	struct sup_spec spec = worker(SUP_PERMANENT), inner = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 0, 5000);

	world_new(&w, SUP_ONE_FOR_ONE, 5, 60000);
	sub = add(root_of(&w), "sub", &inner);
	a = add(sub, "a", &spec);
	boot(&w);
	start_child(&w, sub, "d", &spec);
	HAPPENED(&w, "start d");
	die(&w, a, SUP_ABNORMAL);
	HAPPENED(&w, "report a give-up; fall sub; term d; report d stop; forget d; report sub restart; start a; up sub");
}

Test(tree_nested, remove_while_restarting)
{
	struct sup_spec spec = worker(SUP_PERMANENT);

	three(SUP_ONE_FOR_ONE, SUP_PERMANENT, 5, 5000);
	struct sup_node *d = start_child(&w, root_of(&w), "d", &spec);

	w.mood[d->id] = SILENT;
	die(&w, d, SUP_ABNORMAL);
	w.used = 0, w.log[0] = 0;
	stop(&w, d);
	HAPPENED(&w, "term d; report d stop; forget d");
}

Test(tree_nested, stale_events_are_ignored)
{
	three(SUP_ONE_FOR_ONE, SUP_TRANSIENT, 1, 5000);
	die(&w, a, SUP_NORMAL);
	w.used = 0, w.log[0] = '\0';
	sup_event(a, SUP_EV_EXITED, SUP_ABNORMAL, w.now);
	sup_event(a, SUP_EV_READY, SUP_NORMAL, w.now);
	sup_event(a, SUP_EV_TIMEOUT, SUP_NORMAL, w.now);
	sup_event(b, SUP_EV_FAILED, SUP_NORMAL, w.now);
	sup_event(b, SUP_EV_START, SUP_NORMAL, w.now);
	sup_event(b, SUP_EV_STOP, SUP_NORMAL, w.now);
	sup_event(root_of(&w), SUP_EV_EXITED, SUP_ABNORMAL, w.now);
	settle(&w);
	HAPPENED(&w, "");
}
