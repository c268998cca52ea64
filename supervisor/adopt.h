#ifndef SUPERVISOR_ADOPT_H
#define SUPERVISOR_ADOPT_H
#include "supervisor/daemon.h"

/*
 * adopt - processes that are no children of ours: a supervisor that was killed started them. Their pidfds tell when they end;
 * how they ended the kernel tells from 6.15 on (PIDFD_INFO_EXIT), or /proc while their new parent has not reaped them.
 */

/* Watches p->pidfd. SSH_OK or SSH_E_NOMEM. */
int  adopt_watch(struct proc *);
void adopt_unwatch(struct proc *);
/*
 * A process whose pid we are told and that is no child of ours: it is p's when it lives, since only it has the other end of p's
 * link. SSH_OK, or SSH_E_GONE.
 */
int  adopt_claim(struct proc *, pid_t);
/* Somebody has the other end of its link. */
int  adopt_lives(const struct proc *);
/*
 * A pidfd of that process, if it is the one that began no later than born_ms (CLOCK_MONOTONIC); -1: it ended. A number is given out again
 * only after its process was reaped, so whoever else has it now began after its supervisor had died.
 */
int  adopt_find(pid_t, uint64_t born_ms);
/* Which process a pidfd stands for; -1: one that was reaped, 0: it is no pidfd. */
pid_t adopt_pid_of(int pidfd);
/* Wait status of a dead process, STATUS_UNKNOWN, or STATUS_NONE when it lives. */
int  adopt_status(int pidfd, pid_t);

#endif
