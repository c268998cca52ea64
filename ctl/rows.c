#include "ctl/rows.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "ctl/tree.h"
#include "ipc/row.h"

/* A C string of at most size - 1 bytes; a NUL inside ends it. */
static const char *as_text(char *out, size_t size, struct view v)
{
	size_t n = v.len < size - 1 ? v.len : size - 1;

	if (n > 0)
		memcpy(out, v.p, n);
	out[n] = '\0';
	return out;
}

static void put_value(const struct row_field *f, int json, FILE *out)
{
	static char text[ROW_BYTES_MAX + 1];

	switch (f->kind) {
	case ROW_NUMBER:
		fprintf(out, "%" PRId64, f->number);
		break;
	case ROW_BOOL:
		fputs(json ? f->number ? "true" : "false" : f->number ? "yes" : "no", out);
		break;
	case ROW_TEXT:
		as_text(text, sizeof text, f->text);
		if (json || text[0] == '\0' || strpbrk(text, " \"") != NULL)
			ctl_json_string(out, text);
		else
			fputs(text, out);
		break;
	}
}

static int put(const struct ipc_CTL_ROW *m, int json, FILE *out)
{
	struct rd r = rd_view(m->fields);
	char name[ROW_NAME_MAX + 1];
	struct row_field f;
	int more;

	as_text(name, sizeof name, m->kind);
	if (json) {
		fputs("{\"kind\":", out);
		ctl_json_string(out, name);
	} else {
		fputs(name, out);
	}
	while ((more = row_next(&r, &f)) > 0) {
		as_text(name, sizeof name, f.name);
		if (json) {
			putc(',', out);
			ctl_json_string(out, name);
			putc(':', out);
		} else {
			fprintf(out, " %s=", name);
		}
		put_value(&f, json, out);
	}
	fputs(json ? "}" : "\n", out);
	return more;
}

int ctl_row_text(const struct ipc_CTL_ROW *m, FILE *f)
{
	return put(m, 0, f);
}

int ctl_row_json(const struct ipc_CTL_ROW *m, FILE *f)
{
	return put(m, 1, f);
}
