#ifndef CONNECTION_PROXY_H
#define CONNECTION_PROXY_H
#include "connection/proxy_header.h"
#include "ipc/codec.h"

/*
 * proxy - a connection from a trusted proxy before it is known who the client is: waits for the header, tells the
 * supervisor what it says, and gives way to the core.
 */

#define PROXY_WAIT_MS 5000	/* proxy-protocol.txt 2: at least 3 s, one retransmission */

struct conn;
struct event;

struct proxy {
	uint8_t header;			/* HEADER_*: what is still awaited */
	int own;			/* this source is a trusted proxy, and no client stands behind it: a check of its own */
	size_t n;
	uint8_t bytes[PROXY_HEADER_MAX];
	struct event *deadline;
};

/* CONN_START was heard. SSH_OK or SSH_E_NOMEM. */
int  proxy_start(struct conn *, uint8_t header);
/* 1 while the socket's bytes belong to proxy_read(). */
int  proxy_awaited(const struct conn *);
/* 1 while nothing may be said to the client either. */
int  proxy_holds(const struct conn *);
/* The socket is readable. */
void proxy_read(struct conn *);
void proxy_drop(struct proxy *);

#endif
