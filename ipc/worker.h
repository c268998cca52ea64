#ifndef IPC_WORKER_H
#define IPC_WORKER_H
#include "ipc/codec.h"

/* worker - how a process that already runs as the user learns what to become (WORK on descriptor 3). */

struct worker {
	struct ipc_msg msg;	/* WORK; views point into storage */
	uint8_t storage[IPC_MESSAGE_MAX];
};

/*
 * Blocking; exits 255 with a sentence on stderr when there is no WORK within 10 s, and without one when the link ends before GO. Its descriptors are moved to
 * 0, 1 and 2 (pty: all three the slave), descriptor 3 is closed, everything above 2 is closed on exec.
 */
void worker_begin(struct worker *);

#endif
