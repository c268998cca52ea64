#ifndef SUPERVISOR_BECOME_H
#define SUPERVISOR_BECOME_H
#include "supervisor/worker.h"

/* become - a child that execs a helper, which becomes the granted user before all else (BECOME, ipc/worker.h). */

/* Its pid, or -1 with errno. It waits for its WORK on *order, which is yours; when that closes it ends. */
pid_t become_user(const struct session *, int program, const char *title, int *order);
/*
 * Ours become as high as they may be, before anything is opened: a service manager may have passed more descriptors than the soft
 * limit. Users get them as they were when we were started, and so does a program we execute.
 */
void  become_raise_limits(void);
void  become_restore_limits(void);
unsigned become_soft_limit(void);	/* of descriptors, as we were started */

#endif
