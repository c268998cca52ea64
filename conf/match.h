#ifndef CONF_MATCH_H
#define CONF_MATCH_H
#include <stddef.h>

#include "conf/parse.h"

/* match - the conditions of a Match line: read, tested, written. */

struct buf;
struct conf_client;

/* Conditions of a Match line into b (zeroed by the caller, who match_drop()s it). SSH_OK, SSH_E_NOMEM, or SSH_E_CONFIG with a sentence. */
int  match_parse(struct block *b, const struct words *w, struct conf_error *, const struct where *);
void match_drop(struct block *);
/* 1 when the block's own conditions hold for the client; its parent is the caller's business. NULL: only `all` holds. */
int  match_holds(const struct block *, const struct conf_client *);
/* "Match ..." with the conditions of block i and its parents. */
int  match_write(const struct conf *, size_t i, struct buf *);

#endif
