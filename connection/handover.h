#ifndef CONNECTION_HANDOVER_H
#define CONNECTION_HANDOVER_H
#include "ipc/codec.h"

/*
 * handover - a live connection moves to another process, of another build perhaps. Predecessor and successor both stand
 * still between HANDOFF_STATE and the supervisor's word, and only the one that hears SERVE touches the client or a program again.
 */

struct conn;

/* HANDOFF: stops and hands over, or says why not. SSH_OK, SSH_E_RULE. */
int  handover_stop(struct conn *, struct ipc_msg *);
/* ADOPT: takes over and stands still. SSH_OK, SSH_E_RULE; a state that cannot be read is told and ends the process. */
int  handover_adopt(struct conn *, struct ipc_msg *);
/* May this message come while it stands still? Whatever touches the client or a channel is held back by the supervisor. */
int  handover_hears(enum ipc_type);
/* SERVE */
void handover_serve(struct conn *);
/* LEAVE. SSH_OK, or SSH_E_RULE when it serves. */
int  handover_leave(struct conn *);

#endif
