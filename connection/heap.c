#include "connection/heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGE ((size_t)128 * 1024)	/* from here on a block is a mapping of its own */
#define SMALL ((size_t)16)
#define EXACT ((size_t)2048)		/* smaller ones are kept by their size, and only given to who asks for that */
#define LOGIN ((size_t)64 * 1024)	/* more than one takes */

void heap_tune(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MXFAST, 0);		/* merging them walks through the whole heap, and copies it */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
}

/* Where the free end of the heap begins; a sanitizer's heap has none. */
static uintptr_t end_of_used(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 0;
#else
	return (uintptr_t)sbrk(0) - mallinfo2().keepcost;
#endif
}

void heap_settle(void)
{
	uintptr_t end = end_of_used();
	void *volatile p;		/* or the compiler sees that nobody uses it */

	if (end == 0)
		return;
	for (size_t size = LARGE / 2; size >= SMALL; size -= size > EXACT ? EXACT : SMALL)
		while ((p = malloc(size)) != NULL) {
			if ((uintptr_t)p >= end) {
				free(p);
				break;
			}
		}
	malloc_trim(0);			/* pages of the end that were used are given back ... */
	p = malloc(LOGIN);		/* ... for new ones, which no connection needs to ask for */
	free(p);
}
