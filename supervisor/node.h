#ifndef SUPERVISOR_NODE_H
#define SUPERVISOR_NODE_H
#include "base/wire.h"
#include "supervisor/daemon.h"

/* node - the nodes of the tree as people name them. */

/*
 * By number; by path ("guards/keysign", "sessions/session 7/connection") or the end of one ("keysign", "session 7/connection"); "" and
 * "root": the root. A whole path goes before its ends. deleted: also those that are gone. NULL: none or more than one, why says it.
 */
struct kid *node_find(struct daemon *, struct view text, int deleted, char *why, size_t size);

#endif
