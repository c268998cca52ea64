#ifndef GUARD_LOGIN_INTERNAL_H
#define GUARD_LOGIN_INTERNAL_H
#include "base/addr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/wire.h"
#include "guard/login.h"
#include "guard/policy.h"

/* login_internal - for guard/login*.c: one client's login, and what its methods share. */

#define LOGIN_SERVICE "ssh-connection"

struct account;
struct authd;
struct authd_conf;
struct conf_values;
struct event;
struct helper;
struct link;
struct lookup;
struct password;

enum login_state {
	L_NEW,		/* no user yet */
	L_ACCOUNT,	/* the account is looked up */
	L_IDLE,		/* waits for a question */
	L_PROMPTING,	/* waits for the client's answer, or another question */
	L_WAIT_ID,	/* signature here, session id not */
	L_KEY,		/* the helper works */
	L_PASSWORD,	/* a password child works */
	L_DELAYED,	/* a failure waits for its time */
	L_OVER		/* granted, or no more tries: every word is one too many */
};

struct login {
	struct authd *authd;
	struct authd_conf *conf;
	struct link *link;
	struct event *timer;
	uint64_t conn;
	struct addr peer, local;
	enum login_state state;
	struct first_exchange first;		/* id_len 0: not known yet */
	int log_level;				/* coppicectl wants to know more (or less) about this one; -1: no */
	/* from AUTH_BEGIN on */
	char user[SSH_USER_MAX * 4 + 1];	/* what logs and patterns see */
	int valid;				/* may log in, if the proof is right */
	struct lookup *lookup;
	struct account *account;
	int service_ok;
	struct conf_values *values;
	unsigned methods;
	uint32_t jitter;
	struct policy_tries tries;
	uint64_t born_ms;
	struct helper *helper;
	struct password *password;
	/* the question of now */
	uint32_t req;
	uint64_t since;				/* us */
	enum policy_method method;
	int query, counted;
	char alg[SSH_ALG_NAME_MAX + 1];
	struct buf blob, sig, hostkey;		/* hostkey: empty, unless the signature covers it */
};

static inline struct view login_bytes(const struct buf *b)
{
	return view_of(b->v == NULL ? NULL : buf_head(b), buf_len(b));
}

/* Wakes the login in so many microseconds. */
void login_timer(struct login *, uint64_t us);
/* Lines from here to login_spoke(its result) are as loud as was asked for this client, and name it. */
enum log_level login_speak(const struct login *);
void login_spoke(enum log_level was);
/* AUTH_VERDICT for the question of now; banner may be NULL. SSH_OK or link_send()'s error. */
int  login_verdict(struct login *, int verdict, const char *banner);
/* For answers outside the link's own callback: a link that cannot be answered ends. The login is gone after an error. */
void login_finish(struct login *, int error);
/* The answer is no; it is told when its time has come. */
void login_fail(struct login *);
/* The proof was right: is this a way in for this account? forced: by a key that has a command. */
int  login_way_in(const struct login *, int forced);
/* The answer is yes; forced: the command that runs in place of what is asked for, or NULL. The login may be gone after it. */
void login_grant(struct login *, uint32_t permits, const char *forced);
/* AUTH_KEY: a question (no signature) or a proof. SSH_OK, or an error that ends the link. */
int  login_key(struct login *, struct view alg, struct view blob, struct view sig, struct view hostkey);

#endif
