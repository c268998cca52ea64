#ifndef SUPERVISOR_SESSION_H
#define SUPERVISOR_SESSION_H
#include <time.h>

#include "supervisor/daemon.h"
#include "supervisor/state_codec.h"

/*
 * session - the record of one client: a duplicate of every descriptor that makes a live session (its socket,
 * pty masters, pipe ends), who it is, and the login grace timer.
 */

/* What AUTH granted; strings live in text. */
struct grant {
	uint32_t uid, gid, permits, max_sessions;
	uint32_t *groups;
	size_t ngroups;
	char *user, *home, *shell, *forced, *subsystems;	/* "" : none */
	char *method, *key;			/* how it logged in, for people */
	char *accept_env;			/* patterns, blank between: the client's variables that programs may get */
	struct view environment;		/* NAME=VALUE, NUL after each */
	char text[];
};

struct parked;
#define CGROUP_NAME_MAX 40u

/* The last CONN_NOTICE, for coppicectl message. text: it has not been answered yet; else NULL. */
struct session_notice { uint32_t req, terminals, shown; char *text; };

struct session {
	struct daemon *d;
	uint64_t conn;
	struct kid *kid, *connection;
	int sock[2];			/* the client; sock[1] is -1 unless it came on two pipes */
	struct addr peer, local;
	struct kept_exit *exits;	/* ends of programs it may not have heard of (exits.h) */
	struct addr via;		/* the proxy it came through; ADDR_NONE: none */
	uint8_t header;			/* HEADER_*: what is still to be heard of it (CONN_PEER); no guard knows it before */
	uint64_t acceptor;		/* serial of the process that accepted it, 0: none */
	uint32_t slot;
	int fate_told;
	unsigned tries;			/* forks asked for */
	uint8_t id[SSH_HASH_MAX];	/* session id, as keysign told it */
	size_t id_len;
	uint8_t host[SSH_HOST_DIGEST];	/* and the host key that was shown; host_len 0: not known */
	size_t host_len;
	struct grant *grant;		/* NULL: not logged in */
	struct event *grace, *park;
	uint64_t deadline_ms;		/* of the login; 0: none */
	struct list parked;		/* SPAWNs that came before the grant */
	unsigned nparked;
	struct list works;
	unsigned nworks;
	uint64_t last_worker;
	uint32_t last_req;		/* of a work that was found in the journal; 0: none */
	struct parked *respawn;		/* its SPAWN, heard again */
	uint8_t phase;
	time_t since;			/* by the wall, for people */
	struct session_stats *stats;	/* NULL: nobody has looked yet */
	struct session_notice notice;
	int log_level;			/* of its own; -1: as loud as all */
	struct handoff *move;		/* under way; NULL otherwise */
	uint64_t orphan_of;		/* serial of a nursery that still owes the pid of a successor we gave up; 0 */
	struct list wants_move;		/* in daemon.handoffs.wanted or .later */
	unsigned move_failures;
	uint32_t move_unanswered;	/* number of a HANDOFF its process has not answered in time; 0: none */
	struct survival *survival;	/* what its connection's successor would need (survive.h); NULL: it has none */
	char cgroup[CGROUP_NAME_MAX];	/* its control group below UNIT/sessions; "" : none */
};

/* CONN_NEW. Never an error for what the client or the machine is to blame for. */
int  session_accept(struct proc *acceptor, struct ipc_msg *);
/* As the journal has it, without its descriptors and its grant; connection: NULL when it has ended. NULL: no memory. */
struct session *session_restore(struct daemon *, struct kid *, struct kid *connection, const struct saved_SESSION *);
/* -i: the one client, on one socket or two pipes; the descriptors are taken. */
int  session_only(struct daemon *, int in, int out);
/* For the tree: starts the connection process. */
int  session_connect(struct kid *connection);
/* Its nursery died before the worker came of it. SSH_OK, or an error when that happened too often. */
int  session_connect_again(struct kid *connection);
void session_connection_ended(struct session *, int crashed);
/* CONN_PEER: who the client is. SSH_E_RULE when it was not asked, or says nonsense. */
int  session_peer(struct session *, const struct ipc_CONN_PEER *);
/* From keysign: what user signatures of this client must cover; kept for an auth that comes later. */
int  session_identified(struct daemon *, const struct ipc_SESSION_ID *);
int  session_granted(struct proc *auth, const struct ipc_AUTH_GRANTED *);
/* Its node begins to stop: programs see their terminals and pipes close at once. */
void session_falls(struct session *);
void session_forget(struct session *);
/* The login has to be complete by deadline_ms. */
int  session_start_grace(struct session *);

#endif
