#ifndef GUARD_LOGIN_H
#define GUARD_LOGIN_H
#include <stdint.h>

#include "base/addr.h"
#include "guard/idbook.h"

/*
 * login - one connection's way to being somebody: a user is named once, then one question at a time is
 * answered until one of them is right or the tries are over. Everything slow happens elsewhere.
 */

struct authd;
struct login;

/* fd, the link to the connection, is taken also on failure. The login is in a->logins and lives until its link ends. */
int  login_new(struct login **, struct authd *a, int fd, uint64_t conn, const struct addr *peer, const struct addr *local);
void login_free(struct login *);	/* NULL is fine */
/* What signatures must cover; the first holds for ever. */
void login_session_id(struct login *, const struct first_exchange *);
/* What it was told, into out: 1; 0: nothing yet. NULL is fine. */
int  login_told_id(const struct login *, struct first_exchange *out);
/* How loud lines about this client are; a number that is no level: as loud as the others. */
void login_log_level(struct login *, unsigned level);

#endif
