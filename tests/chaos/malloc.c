/*
 * malloc - preloaded into every process of the room: while FAIL_FILE holds a process's id, every allocation of that process whose
 * turn it is fails. The file is mapped before main(), so that a sandboxed process follows, too.
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

static volatile struct {
	int32_t pid;
	uint32_t every;
	uint32_t asked, failed;
} *plan;

__attribute__((constructor)) static void begin(void)
{
	int fd = open(FAIL_FILE, O_RDWR | O_CLOEXEC);
	void *at = fd >= 0 ? mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (at != MAP_FAILED)
		plan = at;
	if (fd >= 0)
		close(fd);
}

static int fails(void)
{
	if (plan == NULL || plan->pid == 0 || plan->every == 0 || plan->pid != getpid() || ++plan->asked % plan->every != 0)
		return 0;
	plan->failed++;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
