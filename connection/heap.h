#ifndef CONNECTION_HEAP_H
#define CONNECTION_HEAP_H

/* heap - what the C library's heap looks like when a connection inherits it from the nursery. */

/* One arena, no bins that are merged at odd moments, and what a busy client needed goes back to the system. First of all. */
void heap_tune(void);

/*
 * Once, before the first fork: what the start left free between what it keeps is taken and never used, so that a connection
 * takes all its memory from the end of the heap, from fresh pages side by side. Else each of its small blocks lies in a page of
 * its own, which it must copy because it shares them with the nursery.
 */
void heap_settle(void);

#endif
