#ifndef CONNECTION_IMPORT_H
#define CONNECTION_IMPORT_H
#include "base/wire.h"

/*
 * import - becomes the connection that conn_export() wrote. The bytes may come from an older build, and from a process
 * that a client had taken over: every field is checked, as if the client had sent it.
 */

struct conn;

/*
 * Fetches the descriptors (CARRY_*, as many as bits, in their order) of channel chan into fds; SSH_OK or an error. What was
 * fetched belongs to the connection then.
 */
typedef int carried_fn(void *ctx, uint32_t chan, unsigned ends, int fds[3]);

/*
 * Into a conn that has had conn_init() and nothing more; its loop is the caller's to start. SSH_OK; SSH_E_STATE (cannot be
 * read, or needs algorithms this build has not), SSH_E_NOMEM, SSH_E_CRYPTO: conn_drop() is fine then.
 */
int conn_import(struct conn *, struct view state, carried_fn *, void *ctx);

#endif
