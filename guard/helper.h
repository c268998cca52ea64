#ifndef GUARD_HELPER_H
#define GUARD_HELPER_H
#include <stddef.h>
#include <sys/types.h>

#include "guard/helper_proto.h"
#include "guard/keyfind.h"

/*
 * helper - one connection's key helper: a process that becomes the user, reads authorized_keys and
 * verifies signatures there. If it crashes or hangs, this attempt fails and nothing else.
 *
 * One that has let its client in stays for a moment, and the next login of the very same person (account, groups, home, files to read) has
 * it for itself: scripts log in again and again, and a fork is dearer than the rest of a login here. It serves nobody else, holds no answer from before,
 * and whoever could have had it in his hands had that account already.
 */

struct event_base;
struct helper;

#define HELPERS_MAX     256u	/* processes; then the one idle for longest goes, and is forked again when needed */
#define HELPER_WALL_S    15u	/* for one answer: a home on a dead file server */
#define HELPER_CPU_S     10u	/* for its whole life */
#define HELPERS_KEPT     16u
#define HELPER_KEEP_S    10u
#define HELPER_QUESTIONS 100u	/* then it is kept no longer: the next login's questions must not meet the end of its CPU time */

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

/* Forks it, or takes one that was kept. SSH_OK, SSH_E_NOMEM, SSH_E_SYS, or SSH_E_FULL: all HELPERS_MAX are at work. */
int  helper_new(struct helper **, struct event_base *, const struct helper_person *, helper_done *, void *ctx);
/* One question at a time. SSH_OK: helper_done comes later. */
int  helper_ask(struct helper *, const struct helper_ask *);
void helper_free(struct helper *);	/* NULL is fine */
/* Its client is in: as helper_free(), but it may serve the same person's next login. NULL is fine. */
void helper_keep(struct helper *);
/* Those that are kept end. */
void helpers_end(void);

#endif
