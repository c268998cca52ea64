#include "guard/budget.h"

#include <criterion/criterion.h>

Test(budget, one_at_once_then_burst_then_slow)
{
	struct budget b;
	uint64_t t = 1000000;

	budget_init(&b);
	b.authed = 1;
	cr_assert_eq(budget_take(&b, t), 0, "the first key exchange");
	for (unsigned i = 0; i < BUDGET_BURST; i++)
		cr_assert_eq(budget_take(&b, t), 0, "rekey %u of the burst", i);
	cr_assert_eq(budget_take(&b, t), BUDGET_INTERVAL_MS);
	cr_assert_eq(budget_take(&b, t + 20), BUDGET_INTERVAL_MS - 20, "a refusal costs nothing");
	cr_assert_eq(budget_take(&b, t + BUDGET_INTERVAL_MS), 0);
	cr_assert_eq(budget_take(&b, t + BUDGET_INTERVAL_MS), BUDGET_INTERVAL_MS);
}

Test(budget, the_bucket_never_holds_more_than_the_burst)
{
	struct budget b;
	uint64_t t = 5;

	budget_init(&b);
	b.authed = 1;
	budget_take(&b, t);
	t += 3600 * 1000;
	for (unsigned i = 0; i < BUDGET_BURST; i++)
		cr_assert_eq(budget_take(&b, t), 0);
	cr_assert_gt(budget_take(&b, t), 0);
}

/* Whatever the pattern of asking: never more than first, burst and t / interval signatures in time t. */
Test(budget, rate_is_bounded)
{
	struct budget b;
	unsigned given = 0;

	budget_init(&b);
	b.authed = 1;
	for (uint64_t t = 1; t <= 1000000; t += 7)
		given += budget_take(&b, t) == 0;
	cr_assert_leq(given, 1 + BUDGET_BURST + 1000000 / BUDGET_INTERVAL_MS);
	cr_assert_geq(given, 1000000 / BUDGET_INTERVAL_MS);
}

Test(budget, one_and_no_more_before_authentication)
{
	struct budget b;

	budget_init(&b);
	cr_assert_eq(budget_take(&b, 1000), 0);
	cr_assert_eq(budget_take(&b, 1000), BUDGET_WAIT);
	cr_assert_eq(budget_take(&b, 1000 + 3600 * 1000), BUDGET_WAIT);
	b.authed = 1;
	cr_assert_eq(budget_take(&b, 1000 + 3600 * 1000), 0);
}
