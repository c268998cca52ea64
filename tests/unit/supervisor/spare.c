#include "supervisor/spare.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIMIT 160

/* What there really is. */
static unsigned free_fds(void)
{
	int fds[LIMIT];
	unsigned n = 0;

	while (n < LIMIT && (fds[n] = dup(0)) >= 0)
		n++;
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	return n;
}

static void limit_to(rlim_t n)
{
	struct rlimit now;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	now.rlim_cur = n;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void looks_right(const char *when)
{
	unsigned have = free_fds(), after;

	for (unsigned n = 1; n <= SPARE_MAX; n++)
		cr_assert_eq(spare_fds(n), n <= have, "%s: %u of %u", when, n, have);
	after = free_fds();
	cr_assert_eq(after, have);
}

Test(spare, never_says_more_or_less_than_there_is)
{
	int last = -1, fd;

	limit_to(LIMIT);
	looks_right("nearly empty");
	while ((fd = dup(0)) >= 0) {
		last = fd;
		looks_right("filling up");
	}
	cr_assert_eq(last, LIMIT - 1);
	for (fd = 10; fd < LIMIT; fd += 7) {	/* holes low down, while the last ones are taken */
		close(fd);
		looks_right("with holes");
	}
}

/* An administrator's prlimit(1), also to less than what is open. */
Test(spare, takes_a_limit_that_changed)
{
	limit_to(LIMIT);
	for (int fd = dup(0); fd >= 0 && fd < 100; fd = dup(0))
		;
	for (rlim_t n = 50; n <= LIMIT; n++) {
		limit_to(n);
		looks_right("another limit");
	}
}

Test(spare, knows_no_more_than_its_maximum)
{
	limit_to(LIMIT);
	cr_assert_not(spare_fds(SPARE_MAX + 1));
}
