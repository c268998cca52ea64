#ifndef CONNECTION_EXPORT_H
#define CONNECTION_EXPORT_H
#include "base/buf.h"
#include "base/err.h"

/*
 * export - a live connection as bytes: the core (ssh_export()), every session channel, what is pending for its program,
 * and what auth allowed. import.h reads them back in another process, perhaps of another build; descriptors travel apart.
 */

#define CONN_STATE_MAGIC   0x43434f4eu	/* "CCON" */
#define CONN_STATE_VERSION 2u		/* another layout gets another number; the reader keeps the ones it can still read */

struct conn;
struct session;

/*
 * Appends to the buf. SSH_E_AUTH: not logged in yet; SSH_E_NOT_NOW: an answer is open; SSH_E_FULL, SSH_E_NOMEM; nothing
 * is appended then. The connection is as before. The bytes hold keys: drop the buf, which wipes it.
 */
int conn_export(struct conn *, struct buf *);
/* CARRY_* of the descriptors this channel has. */
unsigned conn_export_ends(const struct session *);

#endif
