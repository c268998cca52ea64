#include "supervisor/state_codec.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* Format 3 exists in test builds only: it must be as unreadable to the others as a real one would be. */
#define LEAD_3 0xc3u
#define KINDS_OF_1 10u		/* rows of format 1 */

static void put_view(struct wr *w, struct view v, size_t max)
{
	if (v.len > max)
		w->error = SSH_E_FULL;
	else
		wr_view(w, v);
}

static struct view get_text(struct rd *r, size_t max)
{
	struct view v = rd_string(r, max);

	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] == '\0')
			r->bad = 1;
	return v;
}

#define U8(n)       wr_u8(w, m->n);
#define U32(n)      wr_u32(w, m->n);
#define U64(n)      wr_u64(w, m->n);
#define I32(n)      wr_u32(w, (uint32_t)m->n);
#define STR(n, x)   put_view(w, m->n, x);
#define BYTES(n, x) put_view(w, m->n, x);
#define ADDR(n)     ipc_put_addr(w, &m->n);
#define LATER(f, ...) if (format >= (f)) { __VA_ARGS__ }
#define SAVED(no, name, fields_, doc_) static void put_##name(struct wr *w, const struct saved_##name *m, unsigned format) { (void)format; fields_ }
#include "supervisor/state.def"
#undef SAVED
#undef U8
#undef U32
#undef U64
#undef I32
#undef STR
#undef BYTES
#undef ADDR
#undef LATER

#define U8(n)       m->n = rd_u8(r);
#define U32(n)      m->n = rd_u32(r);
#define U64(n)      m->n = rd_u64(r);
#define I32(n)      m->n = (int32_t)rd_u32(r);
#define STR(n, x)   m->n = get_text(r, x);
#define BYTES(n, x) m->n = rd_string(r, x);
#define ADDR(n)     m->n = ipc_get_addr(r);
#define LATER(f, ...) if (format >= (f)) { __VA_ARGS__ }
#define SAVED(no, name, fields_, doc_) static void get_##name(struct rd *r, struct saved_##name *m, unsigned format) { (void)format; fields_ }
#include "supervisor/state.def"
#undef SAVED

int state_knows(enum state_kind kind, unsigned format)
{
	return format >= 2 || (unsigned)kind <= KINDS_OF_1;
}

int state_encode(struct buf *b, unsigned format, const struct saved *s)
{
	struct wr w = wr_to(b);

	if (format < program_version.oldest || format > program_version.format)
		return SSH_E_RULE;
	if (format >= 3)
		wr_u8(&w, LEAD_3);
	switch (s->kind) {
	case STATE_NONE:
		return SSH_E_RULE;
#define SAVED(no, name, fields_, doc_) case STATE_##name: put_##name(&w, &s->u.name, format); break;
#include "supervisor/state.def"
#undef SAVED
	}
	return wr_done(&w);
}

int state_decode(struct saved *s, unsigned format, struct view v)
{
	struct rd r = rd_view(v);

	if (format < program_version.oldest || format > program_version.format || (format >= 3 && rd_u8(&r) != LEAD_3))
		return SSH_E_FORMAT;
	if (!state_knows(s->kind, format))
		return SSH_E_FORMAT;
	memset(&s->u, 0, sizeof s->u);
	switch (s->kind) {
	case STATE_NONE:
		return SSH_E_FORMAT;
#define SAVED(no, name, fields_, doc_) case STATE_##name: get_##name(&r, &s->u.name, format); break;
#include "supervisor/state.def"
#undef SAVED
	default:
		return SSH_E_FORMAT;
	}
	return rd_done(&r);
}

unsigned state_format_for(unsigned oldest, unsigned newest)
{
	unsigned top = newest < program_version.format ? newest : program_version.format;

	return top >= oldest && top >= program_version.oldest ? top : 0;
}
