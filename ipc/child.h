#ifndef IPC_CHILD_H
#define IPC_CHILD_H
#include <stdint.h>
#include <sys/types.h>

#include "ipc/link.h"
#include "ipc/tell.h"

/*
 * child - the life every exec'd helper shares: descriptor 3 is the link to the supervisor,
 * descriptor 4 the log socket, 0..2 are /dev/null (or the reporter's sink). begin, lock, ready, run.
 */

#define CHILD_LINK_FD 3
#define CHILD_LOG_FD  4
#define REPORTER_TRUSTED_FD   5	/* log sockets */
#define REPORTER_UNTRUSTED_FD 6
#define REPORTER_CRASHES_FD   7	/* directory of the crash reports; may be missing */
#define REPORTER_METRICS_FD   8	/* listening socket; may be missing */
#define CHILD_BOX_FD  9	/* the page of its last events (box.h), closed once it is mapped */
#define CHILD_SLAB_FD 10	/* nursery: the pages of its workers */
#define CHILD_SLAB_SLOTS 4096u	/* page 0 is nobody's */

#define CHILD_PRIVILEGED 1u	/* WELCOME.flags: the daemon is root, the child must drop to uid and gid */

/* Which descriptors are which; -1: there is none. */
struct child_fds { int link, log, box; };

struct child {
	enum ipc_role role;
	struct child_fds fds;
	uint64_t node;		/* its place in the tree */
	unsigned flags;
	uid_t uid;		/* to become */
	gid_t gid;
	uint64_t generation;	/* of the configuration */
	char *conf;		/* this role's slice, NUL-terminated; yours to parse and, with conf_len, to forget */
	size_t conf_len;
	int sink;		/* reporter: descriptor that came with WELCOME, else -1 */
	struct event_base *base;
	struct link *sup;
	/* called for messages child.c does not answer itself (PING); may return an error to end the process */
	int (*message)(struct child *, struct ipc_msg *);
	/*
	 * A new slice arrived while running. prepare parses it, tries it on and keeps the result; nothing changes: SSH_OK, or
	 * why is filled and nothing kept. NULL: refuse. Then commit makes it the one in force, or forget drops it; each comes
	 * once after a prepare that went well, also when the next slice overtakes it.
	 */
	int  (*prepare)(struct child *, const char *slice, size_t len, char *why, size_t size);
	void (*commit)(struct child *);
	void (*forget)(struct child *);
	char *next;		/* the slice that waits for CONFIG_COMMIT; NULL: none */
	size_t next_len;
	uint64_t next_generation;
	void *ctx;
};

/*
 * HELLO, WELCOME and the first CONFIG on descriptor 3, blocking; exits 1 with a sentence when it was
 * not started by the supervisor. Sets PR_SET_DUMPABLE 0 and the log sink. The event base exists after it.
 */
void child_begin(struct child *, enum ipc_role);
/* The same on other descriptors than the usual ones. */
void child_begin_on(struct child *, enum ipc_role, struct child_fds);
/* Drops to the role's ids, empty root, limits and seccomp filter (ipc/sandbox.h); exits on failure when privileged. */
void child_lock(struct child *, void (*sandbox)(const struct child *));
/* READY: untrusted input from here on. The link becomes UP. */
void child_ready(struct child *);
/* Serves until the supervisor's end closes (returns 0) or a handler fails (returns 1). */
int  child_run(struct child *);
/*
 * An event of events.def with its log line (NULL or above the log level: the event alone) to the reporter; never blocks,
 * counted as a line when it is lost. For trusted roles; before child_log_to() it is a log line only.
 */
void child_tell(enum happening, enum log_level, const char *line, const struct tell *fields);
/* Sends the process's log lines to fd as LOG datagrams stamped with role and node; never blocks, counts what it drops. */
void child_log_to(int fd, enum ipc_role, uint64_t node);

/*
 * Another supervisor came, on a socket of its own, taken: it is the supervisor now, in state UP. The old link, whose end was
 * seen, is freed; child_run() may be called again. SSH_OK or SSH_E_NOMEM.
 */
int  child_take_over(struct child *, int fd);

#endif
