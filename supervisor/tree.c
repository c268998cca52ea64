#include "supervisor/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/tree_internal.h"

/* Room reserved for each node, so that no event fails for lack of memory. */
#define ACTIONS_PER_NODE 8u

static int reserve(struct sup_tree *t, size_t want)
{
	struct sup_action *more;

	if (want <= t->size)
		return SSH_OK;
	if ((more = realloc(t->actions, want * sizeof *more)) == NULL)
		return SSH_E_NOMEM;
	t->actions = more;
	t->size = want;
	return SSH_OK;
}

void sup_do(struct sup_node *n, enum sup_verb verb, uint32_t ms, enum sup_did did)
{
	struct sup_tree *t = n->tree;

	if (t->tail == t->size && reserve(t, t->size * 2) < 0)
		return;
	t->actions[t->tail++] = (struct sup_action){ verb, n, ms, did };
}

int sup_next(struct sup_tree *t, struct sup_action *a)
{
	if (t->head == t->tail) {
		t->head = t->tail = 0;
		return 0;
	}
	*a = t->actions[t->head++];
	return 1;
}

/* ---- nodes ---------------------------------------------------------------- */

static void node_free(struct sup_node *n)
{
	free(n->window);
	free(n);
}

struct sup_node *sup_node_new(struct sup_tree *t, struct sup_node *parent, const struct sup_spec *spec)
{
	struct sup_node *n = calloc(1, sizeof *n);

	if (n == NULL)
		return NULL;
	n->window_room = spec->kind == SUP_SUPERVISOR ? spec->intensity + 1 : 0;
	if (n->window_room > 0 && (n->window = calloc(n->window_room, sizeof *n->window)) == NULL)
		goto fail;
	n->id = t->last_id + 1;
	n->tree = t;
	n->parent = parent;
	n->spec = *spec;
	list_init(&n->link);
	list_init(&n->children);
	/* Twice in steps, so that a thousand sessions are not a thousand reallocations. */
	if ((t->nodes.used + 1) * ACTIONS_PER_NODE > t->size && reserve(t, (t->nodes.used + 8) * 2 * ACTIONS_PER_NODE) < 0)
		goto fail;
	if (table_put(&t->nodes, n->id, n) < 0)
		goto fail;
	t->last_id++;
	return n;
fail:
	node_free(n);
	return NULL;
}

struct sup_tree *sup_tree_new(const struct sup_spec *root)
{
	struct sup_tree *t;

	if (sup_check(NULL, root) != NULL || (t = calloc(1, sizeof *t)) == NULL)
		return NULL;
	table_init(&t->nodes);
	list_init(&t->forgotten);
	if ((t->root = sup_node_new(t, NULL, root)) == NULL) {
		sup_tree_free(t);
		return NULL;
	}
	return t;
}

static void free_forgotten(struct sup_tree *t)
{
	LIST_EACH_SAFE(l, next, &t->forgotten)
		node_free(SUP_CHILD(l));
	list_init(&t->forgotten);
}

void sup_tree_free(struct sup_tree *t)
{
	struct sup_node *n;
	size_t at = 0;

	if (t == NULL)
		return;
	free_forgotten(t);
	while ((n = table_next(&t->nodes, &at)) != NULL)
		node_free(n);
	table_drop(&t->nodes);
	free(t->actions);
	free(t);
}

struct sup_node *sup_root(struct sup_tree *t)
{
	return t->root;
}

struct sup_node *sup_find(struct sup_tree *t, uint64_t id)
{
	return table_get(&t->nodes, id);
}

const char *sup_check(const struct sup_spec *parent, const struct sup_spec *child)
{
	if (parent == NULL && child->kind != SUP_SUPERVISOR)
		return "the root must be a supervisor";
	if (parent != NULL && parent->kind != SUP_SUPERVISOR)
		return "a worker has no children";
	if (child->kind == SUP_SUPERVISOR && child->intensity > SUP_INTENSITY_MAX)
		return "intensity is too high";
	if (child->kind == SUP_SUPERVISOR && child->period_ms == 0)
		return "period must be more than 0";
	if (child->backoff_max_ms > 0 && (child->backoff_min_ms == 0 || child->backoff_min_ms > child->backoff_max_ms))
		return "back-off must grow from more than 0 to its maximum";
	if (!child->significant)
		return NULL;
	if (parent == NULL || parent->auto_shutdown == SUP_NEVER)
		return "a significant child needs a supervisor with auto_shutdown";
	if (child->restart == SUP_PERMANENT)
		return "a permanent child cannot be significant";
	return NULL;
}

