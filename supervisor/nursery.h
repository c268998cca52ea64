#ifndef SUPERVISOR_NURSERY_H
#define SUPERVISOR_NURSERY_H
#include "supervisor/daemon.h"

/*
 * nursery - asks for connection workers, and replaces the nursery: every NURSERY_FORKS forks and after a crash of any
 * worker a freshly exec'd one takes over, so that no memory layout can be probed twice. The new one is READY before
 * the old one ends; while there is none, or the old layout is tainted, requests wait.
 */

#define NURSERY_QUEUE_MAX 1024u		/* clients that wait for a nursery */
#define NURSERY_ASKED_MAX 64u		/* forks asked for and not answered: its link must not fill up */
#define NURSERY_SERVE_MS  50u		/* after one that is up could not be asked */
#define NURSERY_AGAIN_MS  1000u		/* after a successor failed; doubled each time, up to 32 times that */
#define NURSERY_READY_MS 10000u	/* a successor that takes longer has not heard all it needs */

int  nursery_start(struct kid *);	/* for the tree */
/* A worker for this connection; fd is its end of the link, taken. SSH_OK, or SSH_E_FULL. */
int  nursery_fork(struct daemon *, struct proc *connection, uint64_t conn, int fd);
/* The same, but without waiting: SSH_E_NOT_NOW when there is no nursery, or others wait already. */
int  nursery_fork_now(struct daemon *, struct proc *connection, uint64_t conn, int fd);
int  nursery_can_fork(struct daemon *);
int  nursery_forked(struct proc *, const struct ipc_FORKED *);
/*
 * After a kill: a connection whose link has another end was asked for, also when that was not written down any more; FORKED comes,
 * or it says itself who it is.
 */
void nursery_adopted(struct daemon *);
void nursery_ready(struct daemon *);
void nursery_successor_ready(struct daemon *);
void nursery_successor_died(struct daemon *);
void nursery_taint(struct daemon *);
/* Its configuration changed. */
void nursery_replace(struct daemon *);
void nursery_drop(struct daemon *);

#endif
