#ifndef CONNECTION_ACCEPT_ENV_H
#define CONNECTION_ACCEPT_ENV_H
#include "base/buf.h"
#include "base/wire.h"

/* accept_env - which variables of the client reach its session (AcceptEnv), and how they are collected. */

/* patterns: blank between (AUTH_POLICY.accept_env). 1 when name matches one of them and is a possible name. */
int accept_env(const char *patterns, struct view name);
/*
 * Adds "NAME=VALUE" NUL to list, replacing an older value of that name. SSH_OK; SSH_E_FULL (CHAN_ENV_MAX,
 * CHAN_ENV_COUNT); SSH_E_FORMAT (a NUL inside, an empty name, '=' in it); SSH_E_NOMEM.
 */
int accept_env_put(struct buf *list, struct view name, struct view value);

#endif
