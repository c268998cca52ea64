#ifndef SUPERVISOR_INTRODUCE_H
#define SUPERVISOR_INTRODUCE_H
#include "supervisor/daemon.h"

/* introduce - the supervisor is a matchmaker: it makes two processes acquainted and never relays what they say. */

/* Who is already there, to a process that has just said HELLO or was just forked. */
void introduce_newcomer(struct proc *);
/* Introductions that were to be made when the supervisor before us died. */
void introduce_go_on(struct daemon *);
/* A connection that took over a session: keysign only; it is logged in and has nothing to say to auth. */
void introduce_successor(struct proc *);
/* To keysign: auth granted this one, it may have rekeys signed. */
void introduce_authed(const struct session *);
/* A guard serves again: to everybody who needs it. */
void introduce_guard(struct proc *);
/* A guard died: its peers drop their links and wait for new ones. */
void introduce_lost(struct daemon *, enum ipc_role);

#endif
