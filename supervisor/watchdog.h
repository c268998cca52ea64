#ifndef SUPERVISOR_WATCHDOG_H
#define SUPERVISOR_WATCHDOG_H
#include "supervisor/daemon.h"

/*
 * watchdog - nothing waits for ever: every helper is asked PING through its event loop, soon after a client came and
 * now and then when nothing happens. One that owes the answer for WatchdogInterval is killed, which is a crash (how=hung),
 * and the tree replaces it. The service manager hears WATCHDOG=1 when every helper has answered.
 */

/* The tree serves; also after a reload. */
void watchdog_start(struct daemon *);
/* Helpers are being asked something: look after them sooner. */
void watchdog_touch(struct daemon *);
/* This process owes us an answer (a connection, too): it shows soon that it is alive, or is killed. */
void watchdog_expect(struct proc *);
int  watchdog_pong(struct proc *, uint32_t seq);
void watchdog_drop(struct daemon *);

#endif
