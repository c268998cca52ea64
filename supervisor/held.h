#ifndef SUPERVISOR_HELD_H
#define SUPERVISOR_HELD_H
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"

/* held - descriptors under names that came from the keeper, over an exec, or from the service manager's store. */

/* Kinds of names; on the wire and in the journal, so their numbers stay. */
enum kept_kind {
	KEPT_JOURNAL = 1,	/* id 0 */
	KEPT_LOGS = 2,		/* id 0: trusted send, receive; untrusted send, receive */
	KEPT_LISTENER = 3,
	KEPT_PROC = 4,		/* link, pidfd, client's socket or pipe in, pipe out */
	/* over an exec only; of KEPT_DAEMON the keeper has door, metrics and health */
	KEPT_SESSION = 5,	/* the client: socket or pipe in, pipe out */
	KEPT_WORK = 6,		/* our ends of a channel, AT_STDIN ... */
	KEPT_DAEMON = 7,	/* sink, door, control socket, the old program, pipe to the process the user started, metrics, health */
	KEPT_CLIENT = 8,	/* a coppicectl that waits */
	KEPT_PROGRAMS = 9	/* the old program's helpers, from id times 8 */
};

#define HELD_SLOTS 8
enum { PROC_LINK, PROC_PIDFD, PROC_SOCK, PROC_SOCK2 };
enum { DAEMON_SINK, DAEMON_DOOR, DAEMON_CONTROL, DAEMON_PROGRAM, DAEMON_PIPE, DAEMON_METRICS, DAEMON_HEALTH, DAEMON_SLOTS };

struct held_name { enum kept_kind kind; uint64_t id; int fd[HELD_SLOTS]; };
struct held { struct held_name *v; size_t n, size; struct table where; };

/* Slots without a descriptor are -1. SSH_OK or SSH_E_NOMEM; fds are taken, also on failure. */
int  held_put(struct held *, enum kept_kind, uint64_t id, const int fd[HELD_SLOTS]);
/* One slot of a name that may be there already; a slot that is taken stays as it is, and SSH_E_RULE is the answer. fd is taken. */
int  held_add(struct held *, enum kept_kind, uint64_t id, int slot, int fd);
/* Takes one descriptor out; -1: it is not there. */
int  held_take(struct held *, enum kept_kind, uint64_t id, int slot);
/* Borrowed. */
int  held_look(const struct held *, enum kept_kind, uint64_t id, int slot);
/* Closes what nobody took. */
void held_drop(struct held *);

#endif
