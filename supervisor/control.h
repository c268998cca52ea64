#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H
#include "supervisor/daemon.h"

/* control - the socket of coppicectl: mode 0600, and only root or the daemon's own user is heard. */

#define CONTROL_CLIENTS_MAX 8u

/* Never fatal: without it the daemon serves all the same, and says so. */
void control_open(struct daemon *);
void control_close(struct daemon *);
/*
 * A reload that moves the socket: the new one is bound, then both change, or it is forgotten. Clients stay connected.
 * SSH_OK, also when it does not move; SSH_E_CONFIG with a sentence in why.
 */
int  control_prepare(struct daemon *, const struct conf_values *, char *why, size_t size);
void control_commit(struct daemon *);
void control_forget(struct daemon *);

#endif
