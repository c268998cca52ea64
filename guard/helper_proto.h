#ifndef GUARD_HELPER_PROTO_H
#define GUARD_HELPER_PROTO_H
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/wire.h"
#include "guard/authopts.h"

/*
 * helper_proto - what auth and its key helper say to each other, one datagram each way. The helper may
 * be in the user's hands: its answer is checked like any peer's. Views point into the bytes decoded.
 */

#define HELPER_MESSAGE_MAX 40960u
#define HELPER_LINES          8u
#define HELPER_LINE_MAX     500u

enum helper_question { HELPER_QUERY = 1, HELPER_VERIFY = 2 };

struct helper_ask {
	enum helper_question what;
	struct addr peer;			/* whom from="" is about */
	struct view alg, blob;
	struct view sig, session_id, service;	/* VERIFY only */
	struct view hostkey;			/* too, if the signature covers it; else empty */
};

enum helper_verdict { HELPER_NO = 0, HELPER_YES = 1 };

struct helper_line { enum log_level level; struct view text; };

struct helper_answer {
	enum helper_verdict verdict;
	uint32_t permits;		/* YES: what the key's options leave */
	int has_command;
	struct view command;
	unsigned nlines;		/* for the log; written by auth, escaped */
	struct helper_line lines[HELPER_LINES];
};

int helper_ask_encode(struct buf *, const struct helper_ask *);
int helper_ask_decode(struct helper_ask *, struct view) __attribute__((warn_unused_result));
int helper_answer_encode(struct buf *, const struct helper_answer *);
int helper_answer_decode(struct helper_answer *, struct view) __attribute__((warn_unused_result));

#endif
