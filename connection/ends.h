#ifndef CONNECTION_ENDS_H
#define CONNECTION_ENDS_H

/* ends - tells a supervisor that took over what this connection has: its client and its channels. */

struct conn;

/* ENDS_ASK: ENDS for each, and that this was all. SSH_OK, or an error that ends the link. */
int ends_tell(struct conn *, int duplicates);

#endif
