#ifndef SUPERVISOR_BROKER_H
#define SUPERVISOR_BROKER_H
#include "supervisor/daemon.h"

/* broker - what our children say to us. */

/* link_ops.message of every link to a child; ctx is its struct proc. An error ends the link, and the child. */
int broker_message(struct link *, struct ipc_msg *, void *ctx);
/* A sealed memfd with that text in it; yours. -1: out of memory or descriptors. */
int broker_sealed(const char *text, size_t len);
/* CONFIG: a slice of its role, sealed. SSH_OK, or the child gets none. */
int broker_configure(struct proc *, const char *slice, size_t len, uint64_t generation);
/* The configuration as each role may see it; NULL for roles that see nothing. Yours to free, also on failure. */
int broker_slices(const struct conf *, char *slice[ROLE_COUNT], size_t len[ROLE_COUNT]);
void broker_drop_slices(struct daemon *);

#endif
