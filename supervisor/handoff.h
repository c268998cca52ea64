#ifndef SUPERVISOR_HANDOFF_H
#define SUPERVISOR_HANDOFF_H
#include "supervisor/session.h"

/*
 * handoff - moves a live connection to a freshly forked worker of the nursery there is now, between two packets:
 *
 *   HANDOFF        to the predecessor, and from here on every message to it is held back (link_hold)
 *   HANDOFF_STATE  it stands still, or says why not now
 *   FORK, ADOPT    a successor, which is nobody's process in the tree yet
 *   ADOPTED        and FORKED: it can go on. Its process becomes the connection node's
 *   SERVE, LEAVE   to successor and predecessor; what was held back goes to the successor
 *
 * A supervisor that takes over from another one, in place or after its death, says SERVE to every connection in its books:
 * one that serves ignores it, the others go on. So commit() has to write the books before it says SERVE, and
 * handoff_abandon_all() comes before an exec.
 *
 * Until SERVE is said, whatever fails or takes longer than HANDOFF_MS is answered by SERVE to the predecessor and the
 * end of the successor. When the predecessor dies meanwhile the session ends, as it would have. So at every moment at most one of the two
 * touches the client, and one of them always will.
 */

#define HANDOFF_MS       2000u		/* a whole move */
#define HANDOFF_SIZE     (64u << 20)	/* of the memfd, which takes memory as far as it is written */
#define HANDOFFS_AT_ONCE 4u
#define HANDOFF_AGAIN_MS 2000u		/* those that could not move now are asked again */
#define HANDOFF_FAILURES 3u		/* then it stays where it is */

enum handoff_result { MOVE_DONE, MOVE_LATER, MOVE_FAILED, MOVE_ENDED };

struct handoff_outcome {
	uint64_t conn;
	enum handoff_result result;
	const char *why;		/* "" when it moved */
	pid_t from, to;			/* 0: none */
	uint32_t pause_us;		/* from the first word to the predecessor to the last one to the successor */
	uint32_t bytes;			/* of state */
};

struct handoff_counts {
	unsigned moving, waiting;	/* now; not moved yet, and asked again until they are */
	uint64_t moved, failed;		/* since the daemon began */
};

/*
 * One try for one session; handoffs_outcome() hears how it went, perhaps before this returns.
 */
void handoff_session(struct session *);
/* Messages, and the ends of processes. */
int  handoff_state(struct proc *predecessor, const struct ipc_HANDOFF_STATE *);
int  handoff_adopted(struct proc *successor, const struct ipc_ADOPTED *);
/* 1 when FORKED was about a successor. pid: negative errno when there is none. */
int  handoff_forked(struct session *, struct proc *nursery, pid_t pid);
void handoff_nursery_died(struct daemon *, uint64_t serial);
/* A connection's link is gone, or its process was reaped. 1 when it was a successor: nothing is left to do about its link. */
int  handoff_lost(struct proc *, int reaped);
/* No move is under way after it; those that wait go on waiting. */
void handoff_abandon_all(struct daemon *);
/* The session ends: so does its move, and the wish for one. */
void handoff_cancel(struct session *);

/* ---- all of them (handoffs.c) ---------------------------------------------------------- */

void handoffs_init(struct daemon *);
void handoffs_drop(struct daemon *);
/*
 * Every live session moves, HANDOFFS_AT_ONCE at a time, in the background; one that cannot now is asked again until it moved or
 * ended, or this program's successors failed to read it HANDOFF_FAILURES times.
 */
void handoff_all(struct daemon *);
/* The same for one. */
void handoff_want(struct session *);
/* 1 while it is to move and does not yet. */
int  handoff_waits(const struct session *);
void handoff_count(const struct daemon *, struct handoff_counts *);
/*
 * No move is under way after it, and none begins: before the supervisor itself is replaced. What was held back for a connection
 * goes out now, or waits in its link. Once, until handoffs_resume().
 */
void handoffs_suspend(struct daemon *);
void handoffs_resume(struct daemon *);
/* For handoff.c: how a try went. The session is there yet. */
void handoffs_outcome(struct session *, const struct handoff_outcome *);
/* For handoffs.c: the commands that wait for it (command_handoff.c); again: it will be asked once more. */
void handoffs_tell(struct daemon *, const struct handoff_outcome *, int again);
void handoffs_drop_jobs(struct daemon *);

#endif
