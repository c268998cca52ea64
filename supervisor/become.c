#include "supervisor/become.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/wire.h"
#include "ipc/child.h"
#include "ipc/link.h"
#include "ipc/worker.h"
#include "supervisor/cgroup.h"
#include "supervisor/grant.h"
#include "supervisor/lend.h"
#include "supervisor/programs.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"

static struct rlimit files = { 1024, 1024 };

void become_raise_limits(void)
{
	struct rlimit more;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	more = files;
	more.rlim_cur = more.rlim_max;	/* every session costs us a handful */
	setrlimit(RLIMIT_NOFILE, &more);
}

unsigned become_soft_limit(void)
{
	return files.rlim_cur < UINT_MAX ? (unsigned)files.rlim_cur : UINT_MAX;
}

void become_restore_limits(void)
{
	setrlimit(RLIMIT_NOFILE, &files);
}

/* All that the child needs is made before it is born: it has our memory, and leaves it as it is. */
struct errand {
	int program, link, mortal;
	char name[64], zone[300], *argv[2], *env[2];
};

static void prepare(struct errand *e, int program, int link, const char *title)
{
	const char *zone = getenv("TZ");

	*e = (struct errand){ .program = program, .link = link, .mortal = spawn_is_protected() };
	snprintf(e->name, sizeof e->name, "coppice: %s", title);
	snprintf(e->zone, sizeof e->zone, "TZ=%s", zone != NULL ? zone : "");
	e->argv[0] = e->name;
	e->env[0] = zone != NULL ? e->zone : NULL;
}

/* In the child, as root: nobody else can stop it. Who it becomes lies in its socket (ipc/worker.c). */
static int go(void *errand)
{
	static const int at = CHILD_LINK_FD;
	const struct errand *e = errand;
	int high;

	setsid();
	umask(022);
	if (e->mortal)
		spawn_be_mortal();
	if ((high = fcntl(e->program, F_DUPFD_CLOEXEC, 32)) < 0 || spawn_fds(&e->link, &at, 1) < 0)
		return 254;
	become_restore_limits();	/* not sooner: what the supervisor has open counts until the exec */
	program_exec(high, e->argv, e->env);
	return 255;
}

static int say_whom(int fd, const struct grant *g)
{
	uint8_t groups[4 * WORKER_GROUPS_MAX];
	struct ipc_BECOME m = { .uid = g->uid, .gid = g->gid, .groups = view_of(groups, 4 * g->ngroups) };
	int r;

	if (g->ngroups > WORKER_GROUPS_MAX) {
		errno = EINVAL;
		return SSH_E_LIMIT;
	}
	for (size_t i = 0; i < g->ngroups; i++)
		put_u32(groups + 4 * i, g->groups[i]);
	if ((r = link_say(fd, ROLE_SUP, ROLE_WRK, W_NEW, IPC_BECOME, &m, NULL, 0)) < 0)
		errno = r == SSH_E_NOMEM ? ENOMEM : ENOBUFS;
	return r;
}

pid_t become_user(const struct session *s, int program, const char *title, int *order)
{
	int pair[2] = { -1, -1 }, saved, group = cgroup_session_open(s);
	struct errand errand;
	pid_t pid = -1;

	if (link_pair(pair) == SSH_OK && say_whom(pair[0], s->grant) == SSH_OK) {
		prepare(&errand, program, pair[1], title);
		/* In a group of its own it may be frozen, or short of time: we must not be who waits for that. */
		pid = group >= 0 ? spawn_fork_into(group) : lend(go, &errand);
		if (pid == 0)
			_exit(go(&errand));
	}
	saved = errno;
	for (int i = pid < 0 ? 0 : 1; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	if (group >= 0)
		close(group);
	errno = saved;
	*order = pair[0];
	return pid;
}
