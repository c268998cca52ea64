#ifndef GUARD_LOOKUP_H
#define GUARD_LOOKUP_H
#include "guard/account.h"
#include "base/wire.h"

/*
 * lookup - account_find() in processes of its own: a name service that hangs holds up the logins that wait for it, and
 * nobody else. A few resident children, one question each at a time; one that does not answer is killed and that look-up has failed.
 */

#define LOOKUP_CHILDREN  16u	/* then questions queue */
#define LOOKUP_QUEUE    256u
#define LOOKUP_WALL_S    12u	/* for one answer */
#define LOOKUP_IDLE_S    60u	/* a child that nobody asked for so long ends */
#define LOOKUP_ANSWER_MAX (1u << 17)	/* an account with all its group names */

struct event_base;
struct lookups;
struct lookup;

/* account is yours; NULL: no answer (the child crashed, hung, or memory ran out). The lookup is gone before this call. */
typedef void lookup_done(void *ctx, struct account *account);

/* shadow, nobody: for account_find(). No child is started yet. SSH_OK or SSH_E_NOMEM. */
int  lookups_new(struct lookups **, struct event_base *, int shadow, const struct account_nobody *);
void lookups_free(struct lookups *);	/* no done() any more */
/* SSH_OK: done comes later, never from inside. SSH_E_FULL: too many wait. user: at most SSH_USER_MAX * 4 bytes, copied. */
int  lookup_start(struct lookup **, struct lookups *, const char *user, lookup_done *, void *ctx);
void lookup_cancel(struct lookup *);	/* no done(); NULL is fine */

/* An account on the socket between a child and auth. */
struct buf;
int  account_encode(struct buf *, const struct account *);
/* SSH_OK, SSH_E_FORMAT or SSH_E_NOMEM. */
int  account_decode(struct account **, struct view);

#endif
