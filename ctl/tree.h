#ifndef CTL_TREE_H
#define CTL_TREE_H
#include <stdio.h>

#include "ipc/codec.h"

/* tree - the nodes coppicectl got, and how they are shown. */

struct ctl_node {
	uint64_t node, parent;
	uint8_t kind, strategy, restart, state;
	uint32_t pid, restarts, intensity, period_s;
	uint64_t up_ms;
	char name[101], last_exit[101], user[1025];
	struct addr peer;
};

struct ctl_tree { struct ctl_node *v; size_t n, room; int ascii; };	/* ascii: draw without line characters */

/* A copy of a CTL_NODE, in the order of arrival (depth first). SSH_OK or SSH_E_NOMEM. */
int  ctl_tree_add(struct ctl_tree *, const struct ipc_CTL_NODE *);
void ctl_tree_free(struct ctl_tree *);
/* The drawing of architecture documents: branches, uptime, pid, restarts, last exit, user and peer. */
/* The branches and the name of the at-th node alone. */
void ctl_tree_label(const struct ctl_tree *, size_t at, FILE *);
const char *ctl_tree_state(const struct ctl_node *);	/* "up" */
void ctl_tree_text(const struct ctl_tree *, FILE *);
/* One JSON object per daemon: {"nodes":[...]} with every field, ids as numbers, names as words. */
void ctl_tree_json(const struct ctl_tree *, FILE *);

#endif
