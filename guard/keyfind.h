#ifndef GUARD_KEYFIND_H
#define GUARD_KEYFIND_H
#include <stddef.h>
#include <sys/types.h>

#include "guard/helper_proto.h"

/*
 * keyfind - the helper's work: find the key in the user's files, then verify the signature. Runs as
 * the user, or as nobody for accounts that do not exist, and answers in the same way for both.
 */

struct keyfind {
	const char *user, *home;
	uid_t uid;
	const char *const *files;	/* AuthorizedKeysFile as configured */
	size_t nfiles;
	int strict;			/* StrictModes */
};

/*
 * Answers one question. *a's views point into out, which is emptied first and must live as long.
 * Authorises first and verifies second: no key is parsed that the user did not list.
 */
void keyfind_answer(const struct keyfind *, const struct helper_ask *, struct helper_answer *a, struct buf *out);

#endif
