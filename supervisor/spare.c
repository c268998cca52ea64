#include "supervisor/spare.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

/* By having them, for a moment. */
static int tried(unsigned n)
{
	int fds[SPARE_MAX];
	unsigned have = 0;

	while (have < n && (fds[have] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
		have++;
	for (unsigned i = 0; i < have; i++)
		close(fds[i]);
	return have == n;
}

/*
 * The kernel gives the lowest numbers, so the last n below the limit are nobody's until we are nearly out of them: one call proves that n
 * are free. The limit is asked for each time, because prlimit(1) may have changed it.
 */
int spare_fds(unsigned n)
{
	struct pollfd last[SPARE_MAX];
	struct rlimit limit;

	if (n > SPARE_MAX)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX || limit.rlim_cur < n)
		return tried(n);
	for (unsigned i = 0; i < n; i++)
		last[i] = (struct pollfd){ .fd = (int)limit.rlim_cur - 1 - (int)i };
	if (poll(last, n, 0) != (int)n)
		return tried(n);
	for (unsigned i = 0; i < n; i++)
		if (last[i].revents != POLLNVAL)
			return tried(n);
	return 1;
}
