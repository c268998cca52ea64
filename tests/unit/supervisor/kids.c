#include "supervisor/kids.h"

#include <criterion/criterion.h>
#include <string.h>

/* children.def must be a tree OTP would accept, with parents above their children. */

Test(kids, every_row_has_a_parent_above_it_that_may_have_it)
{
	cr_assert_eq(kid_row(KID_ROOT)->parent, KID_NOBODY);
	cr_assert_null(sup_check(NULL, &kid_row(KID_ROOT)->spec));
	for (int id = KID_ROOT + 1; id < KID_COUNT; id++) {
		const struct kid_row *row = kid_row((enum kid_id)id);

		cr_assert_lt(row->parent, row->id, "%s", row->name);
		cr_assert_null(sup_check(&kid_row(row->parent)->spec, &row->spec), "%s", row->name);
	}
	cr_assert_null(kid_row(KID_COUNT));
}

Test(kids, the_log_starts_first_and_the_door_opens_last)
{
	cr_assert_lt(KID_REPORTER, KID_GUARDS);
	cr_assert_lt(KID_KEYSIGN, KID_AUTH);
	cr_assert_lt(KID_SESSIONS, KID_LISTENER);
	cr_assert_lt(KID_NURSERY, KID_LISTENER);
}

Test(kids, a_session_never_counts_and_ends_with_its_connection)
{
	cr_assert_eq(kid_row(KID_SESSION)->spec.restart, SUP_TEMPORARY);
	cr_assert_eq(kid_row(KID_SESSION)->spec.auto_shutdown, SUP_ANY_SIGNIFICANT);
	cr_assert_eq(kid_row(KID_CONN)->spec.restart, SUP_TEMPORARY);
	cr_assert(kid_row(KID_CONN)->spec.significant);
	cr_assert_eq(kid_row(KID_WORKER)->spec.restart, SUP_TEMPORARY);
	cr_assert_not(kid_row(KID_WORKER)->spec.significant);
}

Test(kids, whoever_hears_the_network_is_nobody)
{
	cr_assert_str_eq(kid_row(KID_ACCEPTOR)->account, "coppice-net");
	cr_assert_str_eq(kid_row(KID_NURSERY)->account, "coppice-net");
	cr_assert_str_eq(kid_row(KID_KEYSIGN)->account, "coppice-key");
	cr_assert_str_eq(kid_row(KID_REPORTER)->account, "coppice-log");
}
