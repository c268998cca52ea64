#ifndef CONNECTION_HOSTKEYS_H
#define CONNECTION_HOSTKEYS_H
#include "base/limits.h"
#include "ipc/codec.h"

/* hostkeys - the public host keys as keysign told them (HOSTKEYS). */

#define HOSTKEYS_MAX SSH_HOSTKEYS_MAX

struct hostkeys {
	unsigned count, have;		/* complete when they are equal and not 0 */
	struct { uint8_t *p; size_t len; } v[HOSTKEYS_MAX];
};

/* Index 0 starts a new set. SSH_OK, SSH_E_RULE (index or count make no sense), SSH_E_NOMEM. */
int  hostkeys_put(struct hostkeys *, const struct ipc_HOSTKEYS *);
/*
 * The same beside a set in force, which stays as it is until the new one is complete: who is forked meanwhile shows the keys of before, and
 * not half a set. Errors as above.
 */
int  hostkeys_hear(struct hostkeys *in_force, struct hostkeys *coming, const struct ipc_HOSTKEYS *);
int  hostkeys_complete(const struct hostkeys *);
void hostkeys_drop(struct hostkeys *);

#endif
