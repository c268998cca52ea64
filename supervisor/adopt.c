#include "supervisor/adopt.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/keep.h"
#include "supervisor/proc.h"
#include "supervisor/report.h"
#include "supervisor/state.h"
#include "supervisor/procfs.h"

/* linux/pidfd.h of 6.15; older headers do not have it. */
struct exit_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define START_TIME 19	/* behind the state (proc(5), starttime) */
#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO  _IOWR(0xFF, 11, struct exit_info)
_Static_assert(sizeof(struct exit_info) == 64, "PIDFD_INFO_SIZE_VER0");

/* After it was reaped, by whoever is its parent now. */
static int ask_pidfd(int pidfd)
{
	struct exit_info i = { .mask = INFO_EXIT };

	return ioctl(pidfd, GET_INFO, &i) == 0 && (i.mask & INFO_EXIT) ? i.exit_code : STATUS_NONE;
}

/* Before: the last field of /proc/PID/stat is what waitpid() will say. */
static int ask_proc(pid_t pid)
{
	char text[PROCFS_STAT_MAX];
	const char *at = procfs_stat(pid, text);
	int code;

	if (at == NULL || at[0] != ' ' || at[1] != 'Z' || (at = strrchr(at, ' ')) == NULL)
		return STATUS_NONE;
	code = (int)strtol(at + 1, NULL, 10);
	return code >= 0 ? code : STATUS_NONE;
}

int adopt_status(int pidfd, pid_t pid)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int code, before;

	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLIN | POLLHUP)))
		return STATUS_NONE;
	if ((code = ask_pidfd(pidfd)) != STATUS_NONE)
		return code;
	before = ask_proc(pid);
	/* If it was reaped in between, that number was perhaps another's already; then the pidfd knows better. */
	if ((code = ask_pidfd(pidfd)) != STATUS_NONE)
		return code;
	if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 && before != STATUS_NONE)
		return before;		/* still a zombie: the number was its own */
	return STATUS_UNKNOWN;
}

pid_t adopt_pid_of(int pidfd)
{
	char path[40], text[PROCFS_STAT_MAX];
	const char *at;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	if (procfs_read(path, text) < 0 || (at = strstr(text, "\nPid:\t")) == NULL)
		return 0;
	return (pid_t)strtol(at + 6, NULL, 10);
}

/* In ms since boot; -1: there is no such process. */
static int64_t began(pid_t pid)
{
	char text[PROCFS_STAT_MAX];
	const char *at = procfs_stat(pid, text);

	for (int i = 0; at != NULL && i < START_TIME; i++)
		if ((at = strchr(at + 1, ' ')) == NULL)
			return -1;
	return at != NULL ? (int64_t)(strtoull(at, NULL, 10) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK)) : -1;
}

int adopt_find(pid_t pid, uint64_t born_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct timespec boot;
	int64_t born, is;

	if (pidfd < 0)
		return -1;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	born = boot.tv_sec * 1000 + boot.tv_nsec / 1000000 - (int64_t)(clock_ms() - born_ms);
	is = began(pid);	/* rounded down */
	if (is >= 0 && is <= born)
		return pidfd;
	close(pidfd);
	return -1;
}

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
	struct proc *p = arg;
	static const struct rusage unknown;	/* whoever reaped it knows */
	int wstatus = adopt_status(p->pidfd, p->pid);

	(void)fd, (void)what;
	if (wstatus == STATUS_NONE)
		return;
	if (wstatus == STATUS_UNKNOWN)
		log_ev(LOGL_WARN, "ev=adopted role=%s pid=%d ended; this kernel does not tell how", ipc_role_name(p->role), (int)p->pid);
	proc_ended(p, wstatus, &unknown);
}

int adopt_watch(struct proc *p)
{
	p->adopted = 1;
	p->watch = event_new(p->d->base, p->pidfd, EV_READ | EV_PERSIST, on_pidfd, p);
	return p->watch != NULL && event_add(p->watch, NULL) == 0 ? SSH_OK : SSH_E_NOMEM;
}

void adopt_unwatch(struct proc *p)
{
	if (p->watch != NULL)
		event_free(p->watch);
	p->watch = NULL;
}

int adopt_lives(const struct proc *p)
{
	struct pollfd f = { .fd = p->link != NULL ? link_fd(p->link) : -1, .events = 0 };

	return p->link != NULL && poll(&f, 1, 0) == 0;
}

int adopt_claim(struct proc *p, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	/* Alive after the pidfd was opened, and before: so that is what the pidfd stands for. */
	if (pidfd < 0 || !adopt_lives(p)) {
		if (pidfd >= 0)
			close(pidfd);
		return SSH_E_GONE;
	}
	p->pid = pid;
	p->pidfd = pidfd;
	if (p->kid != NULL)
		p->kid->last_pid = pid;
	keep_proc(p);
	state_proc(p);
	return adopt_watch(p);
}
