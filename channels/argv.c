#include "channels/argv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ipc/values.h"

#define DEFAULT_SHELL "/bin/sh"

char *argv_text(struct view v)
{
	return v.len > 0 ? strndup((const char *)v.p, v.len) : strdup("");
}

char *argv_shell(struct view shell)
{
	return shell.len > 0 ? argv_text(shell) : strdup(DEFAULT_SHELL);
}

int argv_build(struct argv *a, const struct ipc_WORK *w)
{
	const char *slash, *name;

	memset(a, 0, sizeof *a);
	if ((a->path = argv_shell(w->shell)) == NULL)
		return SSH_E_NOMEM;
	slash = strrchr(a->path, '/');
	name = slash != NULL ? slash + 1 : a->path;
	if (w->kind == WORK_SHELL) {
		if (asprintf(&a->v[0], "-%s", name) < 0)
			a->v[0] = NULL;
	} else {
		a->v[0] = strdup(name);
		a->v[1] = strdup("-c");
		a->v[2] = argv_text(w->command);
		if (a->v[1] == NULL || a->v[2] == NULL) {
			argv_drop(a);
			return SSH_E_NOMEM;
		}
	}
	if (a->v[0] == NULL) {
		argv_drop(a);
		return SSH_E_NOMEM;
	}
	return SSH_OK;
}

void argv_drop(struct argv *a)
{
	for (size_t i = 0; i < sizeof a->v / sizeof a->v[0]; i++)
		free(a->v[i]);
	free(a->path);
	memset(a, 0, sizeof *a);
}
