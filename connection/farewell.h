#ifndef CONNECTION_FAREWELL_H
#define CONNECTION_FAREWELL_H
#include <stddef.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/wire.h"

/* farewell - how the end of a connection reads in the log: sshd's sentences, which administrators' tools know. */

enum farewell_kind {
	BYE_CLOSED,		/* the client closed its socket */
	BYE_ERRNO,		/* reading or writing failed: number is errno */
	BYE_RECEIVED,		/* it said DISCONNECT: number is its reason, text its words */
	BYE_SENT,		/* we said DISCONNECT: text says why */
	BYE_ERROR,		/* the core ended it: number is SSH_E_*, text what it says about that, printable, or empty */
	BYE_PROXY		/* no PROXY header, or a malformed one: text says how */
};

struct farewell {
	struct addr peer;
	struct view user;	/* empty before a name was offered; hostile bytes */
	int unknown;		/* auth knows no such user */
	int authed;
	int quiet;		/* a trusted proxy's own connection: its checks shall not fill the log */
	enum farewell_kind kind;
	int number;
	struct view text;	/* hostile bytes */
};

/* The i-th line (0, 1) into out, escaped; its level, or LOGL_QUIET when there is no such line. */
enum log_level farewell_line(const struct farewell *, unsigned i, char *out, size_t size);

#endif
