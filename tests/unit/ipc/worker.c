#include "ipc/worker.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/wire.h"
#include "ipc/child.h"
#include "ipc/datagram.h"
#include "ipc/link.h"

#define SOMEBODY 65533		/* no account of any test */
#define GROUP    65532
#define SECOND   65531

/* What a worker that began says about itself. */
struct told {
	uid_t uid[3];
	gid_t gid[3], groups[8];
	int ngroups, ignored, blocked, may_return, dumpable;
	char command[16];
};

/* A worker that does not begin may be gone before it is told all: no error. No assertion here either: also called in a child. */
static void say(int fd, enum ipc_type type, const void *body, int with_fd)
{
	struct buf b;

	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	if (ipc_encode(&b, type, body) == SSH_OK)
		datagram_send(fd, buf_head(&b), buf_len(&b), &with_fd, with_fd >= 0, 0);
	buf_drop(&b);
}

/* In the worker: as it is after worker_begin(), to fd 0, which came with WORK. */
static void tell(const struct worker *w)
{
	struct told t = { .ngroups = 0 };
	struct sigaction pipe_now;
	sigset_t now;

	getresuid(&t.uid[0], &t.uid[1], &t.uid[2]);
	getresgid(&t.gid[0], &t.gid[1], &t.gid[2]);
	t.ngroups = getgroups(8, t.groups);
	sigaction(SIGPIPE, NULL, &pipe_now);
	t.ignored = pipe_now.sa_handler == SIG_IGN;
	sigprocmask(SIG_SETMASK, NULL, &now);
	t.blocked = sigismember(&now, SIGHUP) || sigismember(&now, SIGTERM);
	t.dumpable = prctl(PR_GET_DUMPABLE);
	t.may_return = setresuid(0, 0, 0) == 0 || setgid(0) == 0;
	memcpy(t.command, w->msg.u.WORK.command.p, w->msg.u.WORK.command.len);
	_exit(write(0, &t, sizeof t) == sizeof t ? 0 : 9);
}

/* A worker with the supervisor's end of its link in *order. */
static pid_t born(int *order)
{
	static struct worker w;
	int pair[2];
	pid_t pid;

	if (link_pair(pair) < 0)
		return -1;
	if ((pid = fork()) == 0) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		signal(SIGPIPE, SIG_IGN);
		dup2(pair[1], CHILD_LINK_FD);
		close_range(CHILD_LINK_FD + 1, ~0u, 0);
		worker_begin(&w);
		tell(&w);
	}
	close(pair[1]);
	*order = pair[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status = 0;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Its exit status, 0 if it told what it is; -1: something else went wrong. */
static int begin_as(const struct ipc_BECOME *who, struct told *t)
{
	struct ipc_WORK work = { .kind = 1, .command = view_str("to do") };
	struct ipc_GO go_on = { 0 };
	int order = -1, report[2], status;
	pid_t pid = born(&order);

	if (link_pair(report) < 0)
		return -1;
	if (who != NULL)
		say(order, IPC_BECOME, who, -1);
	say(order, IPC_WORK, &work, report[1]);
	say(order, IPC_GO, &go_on, -1);
	close(report[1]);
	memset(t, 0, sizeof *t);
	status = status_of(pid);
	if ((recv(report[0], t, sizeof *t, MSG_DONTWAIT) == sizeof *t) != (status == 0))
		status = -1;
	close(report[0]);
	close(order);
	return status;
}

/* As root: everything of it, and nothing that was. Else: ourselves and nobody else. */
Test(worker, becomes_whom_it_is_told)
{
	uint8_t groups[8];
	struct ipc_BECOME who = { .uid = SOMEBODY, .gid = GROUP, .groups = view_of(groups, sizeof groups) };
	int root = geteuid() == 0;
	struct told t;

	put_u32(groups, GROUP);
	put_u32(groups + 4, SECOND);
	if (!root)
		who.uid = getuid();
	cr_assert_eq(begin_as(&who, &t), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(t.uid[i], who.uid);
		cr_assert_eq(t.gid[i], root ? GROUP : getgid());
	}
	if (root) {
		cr_assert_eq(t.ngroups, 2);
		cr_assert(t.groups[0] + t.groups[1] == GROUP + SECOND);
		cr_assert_eq(t.dumpable, 0, "the user could trace what was root a moment ago");
	}
	cr_assert_not(t.may_return);
	cr_assert_not(t.ignored);
	cr_assert_not(t.blocked);
	cr_assert_str_eq(t.command, "to do");
}

Test(worker, that_is_told_nobody_does_nothing)
{
	struct told t;

	cr_assert_eq(begin_as(NULL, &t), 255);
}

Test(worker, does_not_begin_with_half_a_group)
{
	struct ipc_BECOME who = { .uid = geteuid() == 0 ? SOMEBODY : getuid() + 1, .gid = GROUP, .groups = view_str("abc") };
	struct told t;

	cr_assert_eq(begin_as(&who, &t), 254);
}

/* The daemon of a user serves nobody else, whatever it says. */
Test(worker, who_is_not_root_becomes_nobody_else)
{
	struct ipc_BECOME who = { .uid = SOMEBODY - 10, .gid = GROUP };
	struct told t;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(GROUP, GROUP, GROUP) < 0 || setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0))
			_exit(1);
		_exit(begin_as(&who, &t) == 254 ? 0 : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}
