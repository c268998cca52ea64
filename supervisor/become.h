#ifndef SUPERVISOR_BECOME_H
#define SUPERVISOR_BECOME_H
#include "supervisor/worker.h"

/* become - a fork that becomes the granted user and execs a helper. */

/* Its pid, or -1 with errno. It waits for its WORK on *order, which is yours; when that closes it ends. */
pid_t become_user(struct daemon *, const struct session *, int program, const char *title, int *order);
/* Limits as they were when we were started; ours may be higher. */
void  become_remember_limits(void);

#endif