struct sup_node *sup_add(struct sup_node *parent, const struct sup_spec *spec, int dynamic)
{
	struct sup_node *n;

	if (sup_check(&parent->spec, spec) != NULL || (n = sup_node_new(parent->tree, parent, spec)) == NULL)
		return NULL;
	n->dynamic = n->fresh = dynamic != 0;
	list_add_tail(&parent->children, &n->link);
	return n;
}

void sup_forget(struct sup_node *n)
{
	LIST_EACH_SAFE(l, next, &n->children)
		sup_forget(SUP_CHILD(l));
	sup_enter(n, SUP_ST_DOWN);
	n->job = JOB_IDLE;
	list_remove(&n->link);
	table_remove(&n->tree->nodes, n->id);
	list_add_tail(&n->tree->forgotten, &n->link);
	sup_do(n, SUP_DO_FORGET, 0, 0);
}

/* ---- one child's life ------------------------------------------------------ */

void sup_enter(struct sup_node *n, enum sup_state st)
{
	if (n->timed) {
		sup_do(n, SUP_DO_TIMER, 0, 0);
		n->timed = 0;
	}
	n->state = st;
	if (st == SUP_ST_DEAD || st == SUP_ST_RETRY)
		n->seq = ++n->tree->seq;
}

void sup_timer(struct sup_node *n, uint32_t ms)
{
	if (ms == 0 || ms == SUP_INFINITY)
		return;
	sup_do(n, SUP_DO_TIMER, ms, 0);
	n->timed = 1;
}

void sup_ignore(struct sup_node *n)
{
	(void)n;
}

static void leaf_start(struct sup_node *n)
{
	n->restarts += n->restarting;
	n->restarting = 0;
	sup_enter(n, SUP_ST_STARTING);
	sup_do(n, SUP_DO_START, 0, 0);
	sup_timer(n, n->spec.start_ms);
}

static void leaf_ready(struct sup_node *n)
{
	sup_enter(n, SUP_ST_UP);
	n->fresh = n->byhand = 0;
	n->fails = 0;
	sup_advance(n->parent);
}

static void leaf_hung(struct sup_node *n)
{
	sup_enter(n, SUP_ST_ABORTING);
	sup_do(n, SUP_DO_KILL, 0, 0);
}

static void leaf_died(struct sup_node *n)
{
	sup_enter(n, SUP_ST_DEAD);
	sup_advance(n->parent);
}

static void leaf_stop(struct sup_node *n)
{
	if (n->spec.shutdown_ms == SUP_BRUTAL_KILL) {
		sup_enter(n, SUP_ST_KILLING);
		sup_do(n, SUP_DO_KILL, 0, 0);
		return;
	}
	sup_enter(n, SUP_ST_STOPPING);
	sup_do(n, SUP_DO_TERM, 0, 0);
	sup_timer(n, n->spec.shutdown_ms);
}

static void leaf_insist(struct sup_node *n)
{
	sup_enter(n, SUP_ST_KILLING);
	sup_do(n, SUP_DO_KILL, 0, 0);
}

/* It was killed because its start hung; from now on that end was asked for. */
static void leaf_killing(struct sup_node *n)
{
	sup_enter(n, SUP_ST_KILLING);
}

static void leaf_gone(struct sup_node *n)
{
	sup_enter(n, SUP_ST_DOWN);
	sup_do(n, SUP_DO_REPORT, 0, SUP_DID_STOP);
	sup_went_down(n);
}

void sup_drop_claim(struct sup_node *n)
{
	enum sup_state was = n->state;

	sup_enter(n, SUP_ST_DOWN);
	if (was == SUP_ST_DEAD)
		sup_do(n, SUP_DO_REPORT, 0, SUP_DID_STOP);
	sup_went_down(n);
}

