#ifndef CONNECTION_LOWAT_H
#define CONNECTION_LOWAT_H
#include <sys/types.h>

/*
 * lowat - while a client sends in bulk, its socket wakes us for much at a time (SO_RCVLOWAT, socket(7)).
 *
 * A client that encrypts no faster than we decrypt would wake us for every packet: 30,000 times a GB. After some long
 * reads in a row the socket keeps still until LOWAT_BYTES are there, or a moment has passed. A moment that passed in vain
 * (the client waits for us, or stopped) makes the next attempt come later. Nobody waits longer than that moment,
 * and a connection that does not send in bulk is never asked to. Nothing of it outlives the process: whoever takes
 * the socket over begins with lowat_start().
 */

struct conn;
struct event;

struct lowat {
	struct event *over;	/* the moment has passed */
	int raised;
	unsigned row;		/* long reads in a row */
	unsigned wanted;	/* so many of them, and it is tried */
};

/* For the socket c->loop.in; two pipes are let be. SSH_OK or SSH_E_NOMEM. */
int  lowat_start(struct conn *);
/* After a read of n bytes, n > 0. */
void lowat_read(struct conn *, size_t n);
/* The socket wakes for one byte again. */
void lowat_lower(struct conn *);
void lowat_drop(struct lowat *);

#endif
