#ifndef SUPERVISOR_INTRODUCE_H
#define SUPERVISOR_INTRODUCE_H
#include "supervisor/daemon.h"

/* introduce - the supervisor is a matchmaker: it makes two processes acquainted and never relays what they say. */

/* Who is already there, to a process that has just said HELLO or is about to be forked (a connection gets its keysign from introduce_keys). */
void introduce_newcomer(struct proc *);
/* Introductions that the supervisor before us had not made yet; anew: it was killed, and which it had made is not known. */
void introduce_go_on(struct daemon *, int anew);
/* A nursery was asked to fork this connection: the keysign with the host keys it inherits. */
void introduce_keys(struct proc *connection);
/* A connection that took over a session: keysign only; it is logged in and has nothing to say to auth. */
void introduce_successor(struct proc *);
/* To keysign: auth granted this one, it may have rekeys signed. */
void introduce_authed(const struct session *);
/* A guard serves again: to everybody who needs it. */
void introduce_guard(struct proc *);
/* A guard could not keep a client's link: once more, when it has had time to find memory. */
void introduce_again(struct proc *guard, uint64_t conn);
/* A guard died: its peers drop their links and wait for new ones. keys: keysign's set. */
void introduce_lost(struct daemon *, enum ipc_role, uint64_t keys);

/*
 * Other host keys after a reload: the new keysign serves the new nursery and what comes of it; the old one stays for the
 * connections that showed its keys, whose rekeys must be signed with them, until the last of them is gone.
 */
void introduce_take_over(struct proc *keysign);
/* Old ones nobody needs end. */
void introduce_retire(struct daemon *);
/* An old one died before its time. */
void introduce_orphans(struct daemon *, uint64_t keys);
/* An old keysign has no link to auth any more: the supervisor passes this on. */
void introduce_session_id(const struct proc *keysign, const struct ipc_SESSION_ID *);

#endif
