#include "supervisor/tree_internal.h"

/* tree_restore - a tree out of the records of one that was there before: no event, no action, until it is complete. */

static struct sup_node *made(struct sup_tree *t, struct sup_node *parent, const struct sup_spec *spec, uint64_t id)
{
	struct sup_node *n;
	uint64_t last = t->last_id;

	if (sup_check(&parent->spec, spec) != NULL || id == 0 || sup_find(t, id) != NULL)
		return NULL;
	t->last_id = id - 1;
	n = sup_node_new(t, parent, spec);
	t->last_id = last > id ? last : id;
	if (n != NULL)
		list_add_tail(&parent->children, &n->link);
	return n;
}

/*
 * Down under a supervisor that is up, and meant to run: its end was answered, and then the supervisor of before was killed, having started nobody
 * yet. It is answered again; whoever gave up over it gives up again, as its window says.
 */
static enum sup_state claims(const struct sup_node *n, const struct sup_saved *s)
{
	if (s->state == SUP_ST_DOWN && n->spec.restart == SUP_PERMANENT && n->parent != NULL && n->parent->state == SUP_ST_UP
	    && !s->held && !s->gone && !s->removing)
		return SUP_ST_RETRY;
	return s->state;
}

struct sup_node *sup_restore(struct sup_tree *t, struct sup_node *parent, const struct sup_spec *spec, const struct sup_saved *s)
{
	struct sup_node *n = parent != NULL ? made(t, parent, spec, s->id) : s->id == t->root->id ? t->root : NULL;

	if (n == NULL)
		return NULL;
	n->restarts = s->restarts;
	n->reason = s->reason;
	n->dynamic = s->dynamic;
	n->fresh = s->fresh;
	n->removing = s->removing;
	n->gone = s->gone;
	n->held = s->held;
	n->byhand = s->byhand;
	n->fails = s->fails;
	n->due_ms = s->due_ms;
	if (spec->kind == SUP_SUPERVISOR)
		for (unsigned i = 0; i < s->window_used && n->window_used < n->window_room; i++)
			n->window[n->window_used++] = s->window[i];
	n->state = claims(n, s);
	if (n->state == SUP_ST_DEAD || n->state == SUP_ST_RETRY)
		n->seq = ++t->seq;
	return n;
}

static void go_on(struct sup_node *n)
{
	if (n->state == SUP_ST_WAITING)
		sup_timer(n, n->due_ms > n->tree->now ? (uint32_t)(n->due_ms - n->tree->now) : 1);
	if (n->state == SUP_ST_STARTING) {
		sup_timer(n, n->spec.start_ms);
		n->job = n->spec.kind == SUP_SUPERVISOR ? JOB_BOOT : JOB_IDLE;
	}
	LIST_EACH_SAFE(l, next, &n->children)
		go_on(SUP_CHILD(l));
	if (n->spec.kind == SUP_SUPERVISOR && (n->state == SUP_ST_STARTING || n->state == SUP_ST_UP))
		sup_advance(n);
}

void sup_restored(struct sup_tree *t, uint64_t last_id, uint64_t now_ms)
{
	t->now = now_ms;
	if (t->last_id < last_id)
		t->last_id = last_id;
	go_on(t->root);
}
