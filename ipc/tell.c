#include "ipc/tell.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

static const struct { const char *name, *id; } table[] = {
#define HAPPENS(number, NAME, name, id, meaning) [number] = { name, id },
#include "ipc/events.def"
#undef HAPPENS
};

const char *happening_name(unsigned kind)
{
	return kind < sizeof table / sizeof table[0] ? table[kind].name : NULL;
}

const char *happening_id(unsigned kind)
{
	return happening_name(kind) != NULL ? table[kind].id : "";
}

int tell_fields(struct buf *b, const struct tell *t)
{
	struct wr w = wr_to(b);

	for (; t != NULL && t->name != NULL; t++)
		switch (t->kind) {
		case ROW_TEXT:
			row_text(&w, t->name, t->text);
			break;
		case ROW_NUMBER:
			row_number(&w, t->name, t->number);
			break;
		case ROW_BOOL:
			row_bool(&w, t->name, t->number != 0);
			break;
		}
	return wr_done(&w);
}

int tell_encode(struct buf *out, enum ipc_role role, uint64_t node, enum happening kind, enum log_level level, const char *line,
    const struct tell *fields, struct view box)
{
	struct ipc_EVENT m = { .role = (uint8_t)role, .node = node, .level = (uint8_t)level, .kind = (uint8_t)kind, .line = view_str(line),
		.box = box };
	struct buf b;
	int r;

	buf_init(&b, TELL_FIELDS_MAX, NULL);
	if ((r = tell_fields(&b, fields)) == SSH_OK) {
		m.fields = view_of(b.v != NULL ? buf_head(&b) : (const uint8_t *)"", buf_len(&b));
		if (box.p == NULL)
			m.box = view_of("", 0);
		r = ipc_encode(out, IPC_EVENT, &m);
	}
	buf_drop(&b);
	return r;
}
