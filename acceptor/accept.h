#ifndef ACCEPTOR_ACCEPT_H
#define ACCEPTOR_ACCEPT_H
#include "acceptor/health.h"
#include "acceptor/limits.h"
#include "base/list.h"

/* accept - listening sockets on the event loop: who comes in, who is turned away, when to stop taking any. */

struct child;
struct event;
struct ipc_msg;

struct acceptor {
	struct child *self;
	struct limits limits;
	struct list listeners;
	struct health health;
	struct event *resume;	/* runs while accepting is stopped */
	int resting;		/* out of descriptors: no accept until the timer */
	int reserve;		/* a descriptor to give up when there are none left; -1 */
	struct event *tell;	/* runs while there are drops the supervisor does not know of */
	uint32_t untold;
	uint64_t told_ms;	/* when that was last logged */
};

/* SSH_OK, SSH_E_NOMEM or SSH_E_SYS. */
int accept_init(struct acceptor *, struct child *, const struct conf_startups *);
/* Everything an acceptor hears, as child->message with child->ctx an acceptor. */
int accept_message(struct child *, struct ipc_msg *);

#endif
