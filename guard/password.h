#ifndef GUARD_PASSWORD_H
#define GUARD_PASSWORD_H
#include <stddef.h>
#include <sys/types.h>

#include "base/wire.h"

/*
 * password - is this the user's password? The hashing happens in a forked child with a CPU limit,
 * a few at a time; the others wait their turn. A user nobody has costs the same hashing.
 */

struct event_base;
struct password;

/* Far apart, so that no single flipped bit says yes. */
enum password_result { PASSWORD_NO = 0, PASSWORD_YES = 0x59, PASSWORD_EXPIRED = 0xa6 };

#define PASSWORDS_MAX      8u	/* children at once; hashing is work for a CPU, more would only be slower */
#define PASSWORD_CPU_S     5u
#define PASSWORD_WALL_S   30u	/* a name service may be slow */

typedef void password_done(void *ctx, enum password_result);

/*
 * Starts a check; the password is copied and wiped. user NULL: an account that does not exist, the
 * result is NO. done comes later, never from inside. SSH_OK, SSH_E_NOMEM.
 */
int  password_start(struct password **, struct event_base *, const char *user, struct view password, int permit_empty,
    password_done *, void *ctx);
/* Before done: stops it, done is not called. Inside or after done: not needed, the object is gone. NULL is fine. */
void password_cancel(struct password *);

/* ---- the rules, pure ---- */

enum password_hash { PASSWORD_HASH_UNUSABLE, PASSWORD_HASH_EMPTY, PASSWORD_HASH_CRYPT };

/* What a password field holds; CRYPT only for "$id$..." with an id that crypt(5) knows as a strong one. */
enum password_hash password_classify(const char *field);
/*
 * 1 when password (NUL-terminated) opens field. fake: hashed in its place when field cannot match, so that the
 * time is the same. Fails closed: crypt() failing, its error strings, an empty field without permit_empty.
 */
int password_matches(const char *field, const char *password, int permit_empty, const char *fake);
/* 1 when a password of these shadow(5) ages (days; -1: none) must be changed on day today. */
int password_aged(long last_change, long max_days, long today);

#endif
