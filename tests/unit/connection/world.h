#ifndef TESTS_CONNECTION_WORLD_H
#define TESTS_CONNECTION_WORLD_H
#include "base/buf.h"
#include "connection/conn.h"
#include "ipc/codec.h"
#include "ssh/ssh.h"

/*
 * world - a real conn with a real client core at the other end of its socket; the test plays
 * supervisor, keysign and auth on the far ends of its links. What each hears is kept as text,
 * one word per event, blank between: the order of things can be compared with strcmp().
 */

struct privkey;

#define WORLD_HELD 32
#define WORLD_STATE (16u << 20)	/* bytes of an exported state at most */

struct world {
	struct event_base *base;
	struct conn conn;
	struct hostkeys keys;
	struct privkey *host, *host2;	/* Ed25519 and P-256 */
	struct ssh_policy policy;
	struct ssh *client;
	int sock;			/* the client's end */
	int sup, key, auth;		/* far ends of the links; -1 */
	enum ipc_when sup_when;
	/* how the played processes behave */
	int sign, verdicts;		/* 1: answered as they come: signatures; "yes" to everything but BEGIN */
	int logs_in;			/* client: asks for a login by password as soon as it may */
	uint32_t max_sessions, permits;
	const char *accept_env;
	/* what was heard */
	char heard[8192];		/* by the client */
	char sup_heard[4096], auth_heard[2048], key_heard[512];
	struct ipc_SPAWN spawn;		/* the last one; views point into spawn_bytes */
	uint8_t spawn_bytes[IPC_MESSAGE_MAX];
	uint32_t sign_req, auth_req;	/* the last ones */
	int proofs_ok;			/* signatures of REQUEST_SUCCESS that are right; below 0: one was not */
	size_t data_in;			/* bytes of channel data the client got */
	int hold_window;		/* client: data is not consumed */
	size_t unconsumed;
	uint32_t chan;			/* the client's number of the last channel it opened */
	/* moving the conn to "another process", which is a new conn in the same place */
	int always_moves;		/* world_run() does it before each step; also by the environment, WORLD_MOVES=1 */
	unsigned moved, not_moved;
	uint32_t moves;
	int move_status;		/* HANDOFF_STATE.status; -1: not heard */
	uint32_t move_length;
	int adopt_status;		/* ADOPTED.status; -1: not heard */
	struct buf state;		/* what the last one wrote */
	/* the conn dies and another one goes on (world_revive.c) */
	unsigned dies;			/* world_run() lets it die at every so many-th step; 0: never; also by the environment, WORLD_DIES */
	unsigned steps, revived;
	int books;			/* -1 */
	uint64_t told;			/* messages of memory_counts() heard from this one */
	struct world_ends { uint64_t worker; int fds[4]; } held[WORLD_HELD];	/* as the supervisor keeps them, until CHAN_SHUT */
	unsigned nheld;
};

/* A conn that has had CONN_START and both PEER_LINKs. */
void world_init(struct world *);
void world_drop(struct world *);
/* Everybody does what there is to do until nobody has anything; never waits. */
void world_run(struct world *);
/* One step of it: everybody once. */
void world_step(struct world *);
/* The same again and again until text appears in where; fails the test after 10 s. */
void world_until(struct world *, const char *where, const char *text);
/* A logged-in world. */
void world_login(struct world *);
/* Opens a session channel; returns the client's number. */
uint32_t world_session(struct world *);
/* A channel request of the client with a reply wanted. */
void world_request(struct world *, uint32_t chan, const char *type, struct view rest);
void world_pty(struct world *, uint32_t chan);
void world_exec(struct world *, uint32_t chan, const char *command);
/* Answers the last SPAWN with three pipes; ours[] are the program's ends. */
void world_spawned(struct world *, uint64_t worker, int ours[3]);
/* With a pty; *slave is the program's end. */
void world_spawned_pty(struct world *, uint64_t worker, int *slave);
void world_spawn_failed(struct world *);
void world_exit(struct world *, uint64_t worker, int signalled, uint32_t code, int core);
/* New links, as after a guard was replaced. */
void world_new_key(struct world *);
void world_new_auth(struct world *);
void world_verdict(struct world *, uint8_t verdict, int counted, int last, const char *methods, const char *banner);
/* Half of a move: HANDOFF, and what the conn answered. fds: memfd, the far end for its descriptors, the client's socket; yours. */
int  world_stop(struct world *, int fds[3]);
/* The other half, from fds, which are taken: a new conn adopts. ADOPTED.status. */
int  world_adopt(struct world *, int fds[3]);
void world_serve(struct world *);
/* A whole move; HANDOFF_STATE.status. */
int  world_move(struct world *);
/* It dies: 1 when another one goes on, 0 when its books are closed. */
int  world_revive(struct world *);
void world_dies_sometimes(struct world *);
/* The played supervisor says it to the conn; fds stay the caller's. */
void world_tell(struct world *, enum ipc_type, const void *body, const int *fds, int nfds);
int  world_hear(struct world *);	/* one message to the supervisor, if there is one */
void world_books(struct world *);
void world_hold(struct world *, uint64_t worker, const int *fds, int n);
void world_shut(struct world *, uint64_t worker, unsigned ends);
void world_drop_books(struct world *);
void world_forget(struct world *);	/* empties the texts */

#endif
