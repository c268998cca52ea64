#include "ctl/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void row_free(struct ctl_row *row)
{
	for (size_t i = 0; i < row->n; i++) {
		free(row->v[i].name);
		free(row->v[i].text);
	}
	free(row->v);
	free(row->kind);
}

static char *copy(struct view v)
{
	return strndup(v.len > 0 ? (const char *)v.p : "", v.len);
}

static int add_field(struct ctl_row *row, const struct row_field *f)
{
	struct ctl_field *v = realloc(row->v, (row->n + 1) * sizeof *v), *at;

	if (v == NULL)
		return SSH_E_NOMEM;
	row->v = v;
	at = &v[row->n++];
	*at = (struct ctl_field){ .name = copy(f->name), .kind = f->kind, .number = f->number, .text = copy(f->text) };
	return at->name == NULL || at->text == NULL ? SSH_E_NOMEM : SSH_OK;
}

static int read_row(struct ctl_row *row, const struct ipc_CTL_ROW *m)
{
	struct rd in = rd_view(m->fields);
	struct row_field f;
	int more, r;

	if ((row->kind = copy(m->kind)) == NULL)
		return SSH_E_NOMEM;
	while ((more = row_next(&in, &f)) > 0)
		TRY(add_field(row, &f));
	return more;
}

int ctl_rows_add(struct ctl_rows *rows, const struct ipc_CTL_ROW *m)
{
	struct ctl_row row = { 0 };
	int r;

	if (rows->n == rows->room) {
		size_t room = rows->room > 0 ? rows->room * 2 : 16;
		struct ctl_row *v = realloc(rows->v, room * sizeof *v);

		if (v == NULL)
			return SSH_E_NOMEM;
		rows->v = v;
		rows->room = room;
	}
	if ((r = read_row(&row, m)) < 0) {
		row_free(&row);
		return r;
	}
	rows->v[rows->n++] = row;
	return SSH_OK;
}

void ctl_rows_free(struct ctl_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_free(&rows->v[i]);
	free(rows->v);
	memset(rows, 0, sizeof *rows);
}

const struct ctl_field *ctl_field(const struct ctl_row *row, const char *name)
{
	for (size_t i = 0; i < row->n; i++)
		if (strcmp(row->v[i].name, name) == 0)
			return &row->v[i];
	return NULL;
}

int64_t ctl_number(const struct ctl_row *row, const char *name)
{
	const struct ctl_field *f = ctl_field(row, name);

	return f != NULL ? f->number : 0;
}

const char *ctl_text(const struct ctl_row *row, const char *name)
{
	const struct ctl_field *f = ctl_field(row, name);

	return f != NULL ? f->text : "";
}

int ctl_same_shape(const struct ctl_row *a, const struct ctl_row *b)
{
	if (a->n != b->n || strcmp(a->kind, b->kind) != 0)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].name, b->v[i].name) != 0)
			return 0;
	return 1;
}
