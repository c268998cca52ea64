#ifndef IPC_SANDBOX_H
#define IPC_SANDBOX_H

/*
 * sandbox - what each role may still do once it is ready: one function per role, the whole policy
 * on one page. Ids, empty root, no new privileges, rlimits, seccomp. Each exits the process with a
 * sentence when a privileged daemon's child cannot be locked.
 */

struct child;

void sandbox_acceptor(const struct child *);
void sandbox_nursery(const struct child *);	/* may still clone; runs before any client is known */
void sandbox_connection(const struct child *);	/* in the forked worker, before the first byte is read */
void sandbox_keysign(const struct child *);
void sandbox_auth(const struct child *);	/* keeps root and few capabilities; may fork */
void sandbox_keeper(const struct child *);
void sandbox_reporter(const struct child *);
void sandbox_sftp(void);			/* already the user: no new privileges, no exec, no sockets */

#endif
