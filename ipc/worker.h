#ifndef IPC_WORKER_H
#define IPC_WORKER_H
#include "ipc/codec.h"

/* worker - how a process becomes the user (BECOME on descriptor 3), and then learns what to do (WORK). */

#define WORKER_GROUPS_MAX 1024u	/* what BECOME, as AUTH_GRANTED before it, has room for */

struct worker {
	struct ipc_msg msg;	/* WORK; views point into storage */
	uint8_t storage[IPC_MESSAGE_MAX];
};

/*
 * Blocking. First of all it takes the ids of BECOME, as root or as that very user, without a way back (else: exit 254), a session keyring
 * of its own, and signals as init would hand them over: unblocked, none ignored. Nothing of the user's is read before.
 * Exits 255 with a sentence on stderr when there is no WORK within 10 s, and without one when the link ends before GO. Its descriptors are moved to
 * 0, 1 and 2 (pty: all three the slave), descriptor 3 is closed, everything above 2 is closed on exec.
 */
void worker_begin(struct worker *);

#endif
