#ifndef SUPERVISOR_DRAIN_H
#define SUPERVISOR_DRAIN_H
#include "supervisor/daemon.h"
#include "supervisor/drain_order.h"

/*
 * drain - takes this daemon out of service without harm to anybody: first the health word says so, then, after a grace in
 * which balancers notice, the listening sockets close; sessions live on, to their end or to the timeout.
 */

enum drain_state { DRAIN_OFF, DRAIN_GRACE, DRAIN_CLOSED, DRAIN_ENDING };

struct wr;

/* Begins, or goes on with another order. SSH_E_NOMEM, SSH_E_NOT_NOW. */
int  drain_begin(struct daemon *, const struct drain_order *);
/* Takes clients again. How many sockets could not be opened again (logged); each may be tried again with start-listener. */
int  drain_undo(struct daemon *);
enum drain_state drain_state(const struct daemon *);
/* 1: listening sockets are closed because of it. */
int  drain_is_closed(const struct daemon *);
/* "running", "draining" (grace, and then as long as there are sessions), "ending", "drained" */
const char *drain_state_name(const struct daemon *);
unsigned drain_sessions(const struct daemon *);
/* For rows: state, sessions, listening, and how long until what comes next. */
void drain_row(const struct daemon *, struct wr *);
/* HEALTH_READY or HEALTH_DRAIN. */
uint8_t drain_word(const struct daemon *);
/* Tells it to those who tell others: the health process and the service manager. */
void drain_tell(struct daemon *);
/* A session or a listening socket is gone. */
void drain_look_again(struct daemon *);
/* fn is called whenever what drain_row() says has changed; one at a time. NULL: nobody. */
void drain_watch(struct daemon *, void (*fn)(struct daemon *));
void drain_drop(struct daemon *);

#endif
