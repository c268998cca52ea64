#ifndef SUPERVISOR_TIMER_H
#define SUPERVISOR_TIMER_H
#include <event2/event.h>
#include <stdint.h>

/*
 * timer - time-outs that come. What waits for one waits for ever when it was not set; so it is made once and kept, and one that
 * libevent cannot take (its heap of timers could not grow) comes with the next turn of the loop: too early, but it comes.
 */

/* *at is made when it is NULL; yours, event_free() it. ms from now, whatever it was set to before. SSH_OK, or SSH_E_NOMEM: it could not be made. */
int timer_make(struct event **at, struct event_base *, event_callback_fn, void *arg);
int timer_set(struct event **at, struct event_base *, uint64_t ms, event_callback_fn, void *arg);
/* Of one that is made. */
void timer_start(struct event *, uint64_t ms);

#endif
