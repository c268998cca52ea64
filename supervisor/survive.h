#ifndef SUPERVISOR_SURVIVE_H
#define SUPERVISOR_SURVIVE_H
#include "supervisor/worker.h"

/*
 * survive - SurviveCrash: the process of a connection that is logged in keeps books (ipc/memory.h) in a memfd of ours. When it is killed,
 * or crashes, a fresh worker of the nursery gets them with duplicates of the client's socket and of the channels' ends, and goes on.
 * Not twice at the same packet; not while the books are closed; not after SURVIVE_FAULTS crashes: then the session ends.
 */

#define SURVIVE_FAULTS     10u		/* of one session, by another signal than SIGKILL, */
#define SURVIVE_FAULTS_MS 60000u	/* within this time */

/* The connection of s starts to keep books: after the grant, and whenever another process has become it. */
void survive_begin(struct session *);
void survive_drop(struct session *);		/* wipes */
/* p is dead and not reaped: what the kernel counted of its reads and writes. */
void survive_look(struct proc *);
/* 1: survive_revive() is to be called instead of telling the tree. */
int  survive_revives(struct proc *, int wstatus);
/* Starts the successor, frees p. Whatever fails ends the session as it would have. */
void survive_revive(struct proc *);
/* The nursery died before it had made the successor p: 1 when another one is under way, and p is forgotten. */
int  survive_again(struct proc *);
/* ADOPTED, from a successor that has read the books. */
int  survive_adopted(struct proc *);
/* A successor may not have heard it: kept, and said again. */
void survive_note_exit(struct session *, const struct ipc_WORKER_EXIT *);
void survive_note_refusal(struct session *, const struct ipc_SPAWNED *);
/* A worker is forgotten, and its output perhaps not read: its ends stay until CHAN_SHUT. */
void survive_keep_ends(struct work *);
void survive_shut(struct session *, const struct ipc_CHAN_SHUT *);

#endif
