#include "supervisor/held.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"

static int some(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

Test(held, slot_by_slot)
{
	struct held h = { 0 };
	int link = some(), pidfd = some(), second = some(), other = some();

	cr_assert_eq(held_add(&h, KEPT_PROC, 7, PROC_PIDFD, pidfd), SSH_OK);
	cr_assert_eq(held_add(&h, KEPT_PROC, 8, PROC_LINK, other), SSH_OK);
	cr_assert_eq(held_add(&h, KEPT_PROC, 7, PROC_LINK, link), SSH_OK);
	cr_assert_eq(h.n, 2);
	cr_assert_eq(held_add(&h, KEPT_PROC, 7, PROC_LINK, second), SSH_E_RULE, "the slot is taken");
	cr_assert(!is_open(second), "and the descriptor closed");
	cr_assert_eq(held_look(&h, KEPT_PROC, 7, PROC_LINK), link);
	cr_assert_eq(held_take(&h, KEPT_PROC, 7, PROC_PIDFD), pidfd);
	cr_assert_eq(held_take(&h, KEPT_PROC, 7, PROC_PIDFD), -1);
	held_drop(&h);
	cr_assert(is_open(pidfd) && !is_open(link) && !is_open(other));
	close(pidfd);
}
