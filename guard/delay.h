#ifndef GUARD_DELAY_H
#define GUARD_DELAY_H
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/*
 * delay - when a failure may be told, so that its time tells nothing about the account: at the first
 * point of a grid that has not passed yet. The grid starts at 5 ms plus a jitter that is fixed for
 * a user name but not known outside, and doubles, as sshd's does. Pure.
 */

#define DELAY_MIN_US    5000u
#define DELAY_JITTER_US 4295u		/* the jitter is below this */
#define DELAY_MAX_US 5000000u		/* whoever waited this long already is not kept longer */

#define DELAY_SECRET 32u

/* Microseconds of jitter for a user under this process's secret. */
uint32_t delay_jitter(const uint8_t secret[DELAY_SECRET], struct view user);
/* Microseconds still to wait for an answer that took elapsed_us to find. */
uint64_t delay_left(uint64_t elapsed_us, uint32_t jitter_us);

#endif
