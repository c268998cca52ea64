#ifndef IPC_CODEC_H
#define IPC_CODEC_H
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/wire.h"

/*
 * codec - the structs, encoders, decoders and rules of messages.def. Nothing here does I/O.
 * The views in a decoded message point into the bytes it was decoded from.
 */

struct buf;

/* Who sits at an end of a link; R_* are the bits used in messages.def. */
enum ipc_role {
	ROLE_SUP, ROLE_ACC, ROLE_NUR, ROLE_CONN, ROLE_KEY, ROLE_AUTH, ROLE_REP, ROLE_WRK, ROLE_CTL, ROLE_KEEP,
	ROLE_COUNT
};
#define R_SUP  (1u << ROLE_SUP)
#define R_ACC  (1u << ROLE_ACC)
#define R_NUR  (1u << ROLE_NUR)
#define R_CONN (1u << ROLE_CONN)
#define R_KEY  (1u << ROLE_KEY)
#define R_AUTH (1u << ROLE_AUTH)
#define R_REP  (1u << ROLE_REP)
#define R_WRK  (1u << ROLE_WRK)
#define R_CTL  (1u << ROLE_CTL)
#define R_KEEP (1u << ROLE_KEEP)
#define R_CHILD (R_ACC | R_NUR | R_KEY | R_AUTH | R_REP | R_KEEP)	/* exec'd, long-lived */
#define R_ANY  (R_CHILD | R_SUP | R_CONN | R_WRK)

/* State of a link. */
enum ipc_when { W_NEW = 1, W_UP = 2, W_AUTHED = 4, W_LOG = 8 };

#define IPC_PROTO 5u		/* the protocol this build speaks, one more with each change of a message's layout; those before were never released */

enum ipc_type {
	IPC_NONE = 0,
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) IPC_##name = (no),
#include "ipc/messages.def"
#undef MSG
};

#include "ipc/words_struct.def"
#define SECRET_(n, x) struct view n;
#pragma push_macro("SECRET")
#undef SECRET
#define SECRET(n, x)  SECRET_(n, x)
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) struct ipc_##name { fields_ };
#include "ipc/messages.def"
#undef MSG
#include "ipc/words_end.def"
#undef SECRET
#undef SECRET_
#pragma pop_macro("SECRET")

/* A received message: the body by type, and its descriptors (-1 once a handler took them). */
struct ipc_msg {
	enum ipc_type type;
	int nfds;
	int fds[IPC_FDS_MAX];
	pid_t sender;		/* as the kernel says, on a link_attest()ed link; else 0 */
	union {
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) struct ipc_##name name;
#include "ipc/messages.def"
#undef MSG
	} u;
};

struct ipc_rule {
	enum ipc_type type;
	const char *name, *doc;
	unsigned from, to, when;
	int fds_min, fds_max;
	enum ipc_type answer;
	int secret;		/* carries a SECRET field: buffers are wiped after use */
};

/* NULL for a number that is not in the table. */
const struct ipc_rule *ipc_rule(unsigned type);
/* The i-th row, NULL after the last. */
const struct ipc_rule *ipc_rule_at(unsigned i);
const char *ipc_role_name(enum ipc_role);	/* "keysign" */

/*
 * May `from` say type to `to` on a link in state when, with nfds descriptors?
 * SSH_OK or SSH_E_RULE. Checked on both ends.
 */
int ipc_check(unsigned type, enum ipc_role from, enum ipc_role to, enum ipc_when when, int nfds);
/* Appends the type byte and the fields of body (a struct ipc_NAME). SSH_E_FULL: a field is over its maximum. */
int ipc_encode(struct buf *, enum ipc_type, const void *body);
/* SSH_OK or SSH_E_FORMAT (unknown number, short, over-long field, bytes left over). m->nfds is not touched. */
int ipc_decode(struct ipc_msg *m, const uint8_t *p, size_t n);
/* One ADDR field; a bad one spoils the reader. */
void ipc_put_addr(struct wr *, const struct addr *);
struct addr ipc_get_addr(struct rd *);
/* One STR, BYTES or SECRET field: longer than max spoils the writer (SSH_E_FULL). */
void ipc_put_view(struct wr *, struct view, size_t max);
/* One STR field: longer than max or a NUL inside spoils the reader, for it becomes a C string on the other side. */
struct view ipc_get_text(struct rd *, size_t max);
/* Takes the i-th descriptor out of a message: yours now; -1 if it is not there. */
int ipc_take_fd(struct ipc_msg *, int i);
/* Closes every descriptor that nobody took. */
void ipc_close_fds(struct ipc_msg *);

#endif
