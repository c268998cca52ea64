#ifndef CONNECTION_CONN_H
#define CONNECTION_CONN_H
#include "base/addr.h"
#include "base/table.h"
#include "connection/answers.h"
#include "connection/farewell.h"
#include "connection/hostkeys.h"
#include "connection/loop.h"
#include "connection/prove.h"
#include "connection/proxy.h"
#include "connection/relay.h"
#include "connection/survive.h"
#include "ipc/link.h"
#include "ssh/ssh.h"

/*
 * conn - one client: the object the files of connection/ share.
 *
 *   conn.c      life: what the supervisor says, the links to keysign and auth, the end
 *   loop.c      socket ⇄ core
 *   proxy.c     who the client is, when a proxy we trust stands between
 *   events.c    what the core says: who handles which event; channel opens and global requests
 *   survive.c   its books, from which a successor goes on when it is killed (survive_doubt.c, survive_replay.c, survive_words.c)
 *   handover.c  from one process to another, with export.c and import.c
 *   prove.c     proofs that we have our host keys ⇄ keysign
 *   answers.c   the core's needs ⇄ keysign and auth
 *   chan_session.c  one session channel's state machine
 *   stats.c     what coppicectl wants to know of it
 *   relay.c     its descriptors ⇄ windows
 */

struct event_base;

struct conn {
	struct event_base *base;
	const struct ssh_policy *policy;
	const struct hostkeys *keys;
	uint64_t id;
	struct addr peer, local;
	struct link *sup, *key, *auth;	/* key, auth: NULL while that guard is being replaced */
	struct ssh *ssh;		/* NULL before CONN_START */
	struct loop loop;
	struct gather gather;
	struct survive survive;
	struct proxy proxy;
	struct answers answers;
	struct prove prove;
	int authed;			/* auth said yes */
	int openssh;			/* the client says it is OpenSSH: it knows eow@openssh.com */
	/* AUTH_POLICY */
	uint32_t max_sessions, permits;
	uint32_t alive_ms, alive_max;
	uint64_t rekey_bytes, rekey_ms;
	char *accept_env;
	int no_more_sessions;
	struct table sessions;		/* struct session by channel number */
	unsigned session_count;		/* those that are not closed by us */
	uint32_t last_req;
	uint64_t input_ms;		/* when the user last sent something */
	int over;			/* flush and leave */
	/* moving (handover.h) */
	int still;			/* another process may be this connection: nothing is read or written */
	uint32_t move;
};

/*
 * Takes sup_fd, the link to the supervisor, in state NEW. policy and keys are borrowed and must outlive it.
 * SSH_OK, or an error after which conn_drop() is still fine.
 */
int  conn_init(struct conn *, struct event_base *, int sup_fd, uint64_t id, const struct ssh_policy *,
    const struct hostkeys *);
/* Serves the client until the end, then hands what is left of the output to the kernel for a moment. */
void conn_run(struct conn *);
void conn_drop(struct conn *);

/* Something else than the client, a program or a deadline may have changed the core. */
void conn_turn(struct conn *);
/* What the supervisor says and what changes something: SPAWNED, WORKER_EXIT, CONN_NOTICE. conn_hear(): SSH_OK, or an error that ends the link. */
int  conn_hears(enum ipc_type);
int  conn_hear(struct conn *, struct ipc_msg *);
/* The next number for a request on any link. */
uint32_t conn_req(struct conn *);
/* The connection is over: logs how, once. number, text: as in struct farewell. */
void conn_end(struct conn *, enum farewell_kind, int number, struct view text);
/* sshd's "Connection from" line. */
void conn_log_start(const struct conn *);
/* Says DISCONNECT first (RFC 4253 11.1). */
void conn_disconnect(struct conn *, unsigned reason, const char *text);
/* AUTH_VERDICT yes: the link to the supervisor becomes AUTHED. */
void conn_authed(struct conn *);

/* What the core gets from us. */
const struct ssh_env *conn_env(void);
/* SSH_OK, or the core's error. */
int  conn_add_hostkeys(struct conn *);

#endif
