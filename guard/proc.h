#ifndef GUARD_PROC_H
#define GUARD_PROC_H
#include <sys/types.h>

/* proc - auth's own forks: short-lived or per-connection processes on one private socket pair each. */

struct event_base;

struct proc {
	int pidfd;		/* -1: none; a pid could be somebody else's by the time we kill */
	int fd;			/* our end: SOCK_SEQPACKET, non-blocking */
};

/*
 * Forks. The child keeps no descriptor but 0, 1, 2 and fd 3, its end of the pair; it logs nowhere, dumps no core,
 * may use cpu_s seconds of CPU, has its own randomness, and ends when run returns. SSH_OK or SSH_E_SYS.
 */
int  proc_start(struct proc *, unsigned cpu_s, void (*run)(int fd, void *ctx), void *ctx);
/* SIGKILL and close; the body is collected by proc_watch(). Fine on one that was never started or is stopped. */
void proc_stop(struct proc *);
/* Collects our dead from now on. Once per process; SSH_OK or SSH_E_NOMEM. */
int  proc_watch(struct event_base *);
/* The child only: becomes uid for good, or ends the process. */
void proc_become(uid_t uid, gid_t gid, const gid_t *groups, size_t ngroups);

#endif
