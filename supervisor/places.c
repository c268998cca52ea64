#include "supervisor/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/err.h"

/* Without the last n components. */
static void up(char *path, int n)
{
	while (n-- > 0) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			break;
		*slash = '\0';
	}
}

static int join(char out[PLACE_MAX], const char *a, const char *b)
{
	return snprintf(out, PLACE_MAX, "%s%s", a, b) < (int)PLACE_MAX ? SSH_OK : SSH_E_CONFIG;
}

/* $NAME, or $HOME and the rest; only absolute paths count (XDG base directory specification). */
static int xdg(char out[PLACE_MAX], const char *(*env)(const char *), const char *name, const char *under_home)
{
	const char *dir = env(name), *home = env("HOME");

	if (dir != NULL && dir[0] == '/')
		return join(out, dir, "");
	if (home == NULL || home[0] != '/' || under_home == NULL)
		return SSH_E_CONFIG;
	return join(out, home, under_home);
}

static int of_root(struct places *p, const char *prefix)
{
	char etc[PLACE_MAX];
	int r;

	/* FHS: what is installed in /usr is configured in /etc. */
	TRY(join(etc, strcmp(prefix, "/usr") == 0 ? "" : prefix, "/etc/coppice"));
	TRY(join(p->conf, etc, "/coppiced.conf"));
	TRY(join(p->keys, etc, ""));
	TRY(join(p->state, strcmp(prefix, "/usr") == 0 ? "" : prefix, "/var/lib/coppice"));
	TRY(join(p->pid_file, "/run/coppiced.pid", ""));
	return join(p->control, "/run/coppice/control", "");
}

static int of_user(struct places *p, const char *prefix, unsigned uid, const char *(*env)(const char *))
{
	char dir[PLACE_MAX];
	const char *run = env("XDG_RUNTIME_DIR");
	int r;

	if (xdg(dir, env, "XDG_CONFIG_HOME", "/.config") < 0)
		TRY(join(dir, prefix, "/etc"));
	TRY(join(p->conf, dir, "/coppice/coppiced.conf"));
	TRY(xdg(dir, env, "XDG_STATE_HOME", "/.local/state"));
	TRY(join(p->keys, dir, "/coppice"));
	TRY(join(p->state, dir, "/coppice"));
	if (run != NULL && run[0] == '/')
		TRY(join(dir, run, "/coppice"));
	else
		snprintf(dir, sizeof dir, "/tmp/coppice-%u", uid);
	TRY(join(p->pid_file, dir, "/coppiced.pid"));
	return join(p->control, dir, "/control");
}

/* One directory, or several with colons between: the first. */
static int state_of_manager(struct places *p, const char *dirs)
{
	if (dirs == NULL || dirs[0] != '/')
		return SSH_OK;
	if (strcspn(dirs, ":") >= PLACE_MAX)
		return SSH_E_CONFIG;
	snprintf(p->state, sizeof p->state, "%.*s", (int)strcspn(dirs, ":"), dirs);
	return SSH_OK;
}

int places_find(struct places *p, const char *exe, unsigned uid, const char *(*env)(const char *))
{
	char prefix[PLACE_MAX];
	int r;

	memset(p, 0, sizeof *p);
	TRY(join(prefix, exe, ""));
	up(prefix, 2);
	TRY(join(p->libexec, prefix, "/libexec/coppice"));
	if ((r = uid == 0 ? of_root(p, prefix) : of_user(p, prefix, uid, env)) < 0)
		return r;
	return state_of_manager(p, env("STATE_DIRECTORY"));
}

static const char *environment(const char *name)
{
	return getenv(name);
}

int places_here(struct places *p)
{
	char exe[PLACE_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	if (n <= 0)
		return SSH_E_SYS;
	exe[n] = '\0';
	return places_find(p, exe, (unsigned)geteuid(), environment);
}
