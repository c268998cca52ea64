#include "connection/heap.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

#ifndef __SANITIZE_ADDRESS__	/* whose heap is another one */

#define BLOCKS 600

static size_t size_of(unsigned i)
{
	return 16 + i * 2654435761u % 9000;
}

/* What the nursery leaves free among what it keeps is nobody's any more: a connection's memory is in one place. */
Test(heap, what_comes_after_it_is_behind_all_there_was)
{
	static void *block[BLOCKS];
	uintptr_t last = 0;

	heap_tune();
	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i] = malloc(size_of(i));
		last = (uintptr_t)block[i] > last ? (uintptr_t)block[i] : last;
	}
	for (unsigned i = 0; i < BLOCKS - 1; i += 2)
		free(block[i]);
	heap_settle();
	for (unsigned i = 0; i < BLOCKS; i++)
		cr_assert_gt((uintptr_t)malloc(size_of(i)), last, "block %u of %zu bytes", i, size_of(i));
}

#endif
