#ifndef SUPERVISOR_HEALTH_H
#define SUPERVISOR_HEALTH_H
#include "supervisor/listen.h"

/* health - HealthListen: a listener whose acceptor takes no clients and tells each who connects one word. */

/* Its node; what cannot be bound is logged. Before the tree starts. */
void health_open(struct daemon *);
/* After a tree was taken over: its node is no part of what was. */
void health_start(struct daemon *);
int  health_fd(const struct daemon *);	/* its listening socket, borrowed, or -1 */
/* HEALTH_LISTEN to its acceptor; fd is given. */
int  health_give(struct proc *, int fd);
void health_forget(struct listener *);

#endif
