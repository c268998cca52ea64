#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *heap(void *ctx, void *p, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, n);
}

const struct mem mem_heap = { heap, NULL };

void *mem_resize(const struct mem *m, void *p, size_t n)
{
	if (m == NULL)
		m = &mem_heap;
	return m->fn(m->ctx, p, n);
}

void *mem_zalloc(const struct mem *m, size_t n)
{
	void *p = mem_resize(m, NULL, n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

void mem_free(const struct mem *m, void *p)
{
	if (p != NULL)
		mem_resize(m, p, 0);
}

char *mem_strndup(const struct mem *m, const char *p, size_t n)
{
	char *s = mem_resize(m, NULL, n + 1);

	if (s != NULL) {
		if (n > 0)
			memcpy(s, p, n);
		s[n] = '\0';
	}
	return s;
}
