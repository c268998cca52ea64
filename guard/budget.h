#ifndef GUARD_BUDGET_H
#define GUARD_BUDGET_H
#include <stdint.h>

/*
 * budget - how often one connection may have something signed. Pure: the clock is an argument.
 *
 * One signature for the first key exchange, and none after it until the connection is authenticated: a
 * process taken over before login cannot have other handshakes signed. Then a bucket for rekeys, generous enough that a client
 * with RekeyLimit=1M is not held up at full speed (it rekeys many times a second), tight enough that a
 * connection process in wrong hands cannot keep keysign from serving the others. What is over waits.
 */

#define BUDGET_BURST       64u
#define BUDGET_INTERVAL_MS 50u

#define BUDGET_WAIT UINT64_MAX	/* until it is authenticated */

struct budget {
	int first_done;		/* the signature of the first key exchange is out */
	int authed;
	unsigned left;		/* rekeys that may be signed at once */
	uint64_t since;		/* ms; when the bucket last gained one, or was full */
};

/* A connection we saw from its start. */
void budget_init(struct budget *);
/* 0: taken from the budget, sign now. Else the milliseconds after which to ask again, or BUDGET_WAIT; nothing was taken. */
uint64_t budget_take(struct budget *, uint64_t now_ms);

#endif
