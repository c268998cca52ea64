#include "base/table.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void table_init(struct table *t)
{
	memset(t, 0, sizeof *t);
}

void table_drop(struct table *t)
{
	mem_free(t->mem, t->slots);
	*t = (struct table){ .mem = t->mem };
}

static size_t home(const struct table *t, uint64_t key)
{
	key *= UINT64_C(0x9e3779b97f4a7c15);	/* Fibonacci hashing: neighbours spread out */
	return (size_t)(key >> 32) & (t->size - 1);
}

/* The slot that holds key, or the empty one where it would go. The table is never full. */
static size_t probe(const struct table *t, uint64_t key)
{
	size_t i = home(t, key);

	while (t->slots[i].value != NULL && t->slots[i].key != key)
		i = (i + 1) & (t->size - 1);
	return i;
}

void *table_get(const struct table *t, uint64_t key)
{
	return t->size ? t->slots[probe(t, key)].value : NULL;
}

static int grow(struct table *t)
{
	struct table bigger = { NULL, t->size ? t->size * 2 : 16, t->used, t->mem };

	if ((bigger.slots = mem_zalloc(t->mem, bigger.size * sizeof *bigger.slots)) == NULL)
		return SSH_E_NOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].value != NULL)
			bigger.slots[probe(&bigger, t->slots[i].key)] = t->slots[i];
	mem_free(t->mem, t->slots);
	*t = bigger;
	return SSH_OK;
}

int table_put(struct table *t, uint64_t key, void *value)
{
	size_t i;

	/* Without memory to grow it becomes slow; one slot stays empty, where a probe ends. */
	if ((t->used + 1) * 4 > t->size * 3 && grow(t) < 0 && t->size == 0)
		return SSH_E_NOMEM;
	i = probe(t, key);
	if (t->slots[i].value == NULL) {
		if (t->used + 1 >= t->size)
			return SSH_E_NOMEM;
		t->used++;
	}
	t->slots[i] = (struct table_slot){ key, value };
	return SSH_OK;
}

void *table_remove(struct table *t, uint64_t key)
{
	size_t hole, i;
	void *value;

	if (t->size == 0 || (value = t->slots[hole = probe(t, key)].value) == NULL)
		return NULL;
	t->used--;
	/* Pull later members of the run back into the hole, so that no probe stops too early. */
	for (i = (hole + 1) & (t->size - 1); t->slots[i].value != NULL; i = (i + 1) & (t->size - 1)) {
		size_t want = home(t, t->slots[i].key);

		if (((i - want) & (t->size - 1)) >= ((i - hole) & (t->size - 1))) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct table_slot){ 0, NULL };
	return value;
}

void *table_next(const struct table *t, size_t *at)
{
	while (*at < t->size) {
		void *value = t->slots[(*at)++].value;

		if (value != NULL)
			return value;
	}
	return NULL;
}
