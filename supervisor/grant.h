#ifndef SUPERVISOR_GRANT_H
#define SUPERVISOR_GRANT_H
#include "ipc/values.h"
#include "supervisor/session.h"

/* grant - AUTH_GRANTED as the session keeps it, and what it says about a request. */

/* A copy, checked: no NUL inside names. SSH_OK, SSH_E_FORMAT, SSH_E_NOMEM. */
int  grant_new(struct grant **, const struct ipc_AUTH_GRANTED *);
/* The same from a journal. */
int  grant_restore(struct grant **, const struct saved_GRANT *);
void grant_free(struct grant *);

struct plan {
	enum work_kind kind;		/* what the worker becomes: shell or exec */
	int sftp;			/* our own server */
	struct view command;		/* borrowed from the grant or the request */
	struct view original;		/* what the client asked for, for SSH_ORIGINAL_COMMAND; empty: nothing was overruled */
	const char *name;		/* for the tree: "shell", "exec", "sftp" */
};

/* What to run for a request: SPAWNED_OK, or why not. The forced command goes before all (sshd(8), command="..."). */
int  grant_plan(const struct grant *, const struct ipc_SPAWN *, struct plan *);

/* SPAWN.env (NAME=VALUE, NUL after each): 1 when AcceptEnv allows every name in it. */
int  grant_allows_env(const struct grant *, struct view env);

#endif
