#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/tree.h"
#include "world.h"

/* What a supervisor finds in the journal of one that was killed between two of its decisions. */

static struct sup_tree *t;
static struct sup_node *group;
static uint64_t ids, window[2] = { 1000, 1001 };

static struct sup_node *node(struct sup_node *parent, const struct sup_spec *spec, struct sup_saved s)
{
	s.id = ++ids;
	return sup_restore(t, parent, spec, &s);
}

/* A root with a group, which may restart once in five seconds. */
static void two_levels(unsigned restarts_so_far)
{
	struct sup_spec top = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 10, 5000), below = super(SUP_ONE_FOR_ONE, SUP_PERMANENT, 1, 5000);

	ids = 0;
	t = sup_tree_new(&top);
	cr_assert_not_null(t);
	cr_assert_not_null(node(NULL, &top, (struct sup_saved){ .state = SUP_ST_UP }));
	group = node(sup_root(t), &below, (struct sup_saved){ .state = SUP_ST_UP, .window = window, .window_used = restarts_so_far });
	cr_assert_not_null(group);
}

/* The node whose start is the first action of all, or NULL when nobody is started. */
static const struct sup_node *started(void)
{
	const struct sup_node *n = NULL;
	struct sup_action a;

	sup_restored(t, ids, 1002);
	while (sup_next(t, &a))
		if (n == NULL && a.verb == SUP_DO_START)
			n = a.node;
	return n;
}

Test(tree_restore, who_was_about_to_be_restarted_is)
{
	struct sup_spec spec = worker(SUP_PERMANENT);
	struct sup_node *down;

	two_levels(0);
	cr_assert_not_null(node(group, &spec, (struct sup_saved){ .state = SUP_ST_UP }));
	down = node(group, &spec, (struct sup_saved){ .state = SUP_ST_DOWN, .reason = SUP_ABNORMAL });
	cr_assert_eq(started(), down);
	sup_tree_free(t);
}

Test(tree_restore, a_supervisor_that_had_given_up_gives_up)
{
	struct sup_spec spec = worker(SUP_PERMANENT);
	struct sup_node *down;

	two_levels(2);
	down = node(group, &spec, (struct sup_saved){ .state = SUP_ST_DOWN, .reason = SUP_ABNORMAL });
	cr_assert_eq(started(), down, "its group starts anew, and with it all below");
	cr_assert_eq(group->restarts, 1);
	cr_assert_eq(group->window_used, 0);
	sup_tree_free(t);
}

Test(tree_restore, who_is_meant_to_be_down_stays_down)
{
	struct sup_spec permanent = worker(SUP_PERMANENT), transient = worker(SUP_TRANSIENT), temporary = worker(SUP_TEMPORARY);

	two_levels(0);
	node(group, &permanent, (struct sup_saved){ .state = SUP_ST_DOWN, .held = 1 });
	node(group, &permanent, (struct sup_saved){ .state = SUP_ST_DOWN, .gone = 1 });
	node(group, &permanent, (struct sup_saved){ .state = SUP_ST_DOWN, .removing = 1 });
	node(group, &transient, (struct sup_saved){ .state = SUP_ST_DOWN, .reason = SUP_NORMAL });
	node(group, &temporary, (struct sup_saved){ .state = SUP_ST_DOWN, .reason = SUP_ABNORMAL });
	cr_assert_null(started());
	sup_tree_free(t);
}
