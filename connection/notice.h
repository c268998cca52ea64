#ifndef CONNECTION_NOTICE_H
#define CONNECTION_NOTICE_H
#include "ipc/codec.h"

/* notice - an operator's words on the terminals of a client, as wall(1) writes them. */

struct conn;

#define NOTICE_MAX 2048u

/*
 * The text on a line of its own, as it goes to a terminal: control characters and what is not UTF-8 become '?'.
 * How many bytes of out were used; the rest of a longer text is cut.
 */
size_t notice_text(uint8_t out[NOTICE_MAX], struct view text);
/* CONN_NOTICE: writes it to every channel with a pty that has room for it, and says NOTICE_SHOWN. SSH_OK, or the link's error. */
int notice_show(struct conn *, const struct ipc_CONN_NOTICE *);

#endif
