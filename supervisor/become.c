#include "supervisor/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/child.h"
#include "supervisor/cgroup.h"
#include "supervisor/grant.h"
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

/* In the child: ids for good. 0, or -1. */
static int take_ids(const struct grant *g)
{
	gid_t *groups = calloc(g->ngroups + 1, sizeof *groups);
	int r;

	if (groups == NULL)
		return -1;
	for (size_t i = 0; i < g->ngroups; i++)
		groups[i] = g->groups[i];
	r = setgroups(g->ngroups, groups);
	free(groups);
	if (r < 0 || setresgid(g->gid, g->gid, g->gid) < 0 || setresuid(g->uid, g->uid, g->uid) < 0)
		return -1;
	/* No way back, or no way on. */
	if (g->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return -1;
	return getuid() == g->uid && geteuid() == g->uid && getgid() == g->gid && getegid() == g->gid ? 0 : -1;
}

static void become(const struct daemon *d, const struct grant *g, int program, int link, const char *title)
{
	const char *zone = getenv("TZ");
	char tz[300] = "TZ=", *env[] = { zone != NULL ? tz : NULL, NULL };
	char name[64] = "coppice: ", *argv[] = { name, NULL };
	int at = CHILD_LINK_FD, high = fcntl(program, F_DUPFD_CLOEXEC, 32);

	strncat(name, title, sizeof name - strlen(name) - 1);
	if (zone != NULL)
		strncat(tz, zone, sizeof tz - 4);
	setsid();
	umask(022);
	spawn_be_mortal();
	if (high < 0 || spawn_fds(&link, &at, 1) < 0)
		_exit(254);
	if (d->privileged) {
		/* An empty one: a user must not possess what is in the administrator's. Not every kernel has keys. */
		syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
		if (take_ids(g) < 0)
			_exit(254);
	}
	become_restore_limits();	/* not sooner: what the supervisor has open counts until the exec */
	spawn_unblock();
	program_exec(high, argv, env);
	_exit(255);
}

pid_t become_user(struct daemon *d, const struct session *s, int program, const char *title, int *order)
{
	int pair[2], saved, group = cgroup_session_open(s);
	pid_t pid;

	if (link_pair(pair) < 0) {
		saved = errno;
		if (group >= 0)
			close(group);
		errno = saved;
		return -1;
	}
	if ((pid = spawn_fork_into(group)) == 0)
		become(d, s->grant, program, pair[1], title);
	saved = errno;
	close(pair[1]);
	if (pid < 0)
		close(pair[0]);
	if (group >= 0)
		close(group);
	errno = saved;
	*order = pair[0];
	return pid;
}
