#ifndef GUARD_HELPER_H
#define GUARD_HELPER_H
#include <stddef.h>
#include <sys/types.h>

#include "guard/helper_proto.h"
#include "guard/keyfind.h"

/*
 * helper - one connection's key helper: a process that becomes the user, reads authorized_keys and
 * verifies signatures there. If it crashes or hangs, this attempt fails and nothing else.
 */

struct event_base;
struct helper;

#define HELPERS_MAX     256u	/* processes; then the one idle for longest goes, and is forked again when needed */
#define HELPER_WALL_S    15u	/* for one answer: a home on a dead file server */
#define HELPER_CPU_S     10u	/* for its whole life */

struct helper_person {
	struct keyfind find;	/* borrowed for the call of helper_new() only */
	int become;		/* the daemon is privileged: change to the ids below */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t ngroups;
};

/*
 * The answer (SSH_OK), or why there is none: SSH_E_GONE (crashed or ended, a while idle), SSH_E_TIMEOUT, SSH_E_FORMAT. After
 * an error the helper is of no more use: helper_free() it, also inside this call.
 */
typedef void helper_done(void *ctx, int error, const struct helper_answer *);

/* Forks it. SSH_OK, SSH_E_NOMEM, SSH_E_SYS, or SSH_E_FULL: all HELPERS_MAX are at work. */
int  helper_new(struct helper **, struct event_base *, const struct helper_person *, helper_done *, void *ctx);
/* One question at a time. SSH_OK: helper_done comes later. */
int  helper_ask(struct helper *, const struct helper_ask *);
void helper_free(struct helper *);	/* NULL is fine */

#endif
