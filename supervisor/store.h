#ifndef SUPERVISOR_STORE_H
#define SUPERVISOR_STORE_H
#include "supervisor/daemon.h"
#include "supervisor/held.h"

/*
 * store - what the service manager keeps for the next supervisor (FDSTORE, sd_notify(3)), in case the keeper is killed together
 * with this one: the listening sockets, so that nobody is refused; and, where there is a keeper, the journal, the log sockets, and of each process its
 * pidfd and our end of its link. Processes of sessions are stored when they are STORE_AFTER_MS old and leave when they ended,
 * so that a login for one short command costs the manager nothing.
 *
 * Without a service manager nothing happens. Nothing here waits: what the manager does not take now it is told later, in small
 * portions, since its queue may be short and READY and WATCHDOG have to fit, too; until then the next supervisor would know less.
 */

#define STORE_AFTER_MS 1000u
#define STORE_LIMIT    4096u	/* FileDescriptorStoreMax= of our units; systemd tells its own from 254 on ($FDSTORE) */

struct listener;
struct proc;
struct resume;

/* Takes $FDSTORE out of the environment. Once, at start. */
void store_open(void);
/* The daemon is up, or about to take over another's tree (d->resume is set): the journal is stored, what is of no use any more leaves. */
void store_begin(struct daemon *);
/* Something may be worth storing that many ms from now, at the latest. */
void store_touch(struct daemon *, unsigned ms);
/* A name that is to leave. */
void store_leave(const char *name);
/* Before the listener's socket is closed: nobody is to find it. */
void store_forget_listener(struct listener *);
/* p is about to become the connection in place of old, which is stored: no second without one of them. */
void store_succeed(struct proc *p, const struct proc *old);
/* Before p is freed. */
void store_forget(struct proc *p);
/* Another program is about to be executed in this process: what ended leaves now or never. */
void store_flush(struct daemon *);
/* The end of everything: there is nothing to continue. */
void store_close(struct daemon *);

/* ---- at start (store_find.c) ---- */

/* Takes what the manager passed to us into held. The journal, yours; -1: there is none. What is not what its name says is closed. */
int  store_find(struct held *);
/*
 * held against the journal's records: a pidfd of another process and a link the record does not speak of are closed; listeners get
 * their sockets. Returns how many processes live that can be taken over; SSH_E_NOMEM.
 */
int  store_agree(struct daemon *, const struct resume *);
/* Nothing of it will be continued: whoever is at the far end of a link, in held or not taken yet, sees its end. */
void store_hang_up(struct held *);
/* Closes fd; when it is a link, whoever is at its far end sees the end. */
void store_end_link(int fd);
/* Is fd, which the manager passed under the name of p, really p's? */
int  store_is_of(int fd, const struct proc *p);

#endif
