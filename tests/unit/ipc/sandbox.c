#include "ipc/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/child.h"

/* Locks a process of its own; 0 when it still runs and can open nothing any more. */
static int locked(enum ipc_role role, void (*sandbox)(const struct child *))
{
	struct child c = { .role = role };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sandbox(&c);
		_exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 2);
	}
	cr_assert(pid > 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Once a limit on file sizes was set before the filter was written to its memfd, and nobody could start. */
Test(sandbox, the_locked_roles_can_be_locked)
{
	cr_assert_eq(locked(ROLE_ACC, sandbox_acceptor), 0);
	cr_assert_eq(locked(ROLE_KEY, sandbox_keysign), 0);
	cr_assert_eq(locked(ROLE_NUR, sandbox_nursery), 0);
}
