#ifndef CONNECTION_LOOP_H
#define CONNECTION_LOOP_H
#include <stdint.h>

#include "connection/lowat.h"
#include "ipc/memory.h"
#include "ssh/ssh.h"

/* loop - the client's socket (or two pipes) ⇄ the core, as raw events. */

struct conn;
struct event;

struct loop {
	int in, out;			/* equal for a socket */
	struct event *readable, *writable, *timer, *rest;
	int reading, writing;		/* what is armed */
	uint64_t timer_at;		/* ms; UINT64_MAX: not armed */
	struct event *pause;
	int paused;			/* loop_pause() */
	unsigned reads;			/* the first ones are acknowledged at once */
	struct lowat lowat;
	int active, rest_armed;		/* bytes moved since the last look; looking */
};

void loop_init(struct loop *);
/* in and out are taken, also on failure. SSH_OK or SSH_E_NOMEM. */
int  loop_start(struct conn *, int in, int out);
/* After anything that may have changed the core: takes its events, writes, and arms what is wanted now. */
void loop_turn(struct conn *);
/*
 * The only program of this connection is slower than its client: nothing more is read or decrypted for it for a
 * moment, or until loop_resume(). Bytes that wait in the socket need not be copied to wait in memory.
 */
void loop_pause(struct conn *);
void loop_resume(struct conn *);
/* What a predecessor was woken for, again (survive.h). */
void loop_replay(struct conn *, enum memory_kind);
/* Nothing is waited for, read or written any more, until c->still is 0 again and a loop_turn(). */
void loop_still(struct conn *);
/* Gives the farewell a moment to leave; blocks at most 2 s. */
void loop_flush_last(struct conn *);
void loop_drop(struct loop *);
/* CLOCK_MONOTONIC in milliseconds. */

#endif
