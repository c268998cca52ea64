#ifndef ACCEPTOR_HEALTH_H
#define ACCEPTOR_HEALTH_H
#include <stdint.h>

/* health - tells balancers whether to send clients: one line to whoever connects, then the end (HAProxy's agent-check). */

struct child;
struct event;
struct ipc_msg;

struct health {
	uint8_t word;		/* enum health_word */
	int fd;
	struct event *readable;
};

/* HEALTH_LISTEN, once. SSH_OK, SSH_E_RULE, SSH_E_SYS. */
int health_listen(struct health *, struct child *, struct ipc_msg *);

#endif
