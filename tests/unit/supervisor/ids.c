#include "supervisor/ids.h"

#include <criterion/criterion.h>
#include <string.h>

/* A system with these accounts and these used numbers. */
struct world_ids { const char *have; uint32_t used_to; };

static int account(void *ctx, const char *name, struct id_pair *out)
{
	const struct world_ids *s = ctx;

	if (s->have == NULL || strcmp(s->have, name) != 0)
		return 0;
	*out = (struct id_pair){ 42, 43 };
	return 1;
}

static int taken(void *ctx, uint32_t id)
{
	return id < ((const struct world_ids *)ctx)->used_to;
}

static struct ids ids;

static int choose(const char *have, uint32_t used_to)
{
	struct world_ids s = { have, used_to };
	const struct ids_source src = { account, taken, &s };

	return ids_choose(&ids, &src);
}

Test(ids, missing_accounts_get_numbers_of_nobody)
{
	cr_assert_eq(choose(NULL, 0), 0);
	cr_assert_eq(ids.net.uid, IDS_FIRST);
	cr_assert_eq(ids.key.uid, IDS_FIRST + 1);
	cr_assert_eq(ids.log.uid, IDS_FIRST + 2);
	cr_assert_eq(ids.log.gid, IDS_FIRST + 2);
	cr_assert(ids.made_up);
}

Test(ids, taken_numbers_are_passed_over)
{
	cr_assert_eq(choose(NULL, IDS_FIRST + 7), 0);
	cr_assert_eq(ids.net.uid, IDS_FIRST + 7);
	cr_assert_eq(ids.key.uid, IDS_FIRST + 8);
}

Test(ids, an_account_that_exists_is_used)
{
	cr_assert_eq(choose("coppice-key", 0), 0);
	cr_assert_eq(ids.key.uid, 42);
	cr_assert_eq(ids.key.gid, 43);
	cr_assert_eq(ids.net.uid, IDS_FIRST);
	cr_assert_eq(ids.log.uid, IDS_FIRST + 1);
}

Test(ids, none_left)
{
	cr_assert_lt(choose(NULL, IDS_LAST - 1), 0);
}

Test(ids, accounts_by_name)
{
	choose(NULL, 0);
	cr_assert_eq(ids_of(&ids, "coppice-net").uid, IDS_FIRST);
	cr_assert_eq(ids_of(&ids, "coppice-log").gid, IDS_FIRST + 2);
	cr_assert_eq(ids_of(&ids, "root").uid, 0);
	cr_assert_eq(ids_of(&ids, "granted").uid, 0);
}
