#include "tests/unit/ssh/heap.h"

#include <errno.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static volatile long requests;

long heap_requests(void)
{
	return requests;
}

#ifdef SANITIZED	/* it has the allocator, and tells */
/* of sanitizer/allocator_interface.h, which gcc does not bring */
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));

static void asked(const volatile void *p, size_t n)
{
	(void)p, (void)n;
	requests++;
}

static void returned(const volatile void *p)
{
	(void)p;
	requests++;
}

__attribute__((constructor)) static void begin(void)
{
	__sanitizer_install_malloc_and_free_hooks(asked, returned);
}
#else			/* ours stand before the C library's */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void  __libc_free(void *);

void *malloc(size_t n)
{
	requests++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	requests++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	requests++;
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	requests++;
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	void *got = __libc_memalign(align, n);

	requests++;
	if (got == NULL)
		return ENOMEM;
	*p = got;
	return 0;
}

void free(void *p)
{
	requests += p != NULL;
	__libc_free(p);
}
#endif
