#include "channels/exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void go_home(const char *home)
{
	if (chdir(home) == 0)
		return;
	dprintf(2, "Could not chdir to home directory %s: %s\n", home, strerror(errno));
	if (chdir("/") != 0)
		dprintf(2, "/: %s\n", strerror(errno));
}

void exec_program(const struct argv *a, const struct env *e, const char *home)
{
	go_home(home);
	close_range(3, ~0u, 0);
	execve(a->path, a->v, e->v);
	dprintf(2, "%s: %s\n", a->path, strerror(errno));
	_exit(1);
}
