#ifndef GUARD_AUTHOPTS_H
#define GUARD_AUTHOPTS_H
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* authopts - the options in front of a key in authorized_keys (sshd(8)); pure. */

#define AUTHOPTS_TEXT_MAX 8192u		/* AUTH_GRANTED.forced */

struct authopts {
	uint32_t permits;		/* PERMIT_* of ipc/permits.h */
	int cert_authority;		/* the line is about certificates, not about this key */
	char *command;			/* NULL: none; malloc()ed */
	char *from;			/* pattern list; NULL: from anywhere */
	int expires;
	int64_t expiry;			/* seconds since 1970 after which the key is no good */
};

/*
 * options: the text before the key type, without the blank; empty gives everything. As sshd: one
 * unknown or damaged option makes the whole line unusable. SSH_OK, SSH_E_NOMEM, or SSH_E_FORMAT with why
 * set to a sentence (static). Drop with authopts_drop() in either case.
 */
int  authopts_parse(struct authopts *, struct view options, const char **why);
void authopts_drop(struct authopts *);
/* The length of the options at the start of a line: up to a blank outside quotes; SIZE_MAX: a quote is open. */
size_t authopts_span(struct view line);
/*
 * "YYYYMMDD[HHMM[SS]]", local time, or UTC with a Z behind. SSH_OK or SSH_E_FORMAT.
 */
int  authopts_time(struct view text, int64_t *at);

#endif
