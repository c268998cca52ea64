#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H
#include "supervisor/session.h"
#include "supervisor/state_codec.h"

/*
 * worker - programs that run as the granted user: SPAWN makes a pty pair or three pipes, keeps duplicates of our
 * ends in the session record, forks, becomes the user and execs `channel` or `sftp-server`.
 */

#define PARK_MS  1000			/* a SPAWN that overtook its grant waits this long */
#define PARK_MAX 8u

enum { AT_STDIN, AT_STDOUT, AT_STDERR, AT_MASTER, ENDS };	/* in work.ends; 1 << i is END_* of ipc/values.h */

/* One worker and our duplicates of its channel's ends. */
struct work {
	struct list link;		/* session.works */
	struct session *s;
	uint64_t id;			/* what the connection calls it */
	uint32_t req;
	int ordered;			/* WORK is about to be sent, or was */
	int answered;			/* SPAWNED was sent */
	int hung_up;
	int sftp;
	char tty[64];		/* "" : pipes */
	int ends[ENDS];		/* -1: closed */
	int theirs[3];			/* the worker's own, until it is started */
	int ntheirs;
	struct kid *kid;
	uint8_t *order;			/* WORK, encoded, until it is started */
	size_t order_len;
};

int  worker_request(struct session *, const struct ipc_SPAWN *);
int  worker_shut(struct session *, const struct ipc_CHAN_SHUT *);
int  worker_signal(struct session *, const struct ipc_WORKER_SIGNAL *);
void worker_serve_parked(struct session *);
void worker_drop_parked(struct session *);
/* The connection knows of its program: it may begin. */
void worker_go(struct work *);
/* An adopted connection told all it knows of: what it does not know was never begun, and is begun now. */
void worker_told_all(struct session *);
struct work *worker_find(const struct session *, uint64_t id);	/* or NULL */
/* As the journal has it, without ends. NULL: no memory. */
struct work *worker_restore(struct session *, struct kid *, const struct saved_WORK *);
/* A SPAWN that waited for its grant. SSH_OK, SSH_E_FORMAT, SSH_E_RULE, SSH_E_NOMEM. */
int  worker_restore_parked(struct session *, struct view message);
int  worker_start(struct kid *);		/* for the tree */
/* What its connection hears of that end. wstatus: a wait status, or STATUS_UNKNOWN. */
struct ipc_WORKER_EXIT worker_exit(uint64_t worker, int wstatus);
void worker_ended(struct kid *, int wstatus);
/* SIGHUP to its process group, and our ends closed. */
void worker_hang_up(struct kid *);
void worker_hang_up_all(struct session *);
void worker_forget(struct kid *);
/* Signal number for the names of RFC 4254 6.10, 0 for others. */
int  worker_signal_number(struct view name);

#endif
