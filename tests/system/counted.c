/*
 * counted - preloaded into every process of the room: counts what each process asks of the allocator, libraries included. COUNT_FILE
 * is an array of rows, a process takes the one of its id. It is mapped before main(), so that a sandboxed process is counted, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

enum { ROWS = 65536 };

static struct row { volatile uint64_t allocated, freed; } *rows;

__attribute__((constructor)) static void begin(void)
{
	int fd = open(COUNT_FILE, O_RDWR | O_CLOEXEC);
	void *at = fd >= 0 ? mmap(NULL, ROWS * sizeof *rows, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (at != MAP_FAILED)
		rows = at;
	if (fd >= 0)
		close(fd);
}

static void allocated(void)
{
	if (rows != NULL)
		rows[getpid() % ROWS].allocated++;
}

void *malloc(size_t n)
{
	allocated();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocated();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocated();
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	allocated();
	return __libc_memalign(align, n);
}

void *memalign(size_t align, size_t n)
{
	allocated();
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	void *got;

	allocated();
	if ((got = __libc_memalign(align, n)) == NULL)
		return ENOMEM;
	*p = got;
	return 0;
}

void free(void *p)
{
	if (rows != NULL && p != NULL)
		rows[getpid() % ROWS].freed++;
	__libc_free(p);
}
