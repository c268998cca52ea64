#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stddef.h>

/* mem - where memory comes from, as an argument, so that tests can make the n-th request fail. */

struct mem {
	/* n == 0 frees p (may be NULL) and returns NULL; else as realloc. */
	void *(*fn)(void *ctx, void *p, size_t n);
	void *ctx;
};

/* The C library's heap; what a NULL struct mem means everywhere. */
extern const struct mem mem_heap;

void *mem_resize(const struct mem *, void *p, size_t n);
/* Zeroed; NULL when there is none. */
void *mem_zalloc(const struct mem *, size_t n);
void  mem_free(const struct mem *, void *p);
/* A NUL-terminated copy of n bytes; yours, mem_free() it. */
char *mem_strndup(const struct mem *, const char *p, size_t n);

#endif
