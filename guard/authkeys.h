#ifndef GUARD_AUTHKEYS_H
#define GUARD_AUTHKEYS_H
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"
#include "guard/authopts.h"

/*
 * authkeys - is this key in this authorized_keys file, and what may it do? Pure: the file is memory,
 * the time an argument. Lines are whole however long they are; keys are compared by their full blob.
 */

/* Who asks. now: seconds since 1970. */
struct authkeys_query { struct view blob; struct addr peer; int64_t now; };

/* What kept a line with the right key from being used: sentence for the log, already printable. */
typedef void authkeys_say(void *ctx, unsigned line, const char *sentence);

enum authkeys_found { AUTHKEYS_NO = 0, AUTHKEYS_YES = 1 };

/*
 * The first usable line with the key decides. YES: *o holds its options (yours: authopts_drop()),
 * *line its number from 1. NO: *o is empty. say may be NULL.
 */
enum authkeys_found authkeys_search(struct view file, const struct authkeys_query *, struct authopts *o, unsigned *line,
    authkeys_say *say, void *ctx);

/*
 * One line without its newline: where the options, the key's type and its base64 text are. 1, or 0 when it
 * has none (empty, comment, damaged).
 */
int authkeys_split(struct view line, struct view *options, struct view *type, struct view *base64);

#endif
