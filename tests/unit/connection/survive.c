/* How a call ended that nobody wrote down, and the log it stands behind. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "connection/survive.h"

static struct survive_count count(uint64_t r, uint64_t w)
{
	return (struct survive_count){ r, w };
}

static int decide(uint8_t kind, uint32_t asked, uint64_t dr, uint64_t dw, int32_t *n)
{
	struct memory_entry e = { .kind = kind, .asked = asked };

	*n = -7;
	return survive_doubt(kind != BOOK_NONE ? &e : NULL, count(1000, 2000), count(1000 + dr, 2000 + dw), n);
}

Test(survive, nothing_in_doubt)
{
	int32_t n;

	cr_assert_eq(decide(BOOK_NONE, 0, 0, 0, &n), 0);
	cr_assert_eq(decide(BOOK_NONE, 0, 1, 0, &n), SSH_E_STATE, "a read that is in no book");
	cr_assert_eq(decide(BOOK_NONE, 0, 0, 1, &n), SSH_E_STATE);
	cr_assert_eq(decide(BOOK_READABLE, 0, 0, 0, &n), 0, "a wake-up moves nothing");
	cr_assert_eq(decide(BOOK_READABLE, 0, 1, 0, &n), SSH_E_STATE);
	cr_assert_eq(decide(BOOK_VALUE, 0, 0, 1, &n), SSH_E_STATE);
}

Test(survive, the_kernel_decides)
{
	static const uint8_t reads[] = { BOOK_READ_CLIENT, BOOK_READ_PROGRAM }, writes[] = { BOOK_WRITE_CLIENT, BOOK_WRITE_PROGRAM };
	int32_t n;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(decide(reads[i], 100, 0, 0, &n), 0, "it did not happen, or brought nothing");
		cr_assert_eq(decide(reads[i], 100, 60, 0, &n), 1);
		cr_assert_eq(n, 60);
		cr_assert_eq(decide(reads[i], 100, 100, 0, &n), 1);
		cr_assert_eq(decide(reads[i], 100, 101, 0, &n), SSH_E_STATE, "more than it asked for");
		cr_assert_eq(decide(reads[i], 100, 0, 1, &n), SSH_E_STATE, "a read does not write");
		cr_assert_eq(decide(reads[i], 100, 5, 1, &n), SSH_E_STATE);
		cr_assert_eq(decide(writes[i], 100, 0, 0, &n), 0);
		cr_assert_eq(decide(writes[i], 100, 0, 99, &n), 1);
		cr_assert_eq(n, 99);
		cr_assert_eq(decide(writes[i], 100, 0, 101, &n), SSH_E_STATE);
		cr_assert_eq(decide(writes[i], 100, 1, 0, &n), SSH_E_STATE);
	}
}

Test(survive, the_kernel_counted_less_than_the_books)
{
	struct memory_entry e = { .kind = BOOK_WRITE_CLIENT, .asked = 100 };
	int32_t n;

	cr_assert_eq(survive_doubt(&e, count(10, 10), count(9, 10), &n), SSH_E_STATE);
	cr_assert_eq(survive_doubt(&e, count(10, 10), count(10, 9), &n), SSH_E_STATE);
	cr_assert_eq(survive_doubt(NULL, count(10, 10), count(9, 11), &n), SSH_E_STATE);
}

/* ---- the log ---------------------------------------------------------------------------- */

static struct memory_slot *slot;

static struct memory_entry *add(uint8_t kind, uint32_t asked, int32_t result)
{
	struct memory_entry *e = (struct memory_entry *)(void *)(slot->log + slot->log_len);

	*e = (struct memory_entry){ .kind = kind, .asked = asked, .result = result };
	slot->log_len += (uint32_t)sizeof *e;
	if ((kind == BOOK_READ_CLIENT || kind == BOOK_READ_PROGRAM) && result > 0)
		slot->log_len += ((uint32_t)result + 7) & ~7u;
	return e;
}

static void setup(void)
{
	slot = calloc(1, sizeof *slot);
	cr_assert_not_null(slot);
}

static void teardown(void)
{
	free(slot);
}

TestSuite(survive_walk, .init = setup, .fini = teardown);

Test(survive_walk, sums)
{
	struct survive_count c = count(5, 7);
	const struct memory_entry *doubt, *e;

	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_OK);
	cr_assert_null(doubt);
	add(BOOK_READABLE, 0, 0);
	add(BOOK_READ_CLIENT, 100, 13);
	add(BOOK_WRITE_PROGRAM, 100, 40);
	add(BOOK_READ_PROGRAM, 100, -11);
	add(BOOK_WRITE_CLIENT, 64, 64);
	add(BOOK_WRITE_CLIENT, 64, -11);
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_OK);
	cr_assert_null(doubt);
	cr_assert_eq(c.rchar, 18);
	cr_assert_eq(c.wchar, 111);
	e = add(BOOK_WRITE_CLIENT, 9, 0);
	slot->log_len -= (uint32_t)sizeof *e;		/* begun, not ended */
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_OK);
	cr_assert_eq(doubt, e);
}

Test(survive_walk, nonsense)
{
	const struct memory_entry *doubt;
	struct survive_count c = count(0, 0);

	slot->log_len = MEMORY_LOG;
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE, "no room for the one in doubt");
	slot->log_len = 12;
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_MAX, 0, 0);
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_NONE, 0, 0);
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_WRITE_CLIENT, 10, 11);
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_READ_CLIENT, 10, 10)->result = INT32_MAX;
	cr_assert_eq(survive_walk(slot, &c, &doubt), SSH_E_STATE, "longer than the log");
}
