#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H
#include "supervisor/daemon.h"

/* control - the socket of coppicectl: mode 0600, and only root or the daemon's own user is heard. */

#define CONTROL_CLIENTS_MAX 8u

/* Never fatal: without it the daemon serves all the same, and says so. */
void control_open(struct daemon *);
void control_close(struct daemon *);

#endif
