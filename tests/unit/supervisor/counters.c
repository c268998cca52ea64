#include "supervisor/counters.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base/err.h"

Test(counters, each_role_tells_its_own)
{
	for (int c = 0; c < COUNTERS; c++)
		for (int role = 0; role < ROLE_COUNT; role++) {
			struct ipc_COUNT m = { .counter = (uint8_t)c, .by = 1 };
			uint64_t before = counter_get((enum counter)c);
			int may = counter_row((enum counter)c)->from >> role & 1;

			cr_assert_eq(counter_told((enum ipc_role)role, &m), may ? SSH_OK : SSH_E_RULE, "%s by %s", counter_row((enum counter)c)->name,
			    ipc_role_name((enum ipc_role)role));
			cr_assert_eq(counter_get((enum counter)c), before + (uint64_t)may);
		}
}

Test(counters, nobody_tells_much_at_once)
{
	cr_assert_eq(counter_told(ROLE_CONN, &(struct ipc_COUNT){ COUNT_REKEYS, 2 }), SSH_E_RULE);
	cr_assert_eq(counter_told(ROLE_ACC, &(struct ipc_COUNT){ COUNT_DROPPED_STARTUPS, UINT32_MAX }), SSH_E_RULE);
	cr_assert_eq(counter_told(ROLE_ACC, &(struct ipc_COUNT){ COUNT_DROPPED_STARTUPS, 5000 }), SSH_OK);
	cr_assert_eq(counter_told(ROLE_ACC, &(struct ipc_COUNT){ UINT8_MAX, 1 }), SSH_E_RULE);
	cr_assert_eq(counter_get(COUNT_DROPPED_STARTUPS), 5000);
	cr_assert_eq(counter_get(COUNT_REKEYS), 0);
}

/* Families are told apart by one label; names are fit for metrics. */
Test(counters, the_table_is_sound)
{
	for (int i = 0; i < COUNTERS; i++) {
		const struct counter_row *a = counter_row((enum counter)i);

		for (const char *p = a->family; *p != '\0'; p++)
			cr_assert(islower(*p) || *p == '_', "%s", a->family);
		cr_assert_eq(a->label[0] == '\0', a->value[0] == '\0', "%s", a->name);
		cr_assert((i > 0 && strcmp(counter_row((enum counter)(i - 1))->family, a->family) == 0) || a->meaning[0] != '\0', "%s", a->name);
		for (int k = 0; k < i; k++) {
			const struct counter_row *b = counter_row((enum counter)k);

			if (strcmp(a->family, b->family) == 0)
				cr_assert(strcmp(a->label, b->label) == 0 && strcmp(a->value, b->value) != 0, "%s and %s", a->name, b->name);
		}
	}
	cr_assert_null(counter_row(COUNTERS));
}
