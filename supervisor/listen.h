#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H
#include "supervisor/daemon.h"

/* listen - the listening sockets. They stay open here whatever happens to the acceptors. */

struct listener {
	struct list link;		/* daemon.listeners */
	struct daemon *d;
	struct addr asked;		/* as the configuration says it */
	struct addr local;		/* as the kernel says it: port 0 was filled in */
	int fd;
	uint32_t id;
	int announced;
	int keep;			/* reload: still configured */
	enum { LISTEN_ON, LISTEN_STOPPED, LISTEN_DRAINED } halt;	/* why nobody is accepted now: asked for by hand, or a drain */
	struct event *halting;		/* its acceptor takes the last ones; then the socket is closed */
	char *place;			/* HealthListen's words: no client is accepted here; NULL */
	struct kid *kid;
};

/* Binds what the configuration asks for; what cannot be bound is logged. SSH_E_CONFIG when nothing could be. */
int  listen_bind_all(struct daemon *);
/* Nodes for the listeners that have none yet. start: the tree runs already. */
int  listen_plant(struct daemon *, int start);
/* After a reload: binds new ones, removes those that are no longer configured, never touches the others. */
int  listen_reload(struct daemon *);
/*
 * Accepts no more: who waits in its queue is still served, then its node goes and its socket is closed. It stays in the list, until
 * it is no longer configured. listen_resume(): binds and accepts again; SSH_E_SYS, logged, when that fails.
 */
void listen_halt(struct listener *, int why);
int  listen_resume(struct listener *);
/* ACCEPT_STOPPED. */
int  listen_stopped(struct proc *, const struct ipc_ACCEPT_STOPPED *);
/* By "192.0.2.1:22" or "[2001:db8::1]:22", as tree and log show it; NULL: none. */
struct listener *listen_find(struct daemon *, struct view text);
/* HealthListen: a node of its own, without clients. What cannot be bound is logged. */
void listen_health(struct daemon *);
/* LISTEN to an acceptor that said HELLO. */
int  listen_give(struct proc *);
void listen_announce(struct listener *);
void listen_forget(struct listener *);
void listen_drop(struct daemon *);
/* Both ends of a connected socket; ADDR_NONE for what is no IP socket. */
void listen_addresses(int fd, struct addr *peer, struct addr *local);

#endif
