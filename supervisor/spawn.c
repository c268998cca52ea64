#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "supervisor/boxes.h"
#include "supervisor/cgroup.h"
#include "supervisor/keep.h"
#include "supervisor/proc.h"
#include "supervisor/programs.h"

#define FDS_MAX 10

/* Born there, because moving a process later costs milliseconds. -1: it cannot be, or this kernel does not know how. */
static pid_t clone_into(int cgroup)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)cgroup };

	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

pid_t spawn_fork(void)
{
	return spawn_fork_into(-1);
}

pid_t spawn_fork_into(int cgroup)
{
	sigset_t all, old;
	pid_t pid = -1;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	if (cgroup >= 0)
		pid = clone_into(cgroup);
	if (pid < 0)
		pid = fork();
	if (pid == 0) {
		for (int sig = 1; sig < NSIG; sig++)
			if (sig != SIGKILL && sig != SIGSTOP)
				signal(sig, SIG_DFL);
		return 0;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

void spawn_unblock(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int spawn_fds(const int *fds, const int *at, int n)
{
	int high[FDS_MAX], null, top = 2;

	if (n > FDS_MAX || (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0 || (null = fcntl(null, F_DUPFD_CLOEXEC, 16)) < 0)
		return -1;
	/* first out of the way of the numbers wanted */
	for (int i = 0; i < n; i++)
		if ((high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 16)) < 0)
			return -1;
	for (int i = 0; i <= 2; i++)
		if (dup2(null, i) < 0)
			return -1;
	for (int i = 0; i < n; i++) {
		if (dup2(high[i], at[i]) < 0)
			return -1;
		top = at[i] > top ? at[i] : top;
	}
	for (int fd = 3; fd < top; fd++) {	/* numbers between that nobody asked for */
		int wanted = 0;

		for (int i = 0; i < n; i++)
			wanted |= at[i] == fd;
		if (!wanted)
			close(fd);
	}
	/* what is above stays open until exec: the program itself is among it */
	return close_range((unsigned)top + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

void spawn_be_mortal(void)
{
	char now[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && read(fd, now, sizeof now - 1) > 0 && now[0] == '-' && pwrite(fd, "0", 1, 0) < 0)
		log_ev(LOGL_DEBUG, "oom_score_adj: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

int spawn_is_protected(void)
{
	char now[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);	/* cheaper than the child's, whose folder would have to be made first */
	int is = fd < 0 || read(fd, now, sizeof now - 1) <= 0 || now[0] == '-';

	if (fd >= 0)
		close(fd);
	return is;
}

char *const *spawn_environment(void)
{
	static const char *const passed[] = { "TZ", "SSH_AUTH_SOCK" /* HostKeyAgent */, "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE", NULL };
	static char *env[16];
	size_t n = 0;

	if (env[0] != NULL)
		return env;
	env[n++] = (char *)(uintptr_t)"PATH=/usr/local/bin:/usr/bin:/bin";
	for (int i = 0; passed[i] != NULL; i++) {
		const char *value = getenv(passed[i]);
		char *line;

		if (value != NULL && asprintf(&line, "%s=%s", passed[i], value) > 0)
			env[n++] = line;
	}
	env[n] = NULL;
	return env;
}

/* ---- helpers ------------------------------------------------------------------ */

/* In the child. */
static void become(const struct daemon *d, const struct kid_row *row, int link, int box, const char *title)
{
	int rep = row->role == ROLE_REP, nur = row->role == ROLE_NUR;
	const struct { int fd, at; } wanted[] = {
		{ link, CHILD_LINK_FD }, { nur ? d->log_untrusted.send : d->log_trusted.send, CHILD_LOG_FD },
		{ rep ? d->log_trusted.receive : -1, REPORTER_TRUSTED_FD }, { rep ? d->log_untrusted.receive : -1, REPORTER_UNTRUSTED_FD },
		{ rep ? d->crash_dir : -1, REPORTER_CRASHES_FD }, { rep ? d->metrics : -1, REPORTER_METRICS_FD },
		{ box, CHILD_BOX_FD }, { nur ? d->boxes.fd : -1, CHILD_SLAB_FD },
	};
	int fds[FDS_MAX], at[FDS_MAX], n = 0;
	int program = fcntl(d->program[row->program], F_DUPFD_CLOEXEC, 32);
	char name[120];
	char *argv[] = { name, NULL };

	snprintf(name, sizeof name, "coppice: %s", title);
	setsid();
	if (row->role == ROLE_NUR)
		spawn_be_mortal();
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (wanted[i].fd >= 0)
			fds[n] = wanted[i].fd, at[n++] = wanted[i].at;
	if (program < 0 || spawn_fds(fds, at, n) < 0)
		_exit(126);
	spawn_unblock();
	program_exec(program, argv, spawn_environment());
	_exit(SPAWN_NO_EXEC);
}

static void cannot(struct kid *k, const struct kid_row *row, const char *why)
{
	if (k != NULL)
		snprintf(k->why, sizeof k->why, "%s", why);
	log_ev(LOGL_ERROR, "%s: cannot be started: %s", row->name, why);
}

struct proc *spawn_for(struct daemon *d, const struct kid_row *row, struct kid *k)
{
	struct proc *p;
	int pair[2], box;
	pid_t pid;

	if (link_pair(pair) < 0) {
		cannot(k, row, strerror(errno));
		return NULL;
	}
	/* Its record first: a child we could not keep a record of would be a stranger that was killed. */
	if ((p = proc_new(d, k, row->role, 0, pair[0])) == NULL) {
		cannot(k, row, err_text(SSH_E_NOMEM));
		close(pair[1]);
		return NULL;
	}
	box = boxes_page();
	if ((pid = spawn_fork_into(cgroup_of_role(row->role))) == 0)
		become(d, row, pair[1], box, k != NULL ? k->name : row->name);
	close(pair[1]);
	p->box = box;
	if (pid < 0 || proc_born(p, pid) < 0) {
		cannot(k, row, pid < 0 ? strerror(errno) : err_text(SSH_E_NOMEM));
		proc_forget(p);
		return NULL;
	}
	return p;
}

int spawn_helper(struct kid *k)
{
	return spawn_for(k->d, k->row, k) != NULL ? SSH_OK : SSH_E_SYS;
}

/* ---- keysign as a tool ----------------------------------------------------------- */

static int wait_for(pid_t pid, int timeout_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), wstatus = 0;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	while (pidfd >= 0 && (r = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
		;
	if (pidfd < 0 || r <= 0)
		kill(pid, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

int spawn_keysign(struct daemon *d, char *const argv[], int timeout_ms)
{
	int program = d->program[PROG_KEYSIGN];
	pid_t pid = spawn_fork();

	if (pid == 0) {
		int fds[1] = { 2 }, at[1] = { 2 };
		int high = fcntl(program, F_DUPFD_CLOEXEC, 32);

		if (high < 0 || spawn_fds(fds, at, 1) < 0)
			_exit(126);
		spawn_unblock();
		program_exec(high, argv, spawn_environment());
		_exit(127);
	}
	return pid < 0 ? -1 : wait_for(pid, timeout_ms);
}