void sup_went_down(struct sup_node *n)
{
	struct sup_node *s = n->parent;

	n->byhand = n->paid = 0;
	n->fails = 0;
	if (n->removing || (n->spec.restart == SUP_TEMPORARY && n->dynamic))
		sup_forget(n);
	else if (n->spec.restart == SUP_TEMPORARY)
		n->gone = 1;
	if (s != NULL)
		sup_advance(s);
}

/* ---- starts that fail ------------------------------------------------------- */

void sup_wait(struct sup_node *n, uint32_t ms)
{
	sup_enter(n, SUP_ST_WAITING);
	n->due_ms = n->tree->now + ms;
	sup_timer(n, ms);
}

void sup_due(struct sup_node *n)
{
	sup_enter(n, SUP_ST_RETRY);
	sup_advance(n->parent);
}

/* 0 for the first failure, then doubling, less up to a quarter: nodes that failed together shall not try together. */
static uint32_t back_off(const struct sup_node *n)
{
	uint64_t ms = n->spec.backoff_min_ms, x = (n->tree->now ^ n->id << 32 ^ n->fails) * 0x9e3779b97f4a7c15u;

	if (n->fails <= 1)
		return 0;
	for (unsigned i = 2; i < n->fails && ms < n->spec.backoff_max_ms; i++)
		ms *= 2;
	if (ms > n->spec.backoff_max_ms)
		ms = n->spec.backoff_max_ms;
	return (uint32_t)(ms - (x >> 32) % (ms / 4 + 1));
}

/* OTP's try_again_restart, but paced and not counted where there is a back-off. */
static void try_again(struct sup_node *n)
{
	uint32_t ms = 0;

	n->fails++;
	if (n->spec.backoff_max_ms == 0) {
		sup_do(n, SUP_DO_REPORT, 0, SUP_DID_RESTART);
	} else {
		n->paid = 1;
		ms = back_off(n);
		sup_do(n, SUP_DO_REPORT, ms, SUP_DID_BACK_OFF);
	}
	if (ms > 0)
		sup_wait(n, ms);
	else
		sup_enter(n, SUP_ST_RETRY);
	if (n->parent->job == JOB_REGROW)
		n->parent->job = JOB_IDLE;
}

/* Start of n failed: what was asked for from outside is answered so, at boot its supervisor's start fails, a restart is tried again. */
void sup_start_failed(struct sup_node *n)
{
	struct sup_node *s = n->parent;

	sup_enter(n, SUP_ST_DOWN);
	if (s == NULL)
		return;
	if (n->fresh) {
		sup_do(n, SUP_DO_REPORT, 0, SUP_DID_REMOVE);
		n->fresh = 0;
		n->gone = 1;
		if (n->dynamic)
			sup_forget(n);
	} else if (n->byhand) {
		sup_do(n, SUP_DO_REPORT, 0, SUP_DID_FAIL_START);
		n->byhand = 0;
		n->held = 1;
	} else if (s->job == JOB_BOOT) {
		sup_do(n, SUP_DO_REPORT, 0, SUP_DID_FAIL_START);
		s->job = JOB_FALL_BOOT;
	} else {
		try_again(n);
	}
	sup_advance(s);
}

#define CELL(fn) { fn, #fn }
#define IGNORE   CELL(sup_ignore)

