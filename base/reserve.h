#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H
#include <stddef.h>

#include "base/mem.h"

/*
 * reserve - memory put aside at start, for what a process has begun and must finish when the heap says no. What only begins
 * something new takes the heap's word for it and refuses. One for each process; without one it is the heap.
 */

/*
 * size bytes at arena, any alignment, its own for ever; NULL: none any more, and whoever took from it must have given all back. heap: what is
 * asked first; NULL for the C library's.
 */
void reserve_open(void *arena, size_t size, const struct mem *heap);
/* As realloc(3) and free(3): from the heap, else from the arena. NULL: both are exhausted. */
void *reserve_resize(void *p, size_t n);
void *reserve_alloc(size_t n);
void *reserve_zalloc(size_t n);
void reserve_free(void *p);
/* Bytes of the arena in use now. */
size_t reserve_used(void);
/* The same for whoever takes a struct mem. */
extern const struct mem mem_reserve;

#endif
