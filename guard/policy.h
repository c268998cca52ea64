#ifndef GUARD_POLICY_H
#define GUARD_POLICY_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/limits.h"
#include "conf/conf.h"

/* policy - what the configuration lets a client do, decided from values alone: no database, no clock. */

enum policy_method { METHOD_NONE = 0, METHOD_KEY = 1, METHOD_PASSWORD = 2, METHOD_INTERACTIVE = 4 };

/* "publickey"; "none" for METHOD_NONE. */
const char *policy_method_name(enum policy_method);

struct policy_user {
	const char *name;
	uid_t uid;
	const char *const *groups;	/* names */
	size_t ngroups;
	struct addr peer;
};

/* Is the account let in at all (AllowUsers and the others)? 1, or 0 with sshd's sentence in why. */
int policy_user_allowed(const struct conf_values *, const struct policy_user *, char *why, size_t size);
/* The daemon is not root: only its own user. As above. */
int policy_own_user(const struct policy_user *, uid_t daemon, char *why, size_t size);
/* USER or USER@HOST; HOST may be patterns, addresses, CIDR. 1 match, 0 none, -1 malformed. */
int policy_match_user(const char *pattern, const char *user, const struct addr *peer);

/* METHOD_* bits that are on; an unprivileged daemon knows no passwords. The same for every account. */
unsigned policy_methods(const struct conf_values *, int privileged);
/* "publickey,password,keyboard-interactive" */
const char *policy_methods_text(unsigned methods, char text[SSH_METHODS_MAX]);
/* May uid 0 come in this way (PermitRootLogin)? forced: the key has a forced command. */
int policy_root_allowed(enum conf_root, enum policy_method, int forced);
/* Is alg in the comma list? */
int policy_alg_listed(const char *list, struct view alg);

/* ---- tries ---- */
struct policy_tries { unsigned failures, requests, queries, max; };

enum policy_try {
	TRY_NONE,	/* the first "none": asks for the list, counts as nothing */
	TRY_KEY_OK,	/* a key that would do; free for the first POLICY_QUERIES_MAX of them */
	TRY_FAILED
};

#define POLICY_QUERIES_MAX 32u	/* an agent with more keys than this that all would do is no agent */

void policy_tries_init(struct policy_tries *, int64_t max_auth_tries);
/* Counts an answer; 1 when it counted as a failure. */
int  policy_tries_count(struct policy_tries *, enum policy_try);
/* No more after this one (MaxAuthTries, SSH_AUTH_REQUESTS). */
int  policy_tries_over(const struct policy_tries *);
/* sshd says a failed key at INFO only from half of the tries on. */
int  policy_tries_half(const struct policy_tries *);

#endif