static const struct sup_cell leaf_table[SUP_ST_COUNT][SUP_EV_COUNT] = {
	[SUP_ST_DOWN]     = { [SUP_EV_START] = CELL(leaf_start),  [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = IGNORE,
	                      [SUP_EV_EXITED] = IGNORE,           [SUP_EV_TIMEOUT] = IGNORE,                 [SUP_EV_STOP] = IGNORE },
	[SUP_ST_STARTING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = CELL(leaf_ready),       [SUP_EV_FAILED] = CELL(sup_start_failed),
	                      [SUP_EV_EXITED] = CELL(sup_start_failed), [SUP_EV_TIMEOUT] = CELL(leaf_hung),  [SUP_EV_STOP] = CELL(leaf_stop) },
	[SUP_ST_ABORTING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = CELL(sup_start_failed),
	                      [SUP_EV_EXITED] = CELL(sup_start_failed), [SUP_EV_TIMEOUT] = IGNORE,           [SUP_EV_STOP] = CELL(leaf_killing) },
	[SUP_ST_UP]       = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = IGNORE,
	                      [SUP_EV_EXITED] = CELL(leaf_died),  [SUP_EV_TIMEOUT] = IGNORE,                 [SUP_EV_STOP] = CELL(leaf_stop) },
	[SUP_ST_STOPPING] = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = CELL(leaf_gone),
	                      [SUP_EV_EXITED] = CELL(leaf_gone),  [SUP_EV_TIMEOUT] = CELL(leaf_insist),      [SUP_EV_STOP] = IGNORE },
	[SUP_ST_KILLING]  = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = CELL(leaf_gone),
	                      [SUP_EV_EXITED] = CELL(leaf_gone),  [SUP_EV_TIMEOUT] = IGNORE,                 [SUP_EV_STOP] = IGNORE },
	[SUP_ST_DEAD]     = { [SUP_EV_START] = CELL(leaf_start),  [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = IGNORE,
	                      [SUP_EV_EXITED] = IGNORE,           [SUP_EV_TIMEOUT] = IGNORE,                 [SUP_EV_STOP] = CELL(sup_drop_claim) },
	[SUP_ST_RETRY]    = { [SUP_EV_START] = CELL(leaf_start),  [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = IGNORE,
	                      [SUP_EV_EXITED] = IGNORE,           [SUP_EV_TIMEOUT] = IGNORE,                 [SUP_EV_STOP] = CELL(sup_drop_claim) },
	[SUP_ST_WAITING]  = { [SUP_EV_START] = IGNORE,            [SUP_EV_READY]   = IGNORE,                 [SUP_EV_FAILED] = IGNORE,
	                      [SUP_EV_EXITED] = IGNORE,           [SUP_EV_TIMEOUT] = CELL(sup_due),          [SUP_EV_STOP] = CELL(sup_drop_claim) },
};

/* ---- commands and events ---------------------------------------------------- */

static const struct sup_cell *cell(enum sup_kind kind, enum sup_state st, enum sup_event ev)
{
	return kind == SUP_SUPERVISOR ? &sup_super_table[st][ev] : &leaf_table[st][ev];
}

const char *sup_cell_name(enum sup_kind kind, enum sup_state st, enum sup_event ev)
{
	return (unsigned)st < SUP_ST_COUNT && (unsigned)ev < SUP_EV_COUNT ? cell(kind, st, ev)->name : NULL;
}

void sup_step(struct sup_node *n, enum sup_event ev)
{
	cell(n->spec.kind, n->state, ev)->fn(n);
}

void sup_begin(struct sup_tree *t, uint64_t now_ms)
{
	free_forgotten(t);
	t->now = now_ms;
}

int sup_start(struct sup_node *n, uint64_t now_ms)
{
	sup_begin(n->tree, now_ms);
	if (n->parent != NULL && n->parent->state != SUP_ST_UP)
		return SSH_E_NOT_NOW;
	/* In the middle of a restart of its siblings it comes up in its turn. */
	if (n->parent == NULL || n->parent->job == JOB_IDLE)
		sup_step(n, SUP_EV_START);
	return SSH_OK;
}

void sup_stop(struct sup_node *n, uint64_t now_ms)
{
	sup_begin(n->tree, now_ms);
	n->removing = n->parent != NULL;
	if (n->state == SUP_ST_DOWN && n->parent != NULL)
		sup_forget(n);
	else
		sup_step(n, SUP_EV_STOP);
}

void sup_event(struct sup_node *n, enum sup_event ev, enum sup_reason reason, uint64_t now_ms)
{
	sup_begin(n->tree, now_ms);
	if (ev == SUP_EV_EXITED)
		n->reason = reason;
	if (ev == SUP_EV_TIMEOUT)
		n->timed = 0;
	if (ev != SUP_EV_START && ev != SUP_EV_STOP)
		sup_step(n, ev);
}
