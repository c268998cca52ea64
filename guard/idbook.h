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

/* What keysign says of a connection's first key exchange: its hash, which is the session id, and which host key was shown. */
struct first_exchange { uint8_t id_len, host_len, id[SSH_HASH_MAX], host[SSH_HOST_DIGEST]; };

struct idbook_entry { uint64_t conn; struct first_exchange first; };
struct idbook { struct idbook_entry *v; unsigned used, oldest; };

void idbook_init(struct idbook *);
void idbook_drop(struct idbook *);
/* id: 1 to SSH_HASH_MAX bytes; host: SSH_HOST_DIGEST bytes, or empty: not known. SSH_OK, or SSH_E_FORMAT and *f is empty. */
int  first_exchange(struct first_exchange *f, struct view id, struct view host);
/* Keeps the first one of conn; a later one is ignored (a rekey's hash is no session id). SSH_OK or SSH_E_NOMEM. */
int  idbook_put(struct idbook *, uint64_t conn, const struct first_exchange *);
/* Copies conn's to out and forgets it: 1, or 0 and *out is empty. */
int  idbook_take(struct idbook *, uint64_t conn, struct first_exchange *out);

#endif
