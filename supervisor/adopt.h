#ifndef SUPERVISOR_ADOPT_H
#define SUPERVISOR_ADOPT_H
#include "supervisor/daemon.h"

/*
 * adopt - processes that are no children of ours: a supervisor that was killed started them. Their pidfds tell when they end;
 * how they ended the kernel tells from 6.15 on (PIDFD_INFO_EXIT), or /proc while their new parent has not reaped them.
 */

/* What an adopted process has used so far, for its report. */
void adopt_look(struct proc *);
/* Watches p->pidfd. SSH_OK or SSH_E_NOMEM. */
int  adopt_watch(struct proc *);
void adopt_unwatch(struct proc *);
/*
 * A process whose pid we are told and that is no child of ours: it is p's when it lives, since only it has the other end of p's
 * link. SSH_OK, or SSH_E_GONE.
 */
int  adopt_claim(struct proc *, pid_t);
/* Wait status of a dead process, STATUS_UNKNOWN, or STATUS_NONE when it lives. */
int  adopt_status(int pidfd, pid_t);

#endif
