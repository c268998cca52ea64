#ifndef TESTS_UNIT_SSH_HEAP_H
#define TESTS_UNIT_SSH_HEAP_H

/* heap - counts what this program asks of the C library's allocator, its libraries included. */

/* Requests for memory and blocks given back, so far. */
long heap_requests(void);

#endif
