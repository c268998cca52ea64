#ifndef GUARD_IDBOOK_H
#define GUARD_IDBOOK_H
#include <stdint.h>

#include "base/limits.h"
#include "base/wire.h"

/*
 * idbook - session ids that came from keysign before the connection's own link came from the
 * supervisor: the two sockets have no order. Bounded; the oldest falls out.
 */

#define IDBOOK_MAX 4096u

struct idbook_entry { uint64_t conn; uint8_t len, id[SSH_HASH_MAX]; };
struct idbook { struct idbook_entry *v; unsigned used, oldest; };

void idbook_init(struct idbook *);
void idbook_drop(struct idbook *);
/* Keeps the first id of conn; a later one is ignored (a rekey's hash is no session id). SSH_OK or SSH_E_NOMEM. */
int  idbook_put(struct idbook *, uint64_t conn, struct view id);
/* Copies conn's id to out and forgets it: its length, or 0. */
unsigned idbook_take(struct idbook *, uint64_t conn, uint8_t out[SSH_HASH_MAX]);

#endif
