#include "ctl/print.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/words.h"

#define CELL_MAX (ROW_BYTES_MAX * 4 + 1)

enum unit { UNIT_NONE, UNIT_MS, UNIT_US, UNIT_BYTES, UNIT_TIME };

static const struct { const char *end; enum unit unit; } units[] = {
	{ "_ms", UNIT_MS }, { "_us", UNIT_US }, { "_bytes", UNIT_BYTES }, { "_time", UNIT_TIME },
};

static enum unit unit_of(const struct ctl_field *f, size_t *name_len)
{
	size_t n = strlen(f->name);

	*name_len = n;
	if (f->kind != ROW_NUMBER)
		return UNIT_NONE;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t k = strlen(units[i].end);

		if (n > k && strcmp(f->name + n - k, units[i].end) == 0) {
			*name_len = n - k;
			return units[i].unit;
		}
	}
	return UNIT_NONE;
}

size_t print_name_length(const struct ctl_field *f)
{
	size_t n;

	unit_of(f, &n);
	return n;
}

const char *print_value(const struct ctl_field *f, int utf8, char *out, size_t size)
{
	char words[WORDS_MAX];
	size_t n;

	if (f->kind == ROW_TEXT)
		return f->text[0] != '\0' ? words_clean(out, size, f->text, utf8) : "-";
	if (f->kind == ROW_BOOL)
		return f->number ? "yes" : "no";
	switch (unit_of(f, &n)) {
	case UNIT_MS:    words_duration(words, f->number); break;
	case UNIT_US:    words_micros(words, f->number); break;
	case UNIT_BYTES: words_size(words, f->number); break;
	case UNIT_TIME:  words_time(words, f->number); break;
	case UNIT_NONE:  snprintf(words, sizeof words, "%" PRId64, f->number); break;
	}
	snprintf(out, size, "%s", words);
	return out;
}

/* ---- a block ---------------------------------------------------------------------------- */

static void put_block(const struct ctl_row *row, const struct print_how *how, char *cell, FILE *f)
{
	size_t wide = 0;

	for (size_t i = 0; i < row->n; i++)
		if (print_name_length(&row->v[i]) > wide)
			wide = print_name_length(&row->v[i]);
	for (size_t i = 0; i < row->n; i++) {
		size_t n = print_name_length(&row->v[i]);

		for (size_t k = 0; k < n; k++)
			putc(row->v[i].name[k] == '_' ? ' ' : row->v[i].name[k], f);
		fprintf(f, ":%*s %s\n", (int)(wide - n), "", print_value(&row->v[i], how->utf8, cell, CELL_MAX));
	}
}

void print_line(const struct ctl_row *row, int utf8, FILE *f)
{
	char *cell = malloc(CELL_MAX);

	for (size_t i = 0; cell != NULL && i < row->n; i++)
		fprintf(f, "%s%.*s=%s", i > 0 ? " " : "", (int)print_name_length(&row->v[i]), row->v[i].name,
		    print_value(&row->v[i], utf8, cell, CELL_MAX));
	putc('\n', f);
	free(cell);
}

/* ---- a table ---------------------------------------------------------------------------- */

struct column { size_t width; int right; };

static void measure(const struct ctl_row *rows, size_t n, const struct print_how *how, char *cell, struct column *columns)
{
	for (size_t c = 0; c < rows[0].n; c++) {
		columns[c].width = print_name_length(&rows[0].v[c]);
		columns[c].right = rows[0].v[c].kind == ROW_NUMBER;
		for (size_t i = 0; i < n; i++) {
			size_t w = words_width(print_value(&rows[i].v[c], how->utf8, cell, CELL_MAX));

			if (w > columns[c].width)
				columns[c].width = w;
		}
	}
}

struct line { FILE *f; size_t width, used; };

static void put(struct line *l, const char *text)
{
	size_t w = words_width(text), n = strlen(text);

	if (l->width > 0 && l->used + w > l->width) {
		n = words_fit(text, l->width > l->used ? l->width - l->used : 0);
		w = l->width - l->used;
	}
	fwrite(text, 1, n, l->f);
	l->used += w;
}

static void put_cell(struct line *l, const struct column *c, const char *text, int last)
{
	char blanks[64];
	size_t w = words_width(text), fill = c->width > w ? c->width - w : 0;

	if (fill >= sizeof blanks)
		fill = sizeof blanks - 1;
	memset(blanks, ' ', fill);
	blanks[fill] = '\0';
	if (c->right)
		put(l, blanks);
	put(l, text);
	if (!c->right && !last)
		put(l, blanks);
	if (!last)
		put(l, "  ");
}

static void put_table(const struct ctl_row *rows, size_t n, const struct print_how *how, char *cell, FILE *f)
{
	struct column columns[PRINT_COLUMNS];
	struct line head = { f, how->width, 0 };

	measure(rows, n, how, cell, columns);
	for (size_t c = 0; c < rows[0].n; c++) {
		size_t k = print_name_length(&rows[0].v[c]);

		for (size_t i = 0; i < k; i++)
			cell[i] = (char)(rows[0].v[c].name[i] == '_' ? '-' : toupper((unsigned char)rows[0].v[c].name[i]));
		cell[k] = '\0';
		put_cell(&head, &columns[c], cell, c + 1 == rows[0].n);
	}
	putc('\n', f);
	for (size_t i = 0; i < n; i++) {
		struct line line = { f, how->width, 0 };

		for (size_t c = 0; c < rows[i].n; c++)
			put_cell(&line, &columns[c], print_value(&rows[i].v[c], how->utf8, cell, CELL_MAX), c + 1 == rows[i].n);
		putc('\n', f);
	}
}

void print_text(const struct ctl_rows *rows, const struct print_how *how, FILE *f)
{
	char *cell = malloc(CELL_MAX);

	for (size_t at = 0, n; cell != NULL && at < rows->n; at += n) {
		const struct ctl_row *row = &rows->v[at];

		for (n = 1; at + n < rows->n && ctl_same_shape(row, row + n); n++)
			;
		if (at > 0)
			putc('\n', f);
		if (row->n > 0 && row->n <= PRINT_COLUMNS && (n > 1 || how->list || at > 0)) {
			put_table(row, n, how, cell, f);
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				putc('\n', f);
			put_block(row + i, how, cell, f);
		}
	}
	free(cell);
}

/* ---- JSON ------------------------------------------------------------------------------- */

void print_row_json(const struct ctl_row *row, FILE *f)
{
	fputs("{\"kind\":", f);
	words_json(f, row->kind);
	for (size_t i = 0; i < row->n; i++) {
		const struct ctl_field *v = &row->v[i];

		putc(',', f);
		words_json(f, v->name);
		putc(':', f);
		if (v->kind == ROW_NUMBER)
			fprintf(f, "%" PRId64, v->number);
		else if (v->kind == ROW_BOOL)
			fputs(v->number ? "true" : "false", f);
		else
			words_json(f, v->text);
	}
	putc('}', f);
}

void print_json(const struct ctl_rows *rows, FILE *f)
{
	putc('[', f);
	for (size_t i = 0; i < rows->n; i++) {
		fputs(i > 0 ? ",\n" : "\n", f);
		print_row_json(&rows->v[i], f);
	}
	fputs(rows->n > 0 ? "\n]\n" : "]\n", f);
}
