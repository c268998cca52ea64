#include "acceptor/limits.h"

#include <criterion/criterion.h>

#include "base/err.h"

static struct limits with(unsigned begin, unsigned rate, unsigned full, unsigned held)
{
	struct conf_startups max = { begin, rate, full };
	struct limits l;
	uint32_t slot;

	limits_init(&l, &max, 0);
	for (unsigned i = 0; i < held; i++)
		cr_assert_eq(limits_take(&l, &slot), SSH_OK);
	cr_assert_eq(limits_held(&l), held);
	return l;
}

/* How many of 100 evenly spread random numbers are turned away: the chance in percent. */
static int chance(unsigned begin, unsigned rate, unsigned full, unsigned held)
{
	struct limits l = with(begin, rate, full, held);
	int refused = 0;

	for (uint64_t i = 0; i < 100; i++)
		refused += !limits_admit(&l, (uint32_t)(((i << 32) + 99) / 100));
	limits_drop(&l);
	return refused;
}

Test(limits, random_early_drop)
{
	cr_assert_eq(chance(10, 30, 100, 0), 0);
	cr_assert_eq(chance(10, 30, 100, 9), 0);
	cr_assert_eq(chance(10, 30, 100, 10), 30);
	cr_assert_eq(chance(10, 30, 100, 55), 65);
	cr_assert_eq(chance(10, 30, 100, 99), 99);
	cr_assert_eq(chance(10, 30, 100, 100), 100);
	cr_assert_eq(chance(10, 30, 100, 101), 100);
	cr_assert_eq(chance(10, 100, 100, 10), 100);
	cr_assert_eq(chance(10, 1, 100, 10), 1);
}

Test(limits, one_number_is_a_hard_limit)
{
	cr_assert_eq(chance(5, 30, 5, 4), 0);
	cr_assert_eq(chance(5, 30, 5, 5), 100);
}

Test(limits, large_numbers_do_not_overflow)
{
	struct conf_startups max = { 1, 1, 2147483647 };
	struct limits l;
	uint32_t slot;

	limits_init(&l, &max, 0);
	cr_assert_eq(limits_take(&l, &slot), SSH_OK);
	cr_assert_eq(limits_admit(&l, UINT32_MAX), 1);
	cr_assert_eq(limits_admit(&l, 0), 0);
	limits_drop(&l);
}

Test(limits, slots_come_back_once)
{
	struct limits l = with(1, 30, 2, 0);
	uint32_t a, b;

	cr_assert_eq(limits_take(&l, &a), SSH_OK);
	cr_assert_eq(limits_take(&l, &b), SSH_OK);
	cr_assert_neq(a, b);
	cr_assert_eq(limits_admit(&l, UINT32_MAX), 0);
	cr_assert_eq(limits_release(&l, a), 1);
	cr_assert_eq(limits_release(&l, a), 0);
	cr_assert_eq(limits_release(&l, a + 7777), 0);
	cr_assert_eq(limits_held(&l), 1);
	cr_assert_eq(limits_admit(&l, UINT32_MAX), 1);
	limits_drop(&l);
}

Test(limits, slot_numbers_wrap_around_those_in_use)
{
	struct conf_startups max = { 10, 30, 100 };
	struct limits l;
	uint32_t slot;

	limits_init(&l, &max, UINT32_MAX);
	cr_assert_eq(limits_take(&l, &slot), SSH_OK);
	cr_assert_eq(slot, UINT32_MAX);
	cr_assert_eq(limits_take(&l, &slot), SSH_OK);
	cr_assert_eq(slot, 0);
	l.next = UINT32_MAX;	/* four thousand million connections later */
	cr_assert_eq(limits_take(&l, &slot), SSH_OK);
	cr_assert_eq(slot, 1);
	limits_drop(&l);
}

Test(limits, new_numbers_hold_at_once)
{
	struct limits l = with(10, 30, 100, 8);

	cr_assert_eq(limits_admit(&l, 0), 1);
	limits_set(&l, &(struct conf_startups){ 2, 30, 4 });
	cr_assert_eq(limits_admit(&l, UINT32_MAX), 0);
	limits_set(&l, &(struct conf_startups){ 20, 30, 40 });
	cr_assert_eq(limits_admit(&l, 0), 1);
	cr_assert_eq(limits_held(&l), 8);
	limits_drop(&l);
}

Test(limits, a_flood_is_not_a_flood_of_lines)
{
	struct limits l = with(1, 30, 1, 1);
	unsigned hidden = 99, lines = 0;

	for (int i = 0; i < 1000; i++)
		lines += (unsigned)limits_count_drop(&l, 5000, &hidden);
	cr_assert_eq(lines, LIMITS_LINES);
	cr_assert_eq(hidden, 0);
	cr_assert_eq(limits_count_drop(&l, 5000 + LIMITS_WINDOW_MS - 1, &hidden), 0);
	cr_assert_eq(limits_count_drop(&l, 5000 + LIMITS_WINDOW_MS, &hidden), 1);
	cr_assert_eq(hidden, 1000 - LIMITS_LINES + 1);
	cr_assert_eq(limits_count_drop(&l, 5000 + LIMITS_WINDOW_MS, &hidden), 1);
	cr_assert_eq(hidden, 0);
	cr_assert_eq(l.dropped, 1003);
	limits_drop(&l);
}
