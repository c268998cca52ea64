#include "ipc/worker.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/child.h"

#define WORK_TIMEOUT_MS 10000
#define GO_TIMEOUT_MS 86400000		/* only the end of the link ends it */

static void give_up(const char *what, const char *why)
{
	dprintf(2, "coppice: %s: %s\n", what, why);
	_exit(255);
}

/* What the supervisor blocked for our birth, and what it ignores, would survive execve(2). A sanitizer's handlers stay. */
static void default_signals(void)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct sigaction now;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0: we are that user and nobody else, for good. */
static int take_ids(const struct ipc_BECOME *m)
{
	gid_t groups[WORKER_GROUPS_MAX];
	struct rd in = rd_view(m->groups);
	size_t n = m->groups.len / sizeof(uint32_t);
	uid_t real, effective, saved;
	gid_t rgid, egid, sgid;

	if (geteuid() != 0)		/* of a daemon that is not root: it may serve nobody else */
		return getuid() == m->uid && geteuid() == m->uid ? 0 : -1;
	if (m->groups.len % sizeof(uint32_t) != 0 || n > WORKER_GROUPS_MAX)
		return -1;
	for (size_t i = 0; i < n; i++)
		groups[i] = rd_u32(&in);
	/* An empty one: a user must not possess what is in the administrator's. Not every kernel has keys. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (setgroups(n, groups) < 0 || setresgid(m->gid, m->gid, m->gid) < 0 || setresuid(m->uid, m->uid, m->uid) < 0)
		return -1;
	/* No way back, or no way on. */
	if (m->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return -1;
	if (getresuid(&real, &effective, &saved) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -1;
	return real == m->uid && effective == m->uid && saved == m->uid && rgid == m->gid && egid == m->gid && sgid == m->gid ? 0 : -1;
}

/* The supervisor's word alone, of fixed form, is all that is read as root. */
static void become(struct worker *w)
{
	int r = link_wait(CHILD_LINK_FD, ROLE_WRK, ROLE_SUP, W_NEW, WORK_TIMEOUT_MS, &w->msg, w->storage);

	if (r < 0 || w->msg.type != IPC_BECOME)
		give_up("nobody to become", err_text(r < 0 ? r : SSH_E_RULE));
	if (take_ids(&w->msg.u.BECOME) < 0)
		_exit(254);
}

/* The received descriptors become 0, 1 and 2, whatever numbers they came with. */
static void take_standard(struct ipc_msg *m)
{
	int high[3];

	for (int i = 0; i < m->nfds; i++) {
		high[i] = fcntl(m->fds[i], F_DUPFD_CLOEXEC, 10);
		if (high[i] < 0)
			give_up("standard descriptors", "cannot be moved");
		close(ipc_take_fd(m, i));
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[m->nfds == 3 ? i : 0], i) < 0)
			give_up("standard descriptors", "cannot be taken");
	for (int i = 0; i < m->nfds; i++)
		close(high[i]);
}

void worker_begin(struct worker *w)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg go;
	int r;

	default_signals();
	become(w);
	r = link_wait(CHILD_LINK_FD, ROLE_WRK, ROLE_SUP, W_NEW, WORK_TIMEOUT_MS, &w->msg, w->storage);
	if (r == SSH_OK && w->msg.type != IPC_WORK) {
		ipc_close_fds(&w->msg);
		r = SSH_E_RULE;
	}
	if (r < 0)
		give_up("no work from the supervisor", err_text(r));
	if (w->msg.nfds != 3 && w->msg.nfds != 1)
		give_up("work from the supervisor", "needs one or three descriptors");
	/* If the supervisor dies now, the next one says it, or closes the link. */
	if (link_wait(CHILD_LINK_FD, ROLE_WRK, ROLE_SUP, W_NEW, GO_TIMEOUT_MS, &go, storage) < 0 || go.type != IPC_GO)
		_exit(255);
	take_standard(&w->msg);
	close(CHILD_LINK_FD);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
}
