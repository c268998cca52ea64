/* resolve - the values that hold for one client, and the part of the text one process may see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "conf/algs.h"
#include "conf/conf.h"
#include "conf/match.h"
#include "conf/value.h"

/* Which blocks hold; a parent stands before its children. NULL: out of memory. */
static unsigned char *test_blocks(const struct conf *c, const struct conf_client *client)
{
	unsigned char *on = calloc(c->blocks, 1);

	if (on == NULL)
		return NULL;
	on[0] = 1;
	for (size_t i = 1; i < c->blocks; i++)
		on[i] = on[c->block[i].parent] && match_holds(&c->block[i], client);
	return on;
}

enum { UNSET, BY_BLOCK, BY_GLOBAL };

/* One line, unless its keyword has its value already. */
static int apply(const struct line *l, struct conf_values *v, unsigned char *set, unsigned char by)
{
	const struct keyword *k = l->key;
	char why[200];
	int r;

	if (set[k->key] != UNSET && !(keyword_appends(k) && (set[k->key] == by || keyword_form(k) == FORM_NAMED)))
		return SSH_OK;
	TRY(value_set(k, v, &l->words, l->text, why, sizeof why));
	set[k->key] = by;
	return SSH_OK;
}

/* sftp is served unless the file says `Subsystem sftp none`. */
static int finish_subsystems(struct conf_values *v)
{
	struct conf_list *l = &v->Subsystem;
	const struct keyword *k = keyword_at(KEY_Subsystem);
	char why[200], name[] = "sftp", *sftp = name;
	size_t kept = 0;
	int r;

	TRY(value_set(k, v, &(struct words){ &sftp, 1 }, "internal-sftp", why, sizeof why));
	for (size_t i = 0; i < l->n; i++) {
		const char *command = strchr(l->v[i], ' ');

		if (strcmp(command, " none") == 0)
			free(l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	return SSH_OK;
}

int conf_sets(const struct conf *c, const char *keyword)
{
	for (size_t i = 0; i < c->lines; i++)
		if (c->line[i].block == 0 && strcasecmp(c->line[i].key->name, keyword) == 0)
			return 1;
	return 0;
}

/* A direction without a line of its own is as both are. */
static int finish_direction(const struct keyword *k, struct conf_values *v)
{
	const struct keyword *both = keyword_at(algs_both(k->key));
	char *list = *(char **)((char *)v + both->offset), why[200];

	return value_set(k, v, &(struct words){ &list, 1 }, NULL, why, sizeof why);
}

static int fill(const struct conf *c, const unsigned char *on, struct conf_values *v)
{
	unsigned char set[KEY_COUNT] = { UNSET };
	const struct keyword *k;
	int r;

	for (size_t i = 0; i < c->lines; i++)
		if (c->line[i].block != 0 && on[c->line[i].block])
			TRY(apply(&c->line[i], v, set, BY_BLOCK));
	for (size_t i = 0; i < c->lines; i++)
		if (c->line[i].block == 0)
			TRY(apply(&c->line[i], v, set, BY_GLOBAL));
	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		if (set[k->key] == UNSET)
			TRY(value_default(k, v));
	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		if (set[k->key] == UNSET && algs_both(k->key) != KEY_COUNT)
			TRY(finish_direction(k, v));
	return finish_subsystems(v);
}

int conf_resolve(const struct conf *c, const struct conf_client *client, struct conf_values **values,
    struct conf_error *e)
{
	unsigned char *on = test_blocks(c, client);
	struct conf_values *v = calloc(1, sizeof *v);
	int r = on != NULL && v != NULL ? fill(c, on, v) : SSH_E_NOMEM;

	free(on);
	if (r < 0) {
		conf_values_free(v);
		if (e != NULL)
			snprintf(e->text, sizeof e->text, "%s", err_text(r));
		return r;
	}
	*values = v;
	return SSH_OK;
}

int conf_is_for_all(const struct conf *c)
{
	return c->blocks <= 1;
}

void conf_values_free(struct conf_values *v)
{
	const struct keyword *k;

	if (v == NULL)
		return;
	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		value_drop(k, v);
	free(v);
}

static int write_line(const struct line *l, struct buf *b)
{
	int r;

	TRY(buf_append(b, l->key->name, strlen(l->key->name)));
	for (size_t i = 0; i < (l->text != NULL ? keyword_form(l->key) == FORM_NAMED : l->words.n); i++) {
		TRY(buf_append(b, " ", 1));
		TRY(words_quote(b, l->words.v[i]));
	}
	if (l->text != NULL) {
		/* Right behind the keyword one = would be taken for the one between keyword and value. */
		TRY(buf_append(b, " = ", keyword_form(l->key) == FORM_TEXT && l->text[0] == '=' ? 3 : 1));
		TRY(buf_append(b, l->text, strlen(l->text)));
	}
	return buf_append(b, "\n", 1);
}

/* Global lines first, because text cannot come back to the global section behind a Match. */
static int write_global(const struct conf *c, size_t from, unsigned readers, struct buf *b)
{
	int r;

	for (size_t i = from; i < c->lines; i++)
		if (c->line[i].block == 0 && (c->line[i].key->readers & readers) != 0)
			TRY(write_line(&c->line[i], b));
	return SSH_OK;
}

static int write_blocks(const struct conf *c, unsigned readers, struct buf *b)
{
	size_t block = 0;
	int r;

	for (size_t i = 0; i < c->lines; i++) {
		const struct line *l = &c->line[i];

		if (l->block == 0 || (l->key->readers & readers) == 0)
			continue;
		if (l->block != block)
			TRY(match_write(c, block = l->block, b));
		TRY(write_line(l, b));
	}
	return SSH_OK;
}

int conf_slice(const struct conf *c, enum conf_reader reader, struct buf *b)
{
	int r;

	TRY(write_global(c, 0, reader, b));
	return write_blocks(c, reader, b);
}

int conf_flat(const struct conf *c, struct buf *b)
{
	int r;

	TRY(write_global(c, c->options, ~0u, b));
	return write_blocks(c, ~0u, b);
}

int conf_same_blocks(const struct conf *x, const struct conf *y)
{
	struct buf a, b;
	int same;

	buf_init(&a, CONF_FILE_MAX * 2, NULL);
	buf_init(&b, CONF_FILE_MAX * 2, NULL);
	same = write_blocks(x, ~0u, &a) == SSH_OK && write_blocks(y, ~0u, &b) == SSH_OK && buf_len(&a) == buf_len(&b)
	    && (buf_len(&a) == 0 || memcmp(buf_head(&a), buf_head(&b), buf_len(&a)) == 0);
	buf_drop(&a);
	buf_drop(&b);
	return same;
}
