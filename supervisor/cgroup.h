#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H
#include "supervisor/daemon.h"

/*
 * cgroup - each session in a control group of its own below the one the service manager delegated to us (Delegate=yes):
 * UNIT/supervisor (we and the helpers), UNIT/preauth (nursery and who is not logged in), UNIT/sessions/NUMBER. Only cgroup v2;
 * where nothing was delegated every call does nothing.
 *
 * Moving a process costs milliseconds in the kernel (cgroup.procs waits for RCU), so that the supervisor itself never does:
 * programs are cloned into their group, a connection that logs in is moved by a child that has nothing else to do.
 */

struct session;

/* Finds the delegated group, makes the leaves, moves us. Clears away empty groups of sessions that ended without us. */
void cgroup_open(struct daemon *);
/* The group a helper of that role is born in, borrowed; -1: ours. */
int  cgroup_of_role(enum ipc_role);
/* It logged in: makes its group, and has its connection moved there. */
void cgroup_session_begin(struct session *);
/* Another process is its connection now (handoff.h): has it moved there, too. */
void cgroup_session_moved(const struct session *);
/* A session that was taken over from a predecessor: its group is there already. */
void cgroup_session_adopt(struct session *);
/* Its group for spawn_fork_into(), yours to close; -1: it has none. */
int  cgroup_session_open(const struct session *);
/* Its node is gone: with KillSessionProcesses nothing is left in its group; removed when it is empty, now or later. */
void cgroup_session_end(struct session *);
void cgroup_drop(void);

#endif
