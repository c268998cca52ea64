#ifndef CHANNELS_ARGV_H
#define CHANNELS_ARGV_H
#include "ipc/codec.h"

/* argv - which program a request means, and with which arguments. */

struct argv {
	char *path;		/* what to execute */
	char *v[4];		/* NULL-terminated */
};

/* A NUL-terminated copy; cut at a NUL inside. Yours; NULL without memory. */
char *argv_text(struct view);
/* The user's shell, "/bin/sh" when none is set (passwd(5)). Yours; NULL without memory. */
char *argv_shell(struct view shell);
/*
 * Shell requests: the login shell, its name with a leading dash. Exec and external subsystems:
 * `shell -c command`, argv[0] the shell's name without its directory. SSH_OK or SSH_E_NOMEM.
 */
int argv_build(struct argv *, const struct ipc_WORK *);
void argv_drop(struct argv *);

#endif
