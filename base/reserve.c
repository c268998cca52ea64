#include "base/reserve.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

/* Blocks lie one behind the other; neighbours that are free become one when somebody looks for room. */
struct block { _Alignas(max_align_t) size_t size; int used; };

static struct { uint8_t *at; size_t size; const struct mem *heap; } arena;

#define UNIT _Alignof(max_align_t)

static struct block *block_at(size_t at)
{
	return (struct block *)(void *)(arena.at + at);
}

void reserve_open(void *p, size_t size, const struct mem *heap)
{
	size_t skip = p != NULL ? (UNIT - (uintptr_t)p % UNIT) % UNIT : 0;

	arena.at = NULL;
	arena.size = 0;
	arena.heap = heap;
	if (p == NULL || size < skip + sizeof(struct block) + UNIT)
		return;
	arena.at = (uint8_t *)p + skip;
	arena.size = (size - skip) / UNIT * UNIT;
	*block_at(0) = (struct block){ .size = arena.size - sizeof(struct block) };
}

static int is_ours(const void *p)
{
	return arena.at != NULL && (uintptr_t)p >= (uintptr_t)arena.at && (uintptr_t)p < (uintptr_t)arena.at + arena.size;
}

static size_t behind(size_t at)
{
	return at + sizeof(struct block) + block_at(at)->size;
}

static void *take(size_t n)
{
	if (n > arena.size)
		return NULL;
	n = n < UNIT ? UNIT : (n + UNIT - 1) / UNIT * UNIT;
	for (size_t at = 0; at < arena.size; at = behind(at)) {
		struct block *b = block_at(at);

		while (!b->used && behind(at) < arena.size && !block_at(behind(at))->used)
			b->size += sizeof *b + block_at(behind(at))->size;
		if (b->used || b->size < n)
			continue;
		if (b->size >= n + sizeof *b + UNIT) {
			*block_at(at + sizeof *b + n) = (struct block){ .size = b->size - n - sizeof *b };
			b->size = n;
		}
		b->used = 1;
		return b + 1;
	}
	return NULL;
}

void reserve_free(void *p)
{
	if (is_ours(p))
		((struct block *)p - 1)->used = 0;
	else
		mem_free(arena.heap, p);
}

void *reserve_resize(void *p, size_t n)
{
	size_t had;
	void *q;

	if (n == 0) {
		reserve_free(p);
		return NULL;
	}
	if (!is_ours(p) && (q = mem_resize(arena.heap, p, n)) != NULL)
		return q;
	had = p == NULL ? 0 : is_ours(p) ? ((struct block *)p - 1)->size : malloc_usable_size(p);
	if (is_ours(p) && had >= n)
		return p;
	if ((q = is_ours(p) ? mem_resize(arena.heap, NULL, n) : NULL) == NULL && (q = take(n)) == NULL)
		return NULL;
	if (had > 0)
		memcpy(q, p, had < n ? had : n);
	reserve_free(p);
	return q;
}

void *reserve_alloc(size_t n)
{
	return reserve_resize(NULL, n);
}

void *reserve_zalloc(size_t n)
{
	void *p = reserve_resize(NULL, n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

size_t reserve_used(void)
{
	size_t used = 0;

	for (size_t at = 0; at < arena.size; at = behind(at))
		used += block_at(at)->used ? block_at(at)->size : 0;
	return used;
}

static void *resize(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return reserve_resize(p, n);
}

const struct mem mem_reserve = { resize, NULL };
