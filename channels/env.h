#ifndef CHANNELS_ENV_H
#define CHANNELS_ENV_H
#include "ipc/codec.h"

/* env - the login environment, as sshd makes it. */

struct env {
	char **v;		/* NULL-terminated "NAME=VALUE" strings for execve(2) */
	size_t n, size;
};

/*
 * Builds it for one WORK. Later wins: what the client sent, the basic variables, what the key's options and the
 * grant say (WORK.environment), then SSH_* and TERM. root: the uid is 0 (another PATH). zone: TZ of the
 * daemon, NULL for none. SSH_OK or SSH_E_NOMEM.
 */
int env_build(struct env *, const struct ipc_WORK *, int root, const char *zone);
/* Replaces or appends one variable. SSH_OK or SSH_E_NOMEM. */
int env_set(struct env *, const char *name, const char *value);
/* What name has, or NULL. Borrowed. */
const char *env_get(const struct env *, const char *name);
void env_drop(struct env *);

#endif
