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
	struct kid *kid;
};

/* Binds what the configuration asks for; what cannot be bound is logged. SSH_E_CONFIG when nothing could be. */
int  listen_bind_all(struct daemon *);
/* One that is open already; fd is taken, also on failure. NULL: no memory. */
struct listener *listen_restore(struct daemon *, uint32_t id, const struct addr *asked, const struct addr *local, int announced, int fd);
/* Those that are no longer configured go. */
void listen_prune(struct daemon *);
/* Nodes for the listeners that have none yet. start: the tree runs already. */
int  listen_plant(struct daemon *, int start);
/* After a reload: binds new ones, removes those that are no longer configured, never touches the others. */
int  listen_reload(struct daemon *);
/* LISTEN to an acceptor that said HELLO. */
int  listen_give(struct proc *);
void listen_announce(struct listener *);
void listen_forget(struct listener *);
void listen_drop(struct daemon *);
/* Both ends of a connected socket; ADDR_NONE for what is no IP socket. */
void listen_addresses(int fd, struct addr *peer, struct addr *local);

#endif
