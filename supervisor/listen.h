#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H
#include "supervisor/daemon.h"
#include "supervisor/state_codec.h"

/* listen - the listening sockets. They stay open here whatever happens to the acceptors. */

#define LISTEN_NAME_MAX 232u
#define LISTEN_PATH_MAX 120u
/* LISTEN_STOPPED: nobody is accepted, because somebody asked for it; LISTEN_DRAINED: because of a drain. */
enum listen_state { LISTEN_ON, LISTEN_STOPPED, LISTEN_DRAINED };

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
	enum listen_state halt;
	struct event *halting;		/* its acceptor takes the last ones; then the socket is closed */
	char *place;			/* HealthListen's words: no client is accepted here; NULL */
	int stored;			/* the service manager has a duplicate (store.h) */
	int shared;			/* reload: a new socket was bound beside it */
	struct kid *kid;
};

/* At start: binds what the configuration asks for; what cannot be bound is logged. SSH_E_CONFIG when nothing could be. */
int  listen_bind_all(struct daemon *);
/* One that is open already; fd is taken, also on failure. NULL: no memory. */
struct listener *listen_restore(struct daemon *, uint32_t id, const struct saved_LISTENER *, int fd);
/* A listener of a socket that listens already, given; nothing else is bound then. NULL: no memory, fd stays yours. */
struct listener *listen_take(struct daemon *, int fd, const char *name, const char *path);
/* Do our sockets come from the service manager? */
int  listen_is_activated(const struct daemon *);
/* 1: they do, and stay, whatever the configuration says or leaves out; a predecessor's own sockets do not. */
int  listen_keep_passed(struct daemon *);
/* 0: a socket of ours does not listen any more. */
int  listen_intact(const struct daemon *);
/* Nodes for the listeners that have none yet. start: the tree runs already. */
int  listen_plant(struct daemon *, int start);
/*
 * A reload: binds what is new, without listening, so that no client is lost when it is given up. What cannot be bound refuses it,
 * unless it was wanted before and could not be bound either. SSH_OK, or an error with a sentence in why.
 */
int  listen_prepare(struct daemon *, const struct addr *, size_t n, char *why, size_t size);
/* Listens on them, removes those that are no longer configured; the others are never touched. */
void listen_commit(struct daemon *);
void listen_cancel(struct daemon *);
/* The listener that was asked to be, or is, at this address; NULL: none. */
struct listener *listen_at(struct daemon *, const struct addr *);
/*
 * One more, until a reload finds it in no configuration; fx_start() its kid. SSH_OK, SSH_E_SYS (errno: it cannot be bound) or SSH_E_NOMEM.
 */
int  listen_add(struct daemon *, const struct addr *, struct listener **);
/*
 * For listen_reload.c, halt.c and health.c. A bound socket that does not listen yet (shared: beside one of ours on the same port that is
 * about to go), one that listens, one that listens or a line in the log: -1 with errno. Sockets are the caller's until listen_new() took them.
 */
int  listen_bind(const struct addr *, int shared);
int  listen_open(const struct addr *);
int  listen_bind_one(const struct addr *);
void listen_share(int fd, int on);
int  listen_same(const struct addr *, const struct addr *);
/* sshd's sentence about errno. */
const char *listen_trouble(char *why, size_t size, const struct addr *);
/* a: what was asked for; NULL: what it is. In no list yet; NULL: no memory. */
struct listener *listen_new(struct daemon *, const struct addr *a, int fd);
/* It listens: from now on it is one of the daemon's. */
void listen_enlist(struct listener *);
/* Its node, down; dynamic: its first start may fail, and then it is gone. */
int  listen_plant_one(struct listener *, int dynamic);
/* LISTEN to an acceptor that said HELLO. */
int  listen_give(struct proc *);
void listen_announce(struct listener *);
/* The log and whoever follows events: it is open (1), or closed. */
void listen_tell(const struct listener *, int open);
void listen_forget(struct listener *);
void listen_drop(struct daemon *);
/* Both ends of a connected socket; ADDR_NONE for what is no IP socket. */
void listen_addresses(int fd, struct addr *peer, struct addr *local);

#endif
