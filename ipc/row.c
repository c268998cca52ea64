#include "ipc/row.h"

#include <string.h>

#include "base/err.h"

static void field(struct wr *w, enum row_kind kind, const char *name)
{
	wr_u8(w, (uint8_t)kind);
	wr_cstr(w, name);
}

void row_view(struct wr *w, const char *name, struct view value)
{
	field(w, ROW_TEXT, name);
	wr_view(w, value);
}

void row_text(struct wr *w, const char *name, const char *value)
{
	row_view(w, name, view_str(value));
}

void row_number(struct wr *w, const char *name, int64_t value)
{
	field(w, ROW_NUMBER, name);
	wr_u64(w, (uint64_t)value);
}

void row_bool(struct wr *w, const char *name, int value)
{
	field(w, ROW_BOOL, name);
	wr_bool(w, value != 0);
}

int row_next(struct rd *r, struct row_field *f)
{
	memset(f, 0, sizeof *f);
	if (rd_left(r) == 0)
		return r->bad ? SSH_E_FORMAT : 0;
	f->kind = (enum row_kind)rd_u8(r);
	f->name = rd_string(r, ROW_NAME_MAX);
	switch (f->kind) {
	case ROW_TEXT:
		f->text = rd_string(r, ROW_BYTES_MAX);
		break;
	case ROW_NUMBER:
		f->number = (int64_t)rd_u64(r);
		break;
	case ROW_BOOL:
		f->number = rd_bool(r);
		break;
	default:
		return SSH_E_FORMAT;
	}
	return r->bad || f->name.len == 0 ? SSH_E_FORMAT : 1;
}
