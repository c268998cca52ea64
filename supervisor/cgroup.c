#include "supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "supervisor/proc.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"

#define OWN_LEAF "supervisor"

/* A group that still has processes of an ended session. */
struct left { struct list link; int watch; char name[CGROUP_NAME_MAX]; };

static struct {
	char path[PLACE_MAX * 2];	/* of the delegated group */
	int unit, sessions, preauth;	/* directories; -1 */
	int notify;
	struct event *changed;
	struct list left;
} g = { .unit = -1, .sessions = -1, .preauth = -1, .notify = -1 };

/* ---- small things ----------------------------------------------------------------------- */

static int folder(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* value into a control file below a group. 0, or -1 with errno. */
static int put(int at, const char *name, const char *value)
{
	int fd = openat(at, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), r, saved;

	if (fd < 0)
		return -1;
	r = write(fd, value, strlen(value)) < 0 ? -1 : 0;
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

static int leaf(const char *name)
{
	if (mkdirat(g.unit, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return folder(g.unit, name);
}

/* ---- what was delegated ------------------------------------------------------------------- */

static int is_delegated(const char *path)
{
	static const char *const attributes[] = { "trusted.delegate", "user.delegate" };	/* systemd sets both */
	char value[4];

	for (int i = 0; i < 2; i++)
		if (getxattr(path, attributes[i], value, sizeof value) == 1 && value[0] == '1')
			return 1;
	return 0;
}

/* Our group of the v2 hierarchy, the line "0::/path". */
static int own_group(char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PLACE_MAX + 8];
	int found = 0;

	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(out, size, "%.*s", PLACE_MAX - 1, line + 3);
			found = 1;
		}
	if (f != NULL)
		fclose(f);
	return found;
}

static int find(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char own[PLACE_MAX];
	size_t end;

	if (!own_group(own, sizeof own))
		return 0;
	for (int i = 0; i < 2; i++) {
		struct statfs fs;

		if (statfs(mounts[i], &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		snprintf(g.path, sizeof g.path, "%s%s", mounts[i], strcmp(own, "/") != 0 ? own : "");
		if (is_delegated(g.path))
			return 1;
		end = strlen(g.path);	/* DelegateSubgroup=, or the predecessor whose place we took by execve(2) */
		if (end < sizeof OWN_LEAF || strcmp(g.path + end - sizeof OWN_LEAF, "/" OWN_LEAF) != 0)
			return 0;
		g.path[end - sizeof OWN_LEAF] = '\0';
		return is_delegated(g.path);
	}
	return 0;
}

/* ---- groups nobody needs any more ------------------------------------------------------------ */

static int removed(const char *name)
{
	return unlinkat(g.sessions, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void drop_left(struct left *l)
{
	list_remove(&l->link);
	reserve_free(l);
}

/* The kernel tells when the last process left. */
static void remove_later(const char *name)
{
	struct left *l = reserve_zalloc(sizeof *l);
	char events[PLACE_MAX * 2 + 80];

	if (l == NULL || g.notify < 0) {
		reserve_free(l);
		return;		/* the next start clears it away */
	}
	snprintf(l->name, sizeof l->name, "%s", name);
	snprintf(events, sizeof events, "%s/sessions/%s/cgroup.events", g.path, name);
	list_add_tail(&g.left, &l->link);
	l->watch = inotify_add_watch(g.notify, events, IN_MODIFY);
	if (l->watch < 0 || removed(name))	/* it may have been the last moment */
		drop_left(l);
}

static void on_changed(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char room[4096];
	ssize_t n = read(fd, room, sizeof room);

	(void)what, (void)arg;
	for (ssize_t at = 0; at < n; ) {
		const struct inotify_event *ev = (const void *)(room + at);

		at += (ssize_t)(sizeof *ev + ev->len);
		LIST_EACH_SAFE(l, next, &g.left) {
			struct left *of = LIST_OF(l, struct left, link);

			if (of->watch == ev->wd && removed(of->name))
				drop_left(of);
		}
	}
}

/* Of sessions that ended while nobody was there, or live on without us. */
static void sweep(void)
{
	int fd = folder(g.sessions, ".");
	DIR *all = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	while (all != NULL && (e = readdir(all)) != NULL)
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && !removed(e->d_name))
			remove_later(e->d_name);
	if (all != NULL)
		closedir(all);
}

/* ---- start and end ------------------------------------------------------------------------------ */

static int make_leaves(void)
{
	int own;

	if ((g.unit = open(g.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || (own = leaf(OWN_LEAF)) < 0)
		return SSH_E_SYS;
	/* A group with processes of its own could not hand controllers down to its children (cgroups(7), no internal processes). */
	if (put(own, "cgroup.procs", "0") < 0) {
		close(own);
		return SSH_E_SYS;
	}
	close(own);
	g.preauth = leaf("preauth");
	g.sessions = leaf("sessions");
	return g.preauth >= 0 && g.sessions >= 0 ? SSH_OK : SSH_E_SYS;
}

void cgroup_open(struct daemon *d)
{
	list_init(&g.left);
	if (d->opt.inetd || !find())
		return;
	if (make_leaves() < 0) {
		log_ev(LOGL_WARN, "ev=cgroup: %s was delegated, but cannot be used: %s", g.path, strerror(errno));
		cgroup_drop();
		return;
	}
	g.notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (g.notify >= 0 && (g.changed = event_new(d->base, g.notify, EV_READ | EV_PERSIST, on_changed, NULL)) != NULL)
		event_add(g.changed, NULL);
	sweep();
}

int cgroup_of_role(enum ipc_role role)
{
	return role == ROLE_NUR ? g.preauth : -1;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cgroup_drop(void)
{
	if (g.changed != NULL)
		event_free(g.changed);
	g.changed = NULL;
	shut(&g.notify);
	shut(&g.sessions);
	shut(&g.preauth);
	shut(&g.unit);
	while (g.left.next != NULL && !list_empty(&g.left))
		drop_left(LIST_OF(g.left.next, struct left, link));
}

/* ---- a session ------------------------------------------------------------------------------------- */

static void move_connection(const struct session *s)
{
	const struct proc *p = s->connection != NULL ? s->connection->proc : NULL;
	char file[CGROUP_NAME_MAX + 16], pid[16];

	if (p == NULL || p->pid <= 0)
		return;
	snprintf(file, sizeof file, "%s/cgroup.procs", s->cgroup);
	snprintf(pid, sizeof pid, "%d", (int)p->pid);
	if (spawn_fork() == 0)		/* reaped as a stranger; should it fail, the connection stays where it was */
		_exit(put(g.sessions, file, pid) < 0);
}

void cgroup_session_begin(struct session *s)
{
	if (g.sessions < 0 || s->cgroup[0] != '\0')
		return;
	snprintf(s->cgroup, sizeof s->cgroup, "%llu", (unsigned long long)s->conn);
	if (mkdirat(g.sessions, s->cgroup, 0755) < 0 && errno == EEXIST) {
		/* somebody outlived a session of that number, of a daemon before this one */
		snprintf(s->cgroup, sizeof s->cgroup, "%llu-%d", (unsigned long long)s->conn, (int)getpid());
		errno = 0;
		mkdirat(g.sessions, s->cgroup, 0755);
	}
	if (faccessat(g.sessions, s->cgroup, F_OK, 0) < 0) {
		log_ev(LOGL_WARN, "ev=cgroup session=%llu: %s", (unsigned long long)s->conn, strerror(errno));
		s->cgroup[0] = '\0';
		return;
	}
	move_connection(s);
}

void cgroup_session_moved(const struct session *s)
{
	if (g.sessions >= 0 && s->cgroup[0] != '\0')
		move_connection(s);
}

void cgroup_session_adopt(struct session *s)
{
	if (g.sessions < 0)
		return;
	if (s->cgroup[0] == '\0')
		snprintf(s->cgroup, sizeof s->cgroup, "%llu", (unsigned long long)s->conn);
	if (faccessat(g.sessions, s->cgroup, F_OK, 0) < 0)
		s->cgroup[0] = '\0';
}

int cgroup_session_open(const struct session *s)
{
	return g.sessions >= 0 && s->cgroup[0] != '\0' ? folder(g.sessions, s->cgroup) : -1;
}

/* As cgroup.kill does; kernels before 5.14 have none. */
static void kill_each(int fd)
{
	int procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = procs >= 0 ? fdopen(procs, "r") : NULL;
	int pid;

	while (f != NULL && fscanf(f, "%d", &pid) == 1)
		if (pid > 1)
			kill(pid, SIGKILL);
	if (f != NULL)
		fclose(f);
}

void cgroup_session_end(struct session *s)
{
	int fd;

	if (g.sessions < 0 || s->cgroup[0] == '\0')
		return;
	if (s->d->values->KillSessionProcesses && (fd = cgroup_session_open(s)) >= 0) {
		if (put(fd, "cgroup.kill", "1") < 0)
			kill_each(fd);
		close(fd);
	}
	if (!removed(s->cgroup))
		remove_later(s->cgroup);
	s->cgroup[0] = '\0';
}
