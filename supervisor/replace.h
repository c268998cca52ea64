#ifndef SUPERVISOR_REPLACE_H
#define SUPERVISOR_REPLACE_H
#include "supervisor/daemon.h"

/*
 * replace - helpers are replaced in plan, one by one: a successor is started and READY before the predecessor ends, as the
 * nursery does it every day. No restart is counted. A successor that fails leaves things as they are.
 */

/* All of them, in the order of the tree; then done(d). Not while it is under way already: SSH_E_NOT_NOW. */
int  replace_all(struct daemon *, void (*done)(struct daemon *));
int  replace_under_way(const struct daemon *);
/* p is some node's successor (p->heir_of): it is READY, or it died. */
int  replace_ready(struct proc *);
void replace_died(struct daemon *);
/* The node leaves the tree. */
void replace_forget(struct kid *);
void replace_drop(struct daemon *);

#endif
