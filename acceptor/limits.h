#ifndef ACCEPTOR_LIMITS_H
#define ACCEPTOR_LIMITS_H
#include <stdint.h>

#include "base/table.h"
#include "conf/conf.h"

/*
 * limits - MaxStartups: how many connections may be unauthenticated at once, and who is turned away.
 * No system call, no clock, no randomness of its own.
 */

struct limits {
	struct conf_startups max;
	struct table held;	/* slots of connections that have not authenticated yet */
	uint32_t next;		/* slot number to try next */
	uint64_t dropped;	/* turned away since the start */
	uint64_t lines_from_ms;	/* start of the current log window */
	unsigned lines, hidden;	/* drop lines logged, and not logged, in it */
};

/* first: where slot numbers begin; random, so that a fate meant for our predecessor hits nothing. */
void limits_init(struct limits *, const struct conf_startups *, uint32_t first);
void limits_drop(struct limits *);
/* New numbers, at once; connections over a lower limit stay. */
void limits_set(struct limits *, const struct conf_startups *);
/*
 * May one more come in? Below begin always, from full on never, between them all but rate percent,
 * growing linearly to all (random early drop, sshd_config(5) MaxStartups). random: any 32 bits.
 */
int  limits_admit(const struct limits *, uint32_t random);
/* Takes a slot. SSH_OK or SSH_E_NOMEM. */
int  limits_take(struct limits *, uint32_t *slot);
/* It authenticated or is gone. 1; 0 when nobody holds that slot. */
int  limits_release(struct limits *, uint32_t slot);
unsigned limits_held(const struct limits *);
/*
 * Counts one that was turned away. 1: log it; *hidden is how many were not logged before it. At most
 * LIMITS_LINES lines in LIMITS_WINDOW_MS, or a flood of connections would be a flood of the log.
 */
int  limits_count_drop(struct limits *, uint64_t now_ms, unsigned *hidden);

#define LIMITS_LINES 5u
#define LIMITS_WINDOW_MS 10000u

#endif
