#ifndef SUPERVISOR_DRAIN_ORDER_H
#define SUPERVISOR_DRAIN_ORDER_H
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* drain_order - what the words of `coppicectl drain` ask for. */

#define DRAIN_GRACE_S 5u	/* two of HAProxy's agent-check rounds (agent-inter is 2 s) */

struct drain_order {
	uint32_t grace;		/* seconds from "drain" in the health word to the closing of the sockets */
	uint32_t timeout;	/* seconds sessions may live after that; 0: as long as they like */
	int limited;		/* timeout was given: 0 then ends them at once */
	int exit;		/* the daemon ends after the last session */
	int wait;		/* the command answers until then */
	char message[800];	/* for the users; "" */
};

/*
 * --grace TIME --timeout TIME --exit --wait --message TEXT, in any order; TEXT is the rest of the line, so that it may hold
 * blanks. TIME as in the configuration. SSH_OK, or SSH_E_FORMAT with a sentence in why.
 */
int drain_order_parse(struct drain_order *, struct view text, char *why, size_t size);

#endif
