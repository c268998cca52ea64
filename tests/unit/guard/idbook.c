#include "guard/idbook.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"

static int put(struct idbook *b, uint64_t conn, const char *id)
{
	static const uint8_t host[SSH_HOST_DIGEST] = { 7 };
	struct first_exchange f;

	cr_assert_eq(first_exchange(&f, view_str(id), view_of(host, sizeof host)), SSH_OK);
	return idbook_put(b, conn, &f);
}

Test(idbook, first_id_of_a_connection_counts)
{
	struct first_exchange f;
	struct idbook b;

	idbook_init(&b);
	cr_assert_not(idbook_take(&b, 1, &f));
	cr_assert_eq(put(&b, 1, "first"), SSH_OK);
	cr_assert_eq(put(&b, 1, "rekey"), SSH_OK);
	cr_assert_eq(put(&b, 2, "other"), SSH_OK);
	cr_assert(idbook_take(&b, 1, &f));
	cr_assert(f.id_len == 5 && memcmp(f.id, "first", 5) == 0 && f.host_len == SSH_HOST_DIGEST && f.host[0] == 7);
	cr_assert_not(idbook_take(&b, 1, &f), "taken once");
	cr_assert_eq(f.id_len, 0);
	cr_assert(idbook_take(&b, 2, &f));
	cr_assert_eq(f.id_len, 5);
	idbook_drop(&b);
}

Test(idbook, the_oldest_falls_out)
{
	struct first_exchange f;
	struct idbook b;

	idbook_init(&b);
	for (uint64_t i = 0; i < IDBOOK_MAX + 10; i++)
		cr_assert_eq(put(&b, i, "id"), SSH_OK);
	cr_assert_not(idbook_take(&b, 9, &f));
	cr_assert(idbook_take(&b, 10, &f));
	cr_assert(idbook_take(&b, IDBOOK_MAX + 9, &f));
	idbook_drop(&b);
}

Test(idbook, what_no_first_exchange_can_have)
{
	static const uint8_t longest[SSH_HASH_MAX + 1];
	struct first_exchange f;

	cr_assert_eq(first_exchange(&f, view_of(longest, SSH_HASH_MAX), view_of(NULL, 0)), SSH_OK);
	cr_assert(f.id_len == SSH_HASH_MAX && f.host_len == 0);
	cr_assert_eq(first_exchange(&f, view_of(longest, SSH_HASH_MAX + 1), view_of(NULL, 0)), SSH_E_FORMAT);
	cr_assert_eq(first_exchange(&f, view_of(NULL, 0), view_of(NULL, 0)), SSH_E_FORMAT);
	cr_assert_eq(first_exchange(&f, view_str("id"), view_of(longest, SSH_HOST_DIGEST - 1)), SSH_E_FORMAT);
	cr_assert_eq(first_exchange(&f, view_str("id"), view_of(longest, SSH_HOST_DIGEST + 1)), SSH_E_FORMAT);
	cr_assert_eq(f.id_len, 0);
}
