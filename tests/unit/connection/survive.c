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
	struct memory_entry e = { .kind = kind, .asked = asked, .extent = kind == BOOK_READ_CLIENT || kind == BOOK_READ_PROGRAM ? (asked + 7) & ~7u : 0 };

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

Test(survive, no_place_for_what_came)
{
	struct memory_entry e = { .kind = BOOK_READ_PROGRAM, .asked = 100, .extent = 40 };
	int32_t n;

	cr_assert_eq(survive_doubt(&e, count(0, 0), count(40, 0), &n), 1);
	cr_assert_eq(n, 40);
	cr_assert_eq(survive_doubt(&e, count(0, 0), count(41, 0), &n), SSH_E_STATE);
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

#define ERA 7

static struct memory_slot *slot;
static uint8_t *book;

static struct memory_entry *add(uint8_t kind, uint32_t asked, int32_t result, uint32_t extent)
{
	struct memory_entry *e = (struct memory_entry *)(void *)(book + slot->log_len);

	*e = (struct memory_entry){ .kind = kind, .asked = asked, .result = result, .extent = extent, .era = ERA };
	slot->log_len += (uint32_t)sizeof *e + extent;
	return e;
}

static int walk(struct survive_count *c, const struct memory_entry **doubt)
{
	return survive_walk(slot, book, c, doubt);
}

/* A log of this entry alone. */
static int alone(uint8_t kind, uint32_t asked, int32_t result, uint32_t extent)
{
	struct survive_count c = count(0, 0);
	const struct memory_entry *doubt;

	slot->log_len = 0;
	add(kind, asked, result, extent);
	return walk(&c, &doubt);
}

static void setup(void)
{
	slot = calloc(1, sizeof *slot);
	book = calloc(1, MEMORY_LOG);
	cr_assert(slot != NULL && book != NULL);
	slot->era = ERA;
}

static void teardown(void)
{
	free(slot);
	free(book);
}

TestSuite(survive_walk, .init = setup, .fini = teardown);

Test(survive_walk, sums)
{
	struct survive_count c = count(5, 7);
	const struct memory_entry *doubt;

	cr_assert_eq(walk(&c, &doubt), SSH_OK);
	cr_assert_null(doubt);
	add(BOOK_READABLE, 0, 0, 0);
	add(BOOK_READ_CLIENT, 100, 13, 16);
	add(BOOK_WRITE_PROGRAM, 100, 40, 0);
	add(BOOK_READ_PROGRAM, 100, -11, 0);
	add(BOOK_READ_PROGRAM, 100, 20, 64);
	add(BOOK_WRITE_CLIENT, 64, 64, 0);
	add(BOOK_WRITE_CLIENT, 64, -11, 0);
	cr_assert_eq(walk(&c, &doubt), SSH_OK);
	cr_assert_null(doubt);
	cr_assert_eq(c.rchar, 38);
	cr_assert_eq(c.wchar, 111);
}

Test(survive_walk, the_one_in_doubt)
{
	struct survive_count c = count(5, 7);
	const struct memory_entry *doubt;
	struct memory_entry *e;

	add(BOOK_READABLE, 0, 0, 0);
	e = add(BOOK_READ_PROGRAM, 9, 0, 48);
	slot->log_len -= (uint32_t)sizeof *e + 48;		/* begun, not ended */
	cr_assert_eq(walk(&c, &doubt), SSH_OK);
	cr_assert_eq(doubt, e);
	cr_assert_eq(c.rchar, 5, "nobody knows yet");
	e->extent = MEMORY_LOG - (uint32_t)(2 * sizeof *e);
	cr_assert_eq(walk(&c, &doubt), SSH_OK, "up to the end");
	e->extent += 8;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE, "and beyond it");
	e->extent = 48;
	e->kind = BOOK_WRITE_CLIENT;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE, "a write brings no bytes");
	e->kind = BOOK_MAX;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE);
	e->era = ERA - 1;
	cr_assert_eq(walk(&c, &doubt), SSH_OK);
	cr_assert_null(doubt, "what the log held before the checkpoint");
}

Test(survive_walk, nonsense)
{
	const struct memory_entry *doubt;
	struct survive_count c = count(0, 0);

	slot->log_len = MEMORY_LOG;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE, "no room for the one in doubt");
	slot->log_len = 12;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_MAX, 0, 0, 0), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_NONE, 0, 0, 0), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_WRITE_CLIENT, 10, 11, 0), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_READ_CLIENT, 10, 10, 16), SSH_OK);
	cr_assert_eq(alone(BOOK_READ_CLIENT, 10, 10, 8), SSH_E_STATE, "more than there is");
	cr_assert_eq(alone(BOOK_READ_CLIENT, 10, INT32_MAX, 16), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_READ_CLIENT, 10, 1, 12), SSH_E_STATE, "the next one would not be aligned");
	cr_assert_eq(alone(BOOK_READABLE, 0, 0, 8), SSH_E_STATE);
	cr_assert_eq(alone(BOOK_VALUE, 0, 8, 8), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_READ_CLIENT, 10, 10, 16)->extent = 24;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE, "longer than the log");
	slot->log_len = 0;
	add(BOOK_READ_CLIENT, 10, 10, 16)->extent = UINT32_MAX - 7;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE);
	slot->log_len = 0;
	add(BOOK_READABLE, 0, 0, 0)->era = ERA - 1;
	cr_assert_eq(walk(&c, &doubt), SSH_E_STATE, "of another era");
}
