#ifndef SUPERVISOR_KEEP_H
#define SUPERVISOR_KEEP_H
#include "supervisor/daemon.h"
#include "supervisor/held.h"

/*
 * keep - the supervisor's half of the keeper: duplicates of our descriptors go to it before the journal speaks of them, so
 * that the next supervisor finds behind every record what it needs. A message lies in the keeper's socket the moment it is
 * sent; that we or the keeper die a moment later loses nothing as long as the other one lives.
 *
 * Without a control socket's folder, and with -i, there is no keeper: every call does nothing.
 */

/* Is there to be one? */
int  keep_wanted(const struct daemon *);
/* The door: the socket at which the next supervisor knocks. SSH_OK, or SSH_E_SYS, logged: then no keeper is of use. */
int  keep_open(struct daemon *);
void keep_close(struct daemon *);	/* orderly end: the socket file goes, too */
/* A keeper is READY: it gets the door and all there is. */
void keep_ready(struct proc *keeper);
/* The keeper we came by has everything; what we did not take over it lets go. */
void keep_adopted(struct daemon *);
/* A keeper that has to end in order. */
void keep_leave(struct proc *keeper, int why);

int  keep_door(const struct daemon *);	/* borrowed; -1 */
void keep_proc(struct proc *);
void keep_listener(struct listener *);
void keep_journal(struct daemon *);
void keep_before(struct daemon *);
void keep_boxes(struct daemon *);
/* The door, and the sockets for metrics and health. */
void keep_places(struct daemon *);
/* The process ended, and its record goes: the keeper hears so within 100 ms, or at once where it may have a client's socket. */
void keep_gone(struct proc *);
/* The name holds nothing any more. */
void keep_drop(struct daemon *, enum kept_kind, uint64_t id);

enum keep_found { KEEP_NOBODY, KEEP_TAKEN, KEEP_BUSY };
/*
 * Before the tree: is there a keeper whose supervisor is gone? TAKEN: what it holds, a journal at least, is in held, *fd is our link to
 * it, *who its pid. BUSY: its supervisor lives. Waits a moment for a dying one.
 */
enum keep_found keep_find(struct daemon *, struct held *held, int *fd, pid_t *who);

#endif
