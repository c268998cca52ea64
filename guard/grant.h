#ifndef GUARD_GRANT_H
#define GUARD_GRANT_H
#include <stdint.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "guard/account.h"
#include "ipc/codec.h"

/* grant - what a login is told to be: the bodies of AUTH_GRANTED and AUTH_POLICY from account, values and key options. */

struct grant {
	struct { struct buf groups, subsystems, accept_env; } text;
	struct ipc_AUTH_GRANTED granted;	/* views point into text, the account and forced */
	struct ipc_AUTH_POLICY policy;
};

/*
 * Fills g; account, values and forced (NULL: none) are borrowed until grant_drop(). SSH_OK, or SSH_E_FULL when
 * something is longer than its message takes.
 */
int  grant_fill(struct grant *, uint64_t conn, const struct account *, const struct conf_values *, uint32_t permits,
    const char *forced);
void grant_drop(struct grant *);

#endif
