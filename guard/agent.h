#ifndef GUARD_AGENT_H
#define GUARD_AGENT_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/wire.h"

/*
 * agent - keysign's line to an SSH agent that holds host keys (HostKeyAgent; draft-miller-ssh-agent). It is dialled before the
 * process gives its rights up, and cannot be dialled again after that: a lost agent stays lost.
 */

struct event;
struct event_base;

#define AGENT_MESSAGE_MAX (256u * 1024)	/* as OpenSSH's */
#define AGENT_DIAL_S      5		/* how long an agent may take to list its keys */
#define AGENT_SIGN_S      30		/* and to sign: somebody may have to touch a token */

/* sig: an SSH signature blob, nothing checked; empty: the agent refused or is gone. Valid during the call. */
typedef void agent_done(void *ctx, struct view sig);

struct agent {
	int fd;				/* -1: gone, or never there */
	struct buf in, out, keys;	/* keys: the list as it came */
	struct list asks;
	struct event *readable, *writable, *late;
};

/* Empty: agent_here() says no. */
void agent_init(struct agent *);
/*
 * Connects to the socket at path ("SSH_AUTH_SOCK": what that variable says) and asks for its keys; blocks for AGENT_DIAL_S at
 * most. SSH_OK, or SSH_E_* with why filled, and the agent is empty.
 */
int  agent_dial(struct agent *, const char *path, char *why, size_t size);
/* The second half of it, for a connected descriptor in a->fd. */
int  agent_greet(struct agent *a, const char *path, char *why, size_t size);
/* From here on within the loop. SSH_OK or SSH_E_NOMEM. */
int  agent_serve(struct agent *, struct event_base *);
int  agent_here(const struct agent *);
/* Did it list this public key? */
int  agent_has(const struct agent *, struct view blob);
/*
 * Asks for a signature over data; flags: 2 and 4 for RSA with SHA-256 and SHA-512. done comes later, once, never during this call;
 * SSH_E_GONE, SSH_E_NOMEM, SSH_E_FULL: it does not come.
 */
int  agent_sign(struct agent *, struct view blob, struct view data, uint32_t flags, agent_done *done, void *ctx);
/* Nobody with this ctx will be told. */
void agent_forget(struct agent *, void *ctx);
void agent_drop(struct agent *);

#endif
