#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H
#include "supervisor/daemon.h"
#include "supervisor/state_codec.h"

/* listen - the listening sockets. They stay open here whatever happens to the acceptors. */

#define LISTEN_NAME_MAX 232u
#define LISTEN_PATH_MAX 120u

struct listener {
	struct list link;		/* daemon.listeners */
	struct daemon *d;
	struct addr asked;		/* as the configuration says it */
	struct addr local;		/* as the kernel says it: port 0 was filled in */
	int fd;
	uint32_t id;
	int announced;
	int keep;			/* reload: still configured */
	int activated;			/* the service manager's: no keyword of ours binds or removes it */
	char name[LISTEN_NAME_MAX];	/* activated: its FileDescriptorName */
	char path[LISTEN_PATH_MAX];	/* a Unix socket's; "" for others */
	struct kid *kid;
};

/* Binds what the configuration asks for; what cannot be bound is logged. SSH_E_CONFIG when nothing could be. */
int  listen_bind_all(struct daemon *);
/* One that is open already; fd is taken, also on failure. NULL: no memory. */
struct listener *listen_restore(struct daemon *, uint32_t id, const struct saved_LISTENER *, int fd);
/* Those that are no longer configured go. */
void listen_prune(struct daemon *);
/* A listener of a socket that listens already, given; nothing else is bound then. NULL: no memory, fd stays yours. */
struct listener *listen_take(struct daemon *, int fd, const char *name, const char *path);
/* Do our sockets come from the service manager? */
int  listen_is_activated(const struct daemon *);
/* 0: a socket of ours does not listen any more. */
int  listen_intact(const struct daemon *);
/* Nodes for the listeners that have none yet. start: the tree runs already. */
int  listen_plant(struct daemon *, int start);
/* The listener that was asked to be, or is, at this address; NULL: none. */
struct listener *listen_at(struct daemon *, const struct addr *);
/*
 * One more, until a reload finds it in no configuration; fx_start() its kid. SSH_OK, SSH_E_SYS (errno: it cannot be bound) or SSH_E_NOMEM.
 */
int  listen_add(struct daemon *, const struct addr *, struct listener **);
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
