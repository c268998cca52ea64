#ifndef GUARD_AUTHD_H
#define GUARD_AUTHD_H
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/table.h"
#include "guard/account.h"
#include "guard/delay.h"
#include "guard/idbook.h"

/* authd - auth's service: a login for each connection's link, session ids from keysign, the configuration of now. */

struct child;
struct conf;
struct conf_values;
struct ipc_msg;
struct link;
struct lookups;

/* A configuration that some logins still use; counted. values: everybody's; NULL: a Match decides. */
struct authd_conf { struct conf *conf; struct conf_values *values; enum log_level level; unsigned users; };

struct authd {
	struct child *self;
	struct authd_conf *conf;	/* what new connections get */
	struct authd_conf *next;	/* accepted, waiting for CONFIG_COMMIT; NULL */
	struct link *key;		/* from keysign; NULL while it is replaced */
	struct table logins;		/* struct login by connection */
	struct idbook early;		/* session ids before their connection's link */
	uint8_t secret[DELAY_SECRET];	/* of this process: keys the jitter of failures */
	int privileged;
	uid_t uid;			/* the daemon's own */
	struct lookups *lookups;	/* who asks the system's databases */
	struct account_nobody nobody;	/* whom accounts that do not exist pretend to be */
};

/* From the child's slice; SSH_OK, or SSH_E_* with a line in the log. self: borrowed, its ctx is the authd. */
int  authd_init(struct authd *, struct child *self);
/* Ends all logins; for tests. */
void authd_drop(struct authd *);
/* For child.message, prepare, commit and forget. */
int  authd_message(struct child *, struct ipc_msg *);
int  authd_prepare(struct child *, const char *slice, size_t len, char *why, size_t size);
void authd_commit(struct child *);
void authd_forget(struct child *);

struct authd_conf *authd_conf_hold(struct authd *);
void authd_conf_release(struct authd_conf *);

#endif
