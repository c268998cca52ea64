#ifndef CONNECTION_ANSWERS_H
#define CONNECTION_ANSWERS_H
#include <stdint.h>

#include "base/buf.h"
#include "ipc/codec.h"
#include "ssh/ssh.h"

/*
 * answers - the core's needs ⇄ keysign and auth.
 *
 * At most one question is open at a time, because the core waits. It is kept here until it is answered,
 * so that a guard that died over it can be replaced and asked again; it is wiped then.
 */

struct conn;

enum question { Q_NOTHING, Q_NONE, Q_KEY_OK, Q_KEY, Q_PASSWORD, Q_INTERACT, Q_REPLY };
enum waiting { WAITS_FOR_NOTHING, WAITS_FOR_BEGIN, WAITS_FOR_ANSWER };

#define ANSWERS_NAME_MAX 1024u	/* user and service together */

struct answers {
	enum question open;		/* what the core waits for */
	struct buf kept;		/* the bytes of it */
	struct view part[4];		/* alg, blob, sig, hostkey | password | submethods | first answer; point into kept */
	uint32_t count;			/* Q_REPLY: answers the client sent */
	struct buf name;		/* user, service: fixed by the first request */
	struct view user, service;
	int introduced;			/* auth on this link knows the user */
	int greeted;			/* the banner went out */
	int unknown;			/* auth knows no such user: for the log */
	int prompted;			/* the core shows our question */
	enum waiting waiting;		/* what auth owes us, under req */
	uint32_t req;
	char methods[SSH_METHODS_MAX + 1];	/* that can continue, as auth said last */
	uint32_t sign_req;
};

void answers_init(struct answers *);
void answers_drop(struct answers *);
/* SSH_EV_NEED_SIGN. */
void answers_sign(struct conn *, const struct ssh_event *);
/* SSH_EV_AUTH_*. */
void answers_auth(struct conn *, const struct ssh_event *);
/* What keysign or auth said. SSH_OK, or SSH_E_RULE for an answer that fits no question. */
int  answers_message(struct conn *, struct ipc_msg *);
/* That guard's link is new: asks again what is open. */
void answers_repeat(struct conn *, enum ipc_role);
void answers_auth_lost(struct conn *);
/* A connection that moved here, logged in: only who it is remains. SSH_OK, SSH_E_NOMEM. */
int  answers_import(struct answers *, struct view user, struct view service);
/* The name offered first; empty before. Hostile bytes, borrowed. */
struct view answers_user(const struct conn *);

#endif
