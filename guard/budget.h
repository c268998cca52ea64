#ifndef GUARD_BUDGET_H
#define GUARD_BUDGET_H
#include <stdint.h>

/*
 * budget - how often one connection may have something signed. Pure: the clock is an argument.
 *
 * One signature for the first key exchange. After it a bucket of two that refills by one every ten
 * seconds, for rekeys: a connection process in wrong hands cannot use the host key as an oracle for
 * other handshakes at any useful speed.
 */

#define BUDGET_BURST       2u
#define BUDGET_INTERVAL_MS 10000u

struct budget {
	int first_done;		/* the signature of the first key exchange is out */
	unsigned left;		/* rekeys that may be signed at once */
	uint64_t since;		/* ms; when the bucket last gained one, or was full */
};

/* A connection we saw from its start. */
void budget_init(struct budget *);
/* 0: taken from the budget, sign now. Else the milliseconds after which to ask again; nothing was taken. */
uint64_t budget_take(struct budget *, uint64_t now_ms);

#endif
