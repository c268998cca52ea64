#ifndef TESTS_GUARD_RIG_H
#define TESTS_GUARD_RIG_H
#include <stdint.h>

#include "ipc/child.h"
#include "ipc/values.h"

/* rig - a child process's surroundings in one test process: an event loop, the supervisor's end, peers' ends. */

struct event_base;

struct rig {
	struct child self;
	int sup;		/* the supervisor's end of self.sup */
	uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg m;
};

void rig_make(struct rig *, enum ipc_role me);
/* While it is set there is no memory for events, and so none for a link. */
extern int rig_starves;
/* PEER_LINK to self.message; returns the peer's end. */
int  rig_peer(struct rig *, enum ipc_role peer, uint64_t conn);
/* Turns the loop until the next message arrives at fd; 1, or 0: the link was closed. Fails the test after 20 s. */
int  rig_wait(struct rig *, int fd, enum ipc_role at, enum ipc_role from);
/* Turns the loop for ms; 1 when nothing came to fd. */
/* The next word to the supervisor is that this counter went up by one. */
int  rig_counted(struct rig *, enum counter);
int  rig_silent(struct rig *, int fd, unsigned ms);
void rig_turn(struct rig *, unsigned ms);

#endif
