#include "guard/proc.h"

#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/box.h"
#include "ssh/crypto/crypto.h"

#define CHILD_FD 3

static void limits(unsigned cpu_s)
{
	struct rlimit none = { 0, 0 }, cpu = { cpu_s, cpu_s + 1 };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &cpu);
	prctl(PR_SET_DUMPABLE, 0);
}

/* What the parent's loop left behind: handlers that would write into its sockets, and all its links. */
static void forget_parent(int fd)
{
	static const int reset[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGPIPE };
	sigset_t none;

	log_to(NULL, NULL);
	box_leave(NULL, 0);
	for (size_t i = 0; i < sizeof reset / sizeof reset[0]; i++)
		signal(reset[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd != CHILD_FD && dup2(fd, CHILD_FD) < 0)
		_exit(1);
	if (close_range(CHILD_FD + 1, ~0U, 0) != 0)
		_exit(1);
}

int proc_start(struct proc *p, unsigned cpu_s, void (*run)(int fd, void *ctx), void *ctx)
{
	pid_t pid;
	int pair[2];

	p->pidfd = -1;
	p->fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return SSH_E_SYS;
	if ((pid = fork()) < 0) {
		close(pair[0]);
		close(pair[1]);
		return SSH_E_SYS;
	}
	if (pid == 0) {
		forget_parent(pair[1]);
		limits(cpu_s);
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* until it becomes a user: then the end of the socket tells it */
		crypto_forked();
		run(CHILD_FD, ctx);
		_exit(0);
	}
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	p->fd = pair[0];
	/* Nobody can have waited for it yet. Without a pidfd its own limits must end it. */
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return SSH_OK;
}

void proc_stop(struct proc *p)
{
	if (p->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		close(p->pidfd);
	}
	if (p->fd >= 0)
		close(p->fd);
	p->pidfd = -1;
	p->fd = -1;
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what, (void)arg;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int proc_watch(struct event_base *base)
{
	struct event *e = evsignal_new(base, SIGCHLD, on_child, NULL);

	return e == NULL || event_add(e, NULL) < 0 ? SSH_E_NOMEM : SSH_OK;	/* for the life of the process */
}

void proc_become(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups)
{
	if (setgroups(ngroups, groups) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		_exit(1);
	if (uid != 0 && (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setuid(0) == 0))
		_exit(1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);	/* a change of ids resets it */
}
