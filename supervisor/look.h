#ifndef SUPERVISOR_LOOK_H
#define SUPERVISOR_LOOK_H
#include "supervisor/session.h"

/*
 * look - a command that asks many connections something and shows each answer: some at a time, and with
 * those that do not answer it has little patience. Nothing waits for it but its client.
 */

#define LOOK_BATCH       64u
#define LOOK_PATIENCE_MS 700

struct client;

struct look_how {
	/* SSH_OK: the session will say look_answered(req); anything else: it cannot */
	int (*ask)(struct session *, uint32_t req, const char *text);
	/* Rows for one session; answered 0: it said nothing in time. An error ends the client. */
	int (*tell)(struct client *, struct session *, int answered, unsigned flags);
};

/* ids (malloc'd, numbers of connections) is taken, text copied. Ends with client_done(). SSH_OK, or an error that ends the client. */
int  look_start(struct client *, uint64_t *ids, size_t n, const struct look_how *, unsigned flags, const char *text);
void look_answered(struct session *, uint32_t req);

#endif
