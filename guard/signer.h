#ifndef GUARD_SIGNER_H
#define GUARD_SIGNER_H
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "guard/agent.h"
#include "guard/hostkeys.h"

/*
 * signer - keysign's service: one link to each connection, which may have exchange hashes signed
 * within its budget; one to auth, which learns the session ids; nurseries get the public keys.
 */

struct child;
struct ipc_msg;
struct link;
struct event;

struct signer {
	struct child *self;
	struct hostkeys keys;
	struct agent agent;		/* not there when none is configured */
	int uses_agent;
	uint64_t began_ms;
	struct list clients;		/* struct signer_client */
	struct table by_conn;
	struct link *auth;		/* NULL while auth is being replaced */
	struct event *replay;		/* tells a new auth the session ids, a few at a time */
	struct list nurseries;
};

/* Empty, before the keys are loaded. self: the process, borrowed. */
void signer_init(struct signer *, struct child *self);
/* For child.message: PEER_LINK, PEER_GONE and CONN_AUTHED. ctx of the child is the signer. */
int  signer_message(struct child *, struct ipc_msg *);

#endif
