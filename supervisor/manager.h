#ifndef SUPERVISOR_MANAGER_H
#define SUPERVISOR_MANAGER_H
#include "supervisor/daemon.h"

/*
 * manager - what the service manager hears of the daemon: READY, STATUS, RELOADING, STOPPING, WATCHDOG (sd_notify(3)).
 * Without a manager every call does nothing. Nothing here waits.
 */

/* Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment. Once, before any child. */
void manager_open(void);
/* Every part of the tree serves. */
void manager_ready(struct daemon *);
/* What STATUS tells may have changed: it is sent at most once a second, and only when it did. */
void manager_touch(struct daemon *);
/* The tree started something again. */
void manager_restarted(void);
/* A reload begins; it ends with manager_reloaded(), whose why is NULL when the new configuration is in force. */
void manager_reloading(struct daemon *);
void manager_reloaded(struct daemon *, const char *why);
/* The tree begins to end: the manager waits longer than its own limit while sessions end, MANAGER_STOP_MS at most. */
void manager_stopping(struct daemon *);
/* This process ends, and nothing else. */
void manager_leaving(void);
/* The daemon did not come to serve: exit status, errno or 0, and a sentence or "". */
void manager_failed(int status, int error, const char *why);
/* How often it wants to hear manager_alive(), in ms; 0: it does not ask. */
uint32_t manager_watchdog_ms(void);
void manager_alive(void);
/* What we hold is broken in a way only a new start repairs. */
void manager_damaged(const char *why);
void manager_drop(void);

#define MANAGER_STOP_MS 300000u

#endif
