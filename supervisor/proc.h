#ifndef SUPERVISOR_PROC_H
#define SUPERVISOR_PROC_H
#include "supervisor/daemon.h"

/* proc - the Unix processes we are the parent of: their links, their ends, SIGCHLD. */

#define PROC_GONE_MS 5000	/* a process whose link is gone has this long to end */

/* A process of kid (NULL: nobody's yet), pid 0 when it is not known. fd: our end of its link, taken (-1: none); of a worker it becomes order. NULL: no memory. */
struct proc *proc_new(struct daemon *, struct kid *, enum ipc_role, pid_t, int fd);
/* The same with a number of its own, from the journal. */
struct proc *proc_restore(struct daemon *, struct kid *, enum ipc_role, pid_t, int fd, uint64_t serial);
/* Of one made with pid 0, which we forked just now. SSH_OK, or SSH_E_NOMEM: then it is dead and reaped again, and the record is as before. */
int  proc_born(struct proc *, pid_t);
/* A child of ours that has no record and gets none: dead and reaped when this returns, and nobody takes it for a worker that crashed. */
void proc_undo(pid_t);
/* It is reaped, or seen dead: tells the tree and the others, and frees it. wstatus: of waitpid, or STATUS_UNKNOWN. */
struct rusage;
void proc_ended(struct proc *, int wstatus, const struct rusage *used);
/* Adopted, and gone without a trace: forgotten; its node is told by the caller. */
void proc_lost(struct proc *);
void proc_signal(struct proc *, int sig);
/* The nursery said which process it is. SSH_OK, or SSH_E_RULE: that is no child of ours, or somebody else. */
int  proc_name_pid(struct proc *, pid_t);
void proc_kill(struct proc *);
/* The same because we lack what it takes to serve it: no crash of its own. */
void proc_starve(struct proc *);
/* Ends its link, which every child takes as the request to end. */
void proc_ask_to_end(struct proc *);
/* Whatever happens, it is killed PROC_GONE_MS from now. */
void proc_set_deadline(struct proc *);
/* The kid goes on without it; it has to end. */
void proc_disown(struct proc *);
/* It was reaped, and nobody is to hear of it. */
void proc_forget(struct proc *);
/* Connections that were asked of this nursery and never told: it is dead, they have to be asked for again. */
void proc_nursery_died(struct daemon *, uint64_t serial);
/* SIGCHLD: reaps all there is. */
void proc_reap(struct daemon *);
struct proc *proc_by_serial(struct daemon *, uint64_t serial);	/* or NULL */
/* Kills and forgets everything, at the end. */
void proc_drop_all(struct daemon *);
/* The live and ready process of a row there is one of, or NULL. */
struct proc *proc_of(struct daemon *, enum kid_id);

#endif
