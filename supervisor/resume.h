#ifndef SUPERVISOR_RESUME_H
#define SUPERVISOR_RESUME_H
#include "supervisor/daemon.h"

/*
 * resume - takes over from a supervisor that is gone: another program in this very process (upgrade), or one that was
 * killed. Records come from its journal, descriptors over the exec or from the keeper; both ways end in the same code.
 *
 * A record without its descriptors is a process that ended; descriptors without a record are closed. What a child was being
 * told when the supervisor died, the child is asked, or it is told again.
 */

struct resume;

/*
 * Is there anything to take over? Everything is read and checked here, before anything is done: d->resume is set, or NULL for a
 * fresh start. SSH_OK; SSH_E_FULL: the daemon there lives; SSH_E_FORMAT and others: what opt.resume_fd has cannot be read.
 */
int  resume_find(struct daemon *);
/* The listening and log sockets; before listen_bind_all() and detach_log(). */
void resume_sockets(struct daemon *);
/*
 * A listening socket of ours that lies in that slot of KEPT_DAEMON (held.h), when it still is what the configuration asks for: at the
 * address, or at the path. -1: there is none.
 */
int  resume_socket(struct daemon *, int slot, const struct addr *, const char *path);
/* Nodes, processes, sessions. The event base is there. SSH_OK or SSH_E_NOMEM. */
int  resume_tree(struct daemon *);
/* All is rebuilt and in the new journal: from here on others see it. */
void resume_go(struct daemon *);
/* ENDS of an adopted connection. SSH_OK or SSH_E_RULE. */
int  resume_ends(struct proc *, struct ipc_msg *);
/* PONG: what comes behind it may be the answer to our own question. */
void resume_pong(struct proc *, uint32_t seq);
void resume_drop(struct daemon *);

#endif
