#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/clock.h"
#include "supervisor/command.h"
#include "supervisor/effects.h"
#include "supervisor/grant.h"
#include "supervisor/listen.h"
#include "supervisor/supervise.h"

/* command_tree - the tree as CTL_NODE messages, depth first. */

static size_t count(const struct sup_node *n)
{
	size_t all = 1;

	LIST_EACH(l, &n->children)
		all += count(LIST_OF(l, struct sup_node, link));
	return all;
}

static size_t collect(uint64_t *ids, size_t at, const struct sup_node *n)
{
	if (n->gone)	/* deleted, and what is below it */
		return at;
	ids[at++] = n->id;
	LIST_EACH(l, &n->children)
		at = collect(ids, at, LIST_OF(l, struct sup_node, link));
	return at;
}

static int tell_node(struct client *c, uint64_t id)
{
	struct sup_node *n = sup_find(client_daemon(c)->tree, id);
	const struct kid *kid = n != NULL ? n->ctx : NULL;
	uint64_t now = clock_ms();
	struct ipc_CTL_NODE m;
	char trouble[100];

	if (kid == NULL || n->gone)
		return SSH_OK;
	m = (struct ipc_CTL_NODE){
		.node = n->id, .parent = n->parent != NULL ? n->parent->id : 0, .kind = n->spec.kind == SUP_WORKER,
		.strategy = (uint8_t)n->spec.strategy, .restart = (uint8_t)n->spec.restart, .state = (uint8_t)n->state,
		.restarts = n->restarts, .intensity = n->spec.intensity, .period_s = n->spec.period_ms / 1000,
		.name = view_str(kid->name), .last_exit = view_str(supervise_trouble(kid, trouble, sizeof trouble)),
	};
	if (n->state != SUP_ST_DOWN)
		m.up_ms = now > kid->up_ms ? now - kid->up_ms : 0;
	if (n->parent == NULL)
		m.pid = (uint32_t)getpid();
	else if (kid->proc != NULL && kid->proc->pid > 0)
		m.pid = (uint32_t)kid->proc->pid;
	if (kid->session != NULL) {
		m.peer = kid->session->peer;
		m.user = view_str(kid->session->grant != NULL ? kid->session->grant->user : "");
	} else if (kid->listener != NULL) {
		m.peer = kid->listener->local;
	}
	return link_send(client_link(c), IPC_CTL_NODE, &m);
}

int command_TREE(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct sup_node *root = sup_root(client_daemon(c)->tree);
	size_t n = count(root);
	uint64_t *ids = calloc(n, sizeof *ids);

	(void)m;
	if (ids == NULL)
		return client_done(c, 1, "out of memory");
	return client_each(c, ids, collect(ids, 0, root), tell_node);
}
