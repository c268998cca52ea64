#ifndef CONNECTION_CHAN_SESSION_H
#define CONNECTION_CHAN_SESSION_H
#include "base/buf.h"
#include "connection/relay.h"
#include "ipc/codec.h"
#include "ssh/ssh.h"

/*
 * chan_session - the state machine of one "session" channel (RFC 4254 6): what may be asked for when,
 * the worker behind it, and the order of exit-status, EOF and CLOSE.
 */

struct conn;

enum session_state {
	SES_WAIT_PROGRAM,	/* collects pty-req and env */
	SES_WAIT_SPAWNED,	/* SPAWN is out */
	SES_RUNNING,		/* has a worker, dead or alive, and descriptors */
	SES_WAIT_CLOSE,		/* CLOSE is out */
	SES_MAX
};

struct session {
	struct conn *c;
	uint32_t chan;
	enum session_state state;
	/* what was asked for before the program */
	int pty;
	char term[CHAN_TERM_MAX + 1];
	uint32_t cols, rows, xpixel, ypixel;
	int resized;			/* while SPAWN was out */
	struct buf modes, env;
	/* SPAWN */
	uint32_t req;
	int spawn_reply;		/* the client wants to know */
	uint8_t later[CHAN_REQUESTS_MAX];	/* replies that must wait for that one */
	unsigned later_count;
	uint8_t kind;
	/* the worker */
	uint64_t worker;
	int exited, eof_sent;
	int client_closed;		/* its CLOSE came; ours waits for the exit status */
	unsigned ends, told;		/* END_* it has; those the supervisor knows to be closed */
	struct relay relay;
};

/* The channel numbered chan will be accepted. SSH_OK, SSH_E_NOMEM. */
int  session_new(struct conn *, uint32_t chan);
struct session *session_find(struct conn *, uint32_t chan);
/* The first channel that is wanted, of those numbered from and above: an order that every process comes to. */
struct session *session_next(struct conn *, uint64_t from, int (*wanted)(const struct session *));
/* SSH_EV_CHAN_DATA, _EOF, _CLOSING, _CLOSE, _REQUEST; CLOSE frees the session. */
void session_event(struct conn *, const struct ssh_event *);
/* SPAWNED: takes its descriptors. SSH_OK or SSH_E_RULE. */
int  session_spawned(struct conn *, struct ipc_msg *);
/* SPAWNED or WORKER_EXIT that would change nothing. */
int  session_knows(struct conn *, const struct ipc_msg *);
int  session_worker_exit(struct conn *, const struct ipc_WORKER_EXIT *);
/* Something about its descriptors changed: EOF, CLOSE and CHAN_SHUT as far as they are due. */
void session_settle(struct session *);
/* For loop.c: what can be moved without waiting, and what to wait for. */
void session_pump_all(struct conn *);
void session_shrink_all(struct conn *);
void session_rearm_all(struct conn *);
void session_still_all(struct conn *);
void session_drop_all(struct conn *);

#endif
