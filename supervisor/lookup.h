#ifndef SUPERVISOR_LOOKUP_H
#define SUPERVISOR_LOOKUP_H
#include "supervisor/daemon.h"

/* lookup - names in ListenAddress, asked for by a child: name services may take their time, the supervisor has none. */

struct lookup;

/*
 * done() is called once, later: the addresses (n of them, malloc'd, taken by done), or NULL and a sentence. NULL: it cannot be started.
 * The values are read before it returns.
 */
struct lookup *lookup_start(struct daemon *, const struct conf_values *, void (*done)(struct daemon *, struct addr *, size_t n, const char *why));
/* Forgets it; not from its own done(), after which it is gone anyway. NULL is fine. */
void lookup_cancel(struct lookup *);

#endif
