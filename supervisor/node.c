#include "supervisor/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/effects.h"

struct search {
	const char *text;
	size_t len;
	int deleted;
	struct kid *whole, *end;	/* found by its whole path; by the end of one */
	struct kid *other;		/* a second one with that end */
};

static void look(struct search *s, const struct sup_node *n)
{
	struct kid *k = n->ctx;
	size_t name = k != NULL ? strlen(k->name) : 0, len;
	char path[400];

	if (n->gone && !s->deleted)
		return;
	/* The path only where its end fits: there may be thousands of sessions. */
	if (k != NULL && n->parent != NULL && name <= s->len && strcmp(s->text + s->len - name, k->name) == 0) {
		fx_path(k, path, sizeof path);
		len = strlen(path);
		if (strcmp(path, s->text) == 0)
			s->whole = k;
		else if (len > s->len && path[len - s->len - 1] == '/' && strcmp(path + len - s->len, s->text) == 0)
			*(s->end == NULL ? &s->end : &s->other) = k;
	}
	LIST_EACH(l, &n->children)
		look(s, LIST_OF(l, struct sup_node, link));
}

static struct kid *by_number(struct daemon *d, const char *text, int deleted)
{
	char *end;
	struct sup_node *n = sup_find(d->tree, strtoull(text, &end, 10));

	return *end == '\0' && n != NULL && (!n->gone || deleted) ? n->ctx : NULL;
}

struct kid *node_find(struct daemon *d, struct view v, int deleted, char *why, size_t size)
{
	char text[400], one[400], two[400];
	struct search s = { .text = text, .len = v.len, .deleted = deleted };
	struct kid *root = sup_root(d->tree)->ctx;

	why[0] = '\0';
	if (v.len >= sizeof text || (v.len > 0 && memchr(v.p, '\0', v.len) != NULL)) {
		snprintf(why, size, "not_found: no node has such a long name");
		return NULL;
	}
	if (v.len > 0)
		memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	if (v.len == 0 || strcmp(text, "root") == 0 || strcmp(text, root->name) == 0)
		return root;
	if (text[0] >= '0' && text[0] <= '9') {
		struct kid *k = by_number(d, text, deleted);

		if (k != NULL)
			return k;
	}
	look(&s, sup_root(d->tree));
	if (s.whole != NULL)
		return s.whole;
	if (s.other != NULL)
		snprintf(why, size, "'%s' is more than one node, %s and %s are two of them", text, fx_path(s.end, one, sizeof one),
		    fx_path(s.other, two, sizeof two));
	else if (s.end == NULL)
		snprintf(why, size, "not_found: there is no node '%s'; coppicectl tree shows them", text);
	return s.other == NULL ? s.end : NULL;
}
