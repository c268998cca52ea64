#ifndef CONNECTION_EVENTS_H
#define CONNECTION_EVENTS_H
#include "ssh/ssh.h"

/* events - who handles what the core says. */

struct conn;

/* One event of ssh_next(). */
void events_take(struct conn *, const struct ssh_event *);

#endif
