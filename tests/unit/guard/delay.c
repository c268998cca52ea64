#include "guard/delay.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"

Test(delay, first_point_is_the_minimum_and_the_jitter)
{
	cr_assert_eq(delay_left(0, 0), DELAY_MIN_US);
	cr_assert_eq(delay_left(1000, 500), DELAY_MIN_US + 500 - 1000);
	cr_assert_eq(delay_left(DELAY_MIN_US, 0), 0);
}

/* The time of the answer, whenever it was found, is a power of two times the first point. */
Test(delay, answers_fall_on_the_grid)
{
	const uint32_t jitter = 1234;
	const uint64_t first = DELAY_MIN_US + jitter;

	for (uint64_t elapsed = 0; elapsed <= DELAY_MAX_US; elapsed += 777) {
		uint64_t at = elapsed + delay_left(elapsed, jitter);

		cr_assert_geq(at, elapsed);
		cr_assert_eq(at % first, 0);
		cr_assert_eq((at / first) & (at / first - 1), 0, "%llu", (unsigned long long)at);
		cr_assert(elapsed <= first || at / 2 < elapsed, "not later than it must");
	}
	cr_assert_eq(delay_left(DELAY_MAX_US + 1, jitter), 0);
}

Test(delay, jitter_is_fixed_for_a_user_and_keyed)
{
	uint8_t a[DELAY_SECRET] = { 1 }, b[DELAY_SECRET] = { 2 };
	unsigned differ = 0;

	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_eq(delay_jitter(a, view_str("ada")), delay_jitter(a, view_str("ada")));
	for (char c = 'a'; c <= 'z'; c++) {
		uint32_t j = delay_jitter(a, view_of(&c, 1));

		cr_assert_lt(j, DELAY_JITTER_US);
		differ += j != delay_jitter(b, view_of(&c, 1));
	}
	cr_assert_gt(differ, 20);
}
