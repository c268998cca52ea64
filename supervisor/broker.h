#ifndef SUPERVISOR_BROKER_H
#define SUPERVISOR_BROKER_H
#include "supervisor/daemon.h"

/* broker - what our children say to us. */

/* link_ops.message of every link to a child; ctx is its struct proc. An error ends the link, and the child. */
int broker_message(struct link *, struct ipc_msg *, void *ctx);
/* This role's slice of the configuration, sealed. SSH_OK, or the child gets none. */
int broker_configure(struct proc *);
/* The configuration as each role may see it, from d->conf. changed: bit per role that differs from before. */
int broker_slices(struct daemon *, unsigned *changed);
void broker_drop_slices(struct daemon *);

#endif
