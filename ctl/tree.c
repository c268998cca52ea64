#include "ctl/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/words.h"

/* The words of supervisor/tree.h, by number: they travel as numbers in CTL_NODE. */
static const char *const strategies[] = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one" };
static const char *const restarts[] = { "permanent", "transient", "temporary" };
static const char *const states[] = { "down", "starting", "aborting", "up", "stopping", "killing", "dead", "retry", "throttled" };

#define WORD(table, i) ((i) < sizeof(table) / sizeof(table)[0] ? (table)[i] : "unknown")

static void copy(char *to, size_t size, struct view v)
{
	size_t n = v.len < size - 1 ? v.len : size - 1;

	if (n > 0)
		memcpy(to, v.p, n);
	to[n] = '\0';
}

int ctl_tree_add(struct ctl_tree *t, const struct ipc_CTL_NODE *m)
{
	struct ctl_node *n;

	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 32;
		struct ctl_node *v = realloc(t->v, room * sizeof *v);

		if (v == NULL)
			return SSH_E_NOMEM;
		t->v = v;
		t->room = room;
	}
	n = &t->v[t->n++];
	*n = (struct ctl_node){ .node = m->node, .parent = m->parent, .kind = m->kind, .strategy = m->strategy,
		.restart = m->restart, .state = m->state, .pid = m->pid, .restarts = m->restarts,
		.intensity = m->intensity, .period_s = m->period_s, .up_ms = m->up_ms, .peer = m->peer };
	copy(n->name, sizeof n->name, m->name);
	copy(n->last_exit, sizeof n->last_exit, m->last_exit);
	copy(n->user, sizeof n->user, m->user);
	return SSH_OK;
}

void ctl_tree_free(struct ctl_tree *t)
{
	free(t->v);
	memset(t, 0, sizeof *t);
}

/* ---- text ------------------------------------------------------------------------ */

static int last_of_its_parent(const struct ctl_tree *t, size_t at)
{
	for (size_t i = at + 1; i < t->n; i++)
		if (t->v[i].parent == t->v[at].parent)
			return 0;
	return 1;
}

static size_t parent_of(const struct ctl_tree *t, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (t->v[i].node == t->v[at].parent)
			return i;
	return at;
}

/* The branches to the left of a node, outermost first. A node whose parent never came stands at the left edge. */
static size_t branches(const struct ctl_tree *t, size_t at, FILE *f)
{
	size_t up = parent_of(t, at), depth;

	if (up == at)
		return 0;
	if (parent_of(t, up) == up)
		return 1;
	depth = branches(t, up, f);
	fputs(last_of_its_parent(t, up) ? "  " : t->ascii ? "| " : "│ ", f);
	return depth + 1;
}

static void put_text(const struct ctl_node *n, int root, FILE *f)
{
	char text[ADDR_TEXT_MAX], time[WORDS_MAX];

	if (n->pid > 0)
		fprintf(f, "  pid %u", n->pid);
	if (n->kind == 0)
		fprintf(f, "  %s %u/%us", WORD(strategies, n->strategy), n->intensity, n->period_s);
	if (strcmp(WORD(states, n->state), "up") != 0)
		fprintf(f, "  %s", WORD(states, n->state));
	else if (n->kind == 1 || root || n->user[0] != '\0') {
		fprintf(f, "  up %s", n->up_ms < 1000 ? "0s" : words_duration(time, (int64_t)n->up_ms));
	}
	if (n->user[0] != '\0')
		fprintf(f, "  %s@%s", n->user, addr_text(&n->peer, text));
	else if (n->peer.family != ADDR_NONE)
		fprintf(f, "  %s", addr_text(&n->peer, text));
	if (n->restarts > 0)
		fprintf(f, "  restarts %u", n->restarts);
	if (n->last_exit[0] != '\0')
		fprintf(f, "  last: %s", n->last_exit);
	putc('\n', f);
}

void ctl_tree_label(const struct ctl_tree *t, size_t at, FILE *f)
{
	if (parent_of(t, at) != at) {
		branches(t, at, f);
		fputs(last_of_its_parent(t, at) ? t->ascii ? "`-" : "└ " : t->ascii ? "|-" : "├ ", f);
	}
	fputs(t->v[at].name, f);
}

const char *ctl_tree_state(const struct ctl_node *n)
{
	return WORD(states, n->state);
}

void ctl_tree_text(const struct ctl_tree *t, FILE *f)
{
	for (size_t i = 0; i < t->n; i++) {
		ctl_tree_label(t, i, f);
		put_text(&t->v[i], parent_of(t, i) == i, f);
	}
}

/* ---- JSON ------------------------------------------------------------------------ */

static void member(FILE *f, const char *name, const char *value)
{
	fprintf(f, ",\"%s\":", name);
	words_json(f, value);
}

static void put_json(const struct ctl_node *n, FILE *f)
{
	char text[ADDR_TEXT_MAX];

	fprintf(f, "{\"id\":%llu,\"parent\":", (unsigned long long)n->node);
	if (n->parent != 0)
		fprintf(f, "%llu", (unsigned long long)n->parent);
	else
		fputs("null", f);
	member(f, "name", n->name);
	member(f, "kind", n->kind == 0 ? "supervisor" : "worker");
	if (n->kind == 0) {
		member(f, "strategy", WORD(strategies, n->strategy));
		fprintf(f, ",\"intensity\":%u,\"period\":%u", n->intensity, n->period_s);
	}
	member(f, "restart", WORD(restarts, n->restart));
	member(f, "state", WORD(states, n->state));
	if (n->pid > 0)
		fprintf(f, ",\"pid\":%u", n->pid);
	else
		fputs(",\"pid\":null", f);
	fprintf(f, ",\"uptime_ms\":%llu,\"restarts\":%u,\"last_exit\":", (unsigned long long)n->up_ms, n->restarts);
	if (n->last_exit[0] != '\0')
		words_json(f, n->last_exit);
	else
		fputs("null", f);
	if (n->user[0] != '\0')
		member(f, "user", n->user);
	if (n->peer.family != ADDR_NONE)
		member(f, "peer", addr_text(&n->peer, text));
	putc('}', f);
}

void ctl_tree_json(const struct ctl_tree *t, FILE *f)
{
	fputs("{\"nodes\":[", f);
	for (size_t i = 0; i < t->n; i++) {
		if (i > 0)
			putc(',', f);
		putc('\n', f);
		put_json(&t->v[i], f);
	}
	fputs("\n]}\n", f);
}
