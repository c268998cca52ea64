#include "guard/idbook.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"

Test(idbook, first_id_of_a_connection_counts)
{
	struct idbook b;
	uint8_t out[SSH_HASH_MAX];

	idbook_init(&b);
	cr_assert_eq(idbook_take(&b, 1, out), 0);
	cr_assert_eq(idbook_put(&b, 1, view_str("first")), SSH_OK);
	cr_assert_eq(idbook_put(&b, 1, view_str("rekey")), SSH_OK);
	cr_assert_eq(idbook_put(&b, 2, view_str("other")), SSH_OK);
	cr_assert_eq(idbook_take(&b, 1, out), 5);
	cr_assert_eq(memcmp(out, "first", 5), 0);
	cr_assert_eq(idbook_take(&b, 1, out), 0, "taken once");
	cr_assert_eq(idbook_take(&b, 2, out), 5);
	idbook_drop(&b);
}

Test(idbook, the_oldest_falls_out)
{
	struct idbook b;
	uint8_t out[SSH_HASH_MAX], longest[SSH_HASH_MAX + 1] = { 0 };

	idbook_init(&b);
	for (uint64_t i = 0; i < IDBOOK_MAX + 10; i++)
		cr_assert_eq(idbook_put(&b, i, view_str("id")), SSH_OK);
	cr_assert_eq(idbook_take(&b, 9, out), 0);
	cr_assert_eq(idbook_take(&b, 10, out), 2);
	cr_assert_eq(idbook_take(&b, IDBOOK_MAX + 9, out), 2);
	idbook_put(&b, 999999, view_of(longest, sizeof longest));
	cr_assert_eq(idbook_take(&b, 999999, out), 0, "no hash is that long");
	idbook_drop(&b);
}
