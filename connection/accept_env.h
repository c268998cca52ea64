#ifndef CONNECTION_ACCEPT_ENV_H
#define CONNECTION_ACCEPT_ENV_H
#include "base/buf.h"
#include "base/wire.h"

/* accept_env - how the client's variables that AcceptEnv allows (conf_accepts_env()) are collected; the supervisor checks them again. */

/*
 * Adds "NAME=VALUE" NUL to list, replacing an older value of that name. SSH_OK; SSH_E_FULL (CHAN_ENV_MAX,
 * CHAN_ENV_COUNT); SSH_E_FORMAT (a NUL inside, an empty name, '=' in it); SSH_E_NOMEM.
 */
int accept_env_put(struct buf *list, struct view name, struct view value);

#endif
