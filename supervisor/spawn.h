#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H
#include "supervisor/daemon.h"

/* spawn - fork and exec of our helper programs. */

#define SPAWN_NO_EXEC 127	/* exit status: the program could not be executed */

/* Starts the kid's program with its link on descriptor 3. SSH_OK or SSH_E_SYS, logged. */
int spawn_helper(struct kid *);
/* The same for a successor, which is nobody's yet. NULL: failed, logged. */
struct proc *spawn_for(struct daemon *, const struct kid_row *, struct kid *);
/*
 * Forks with every signal blocked, so that no handler of ours runs in the child; there handlers are reset. In the
 * child returns 0 with signals still blocked: exec or spawn_unblock().
 */
pid_t spawn_fork(void);
/* The same into a control group (an open directory of cgroup v2; -1: our own). */
pid_t spawn_fork_into(int cgroup);
void spawn_unblock(void);
/* In a child: fds[i] becomes descriptor at[i]; 0, 1, 2 that are not among them become /dev/null, all others are closed. */
int  spawn_fds(const int *fds, const int *at, int n);
/* In a child: the protection from the OOM killer that a unit gives us (OOMScoreAdjust=) is not for users and clients. */
void spawn_be_mortal(void);
int  spawn_is_protected(void);	/* 0: we have no such protection */
/* What a child of ours may see of our environment. */
char *const *spawn_environment(void);
/*
 * Runs keysign with its arguments (NULL ends them), waiting at most timeout_ms; its stderr is ours. Exit status, or -1.
 */
int  spawn_keysign(struct daemon *, char *const argv[], int timeout_ms);

#endif
