#ifndef GUARD_ACCOUNT_H
#define GUARD_ACCOUNT_H
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* account - what the system's databases say about a user name; the same shape for names nobody has. */

struct account {
	char *user;			/* as asked for */
	int exists;
	uid_t uid;
	gid_t gid;
	char *home, *shell;		/* shell is never empty */
	gid_t *groups;			/* gid among them */
	size_t ngroups;
	char **group_names;		/* of those groups that have one */
	size_t nnames;
	int locked;			/* password field begins with "!" */
	long expires;			/* day since 1970 the account ends, or -1 */
};

/* Whom a fake account pretends to be. */
struct account_nobody { uid_t uid; gid_t gid; };

/*
 * Looks user up: passwd, groups, and with shadow set the lock and the expiry. A name nobody has gives an account with
 * exists 0, home "/nonexistent" and nobody's ids, after the same look-ups. SSH_OK or SSH_E_NOMEM. May block on a name service.
 */
int  account_find(struct account **, const char *user, int shadow, const struct account_nobody *);
/* One that does not exist, without asking anybody. SSH_OK or SSH_E_NOMEM. */
int  account_unknown(struct account **, const char *user, const struct account_nobody *);
void account_free(struct account *);
/*
 * Makes it an account that does not exist: whatever follows must not depend on the real one.
 */
void account_disown(struct account *, const struct account_nobody *);
/* 0, or 1 with sshd's sentence in why: expired, locked, no shell, /etc/nologin there. */
int  account_refused(const struct account *, time_t now, const char *nologin, char *why, size_t size);

#endif
