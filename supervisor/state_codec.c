#include "supervisor/state_codec.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* Format 3 exists in test builds only: it must be as unreadable to the others as a real one would be. */
#define LEAD_3 0xc3u
#define KINDS_OF_1 10u		/* rows of format 1 */

#define LATER(f, ...) if (format >= (f)) { __VA_ARGS__ }
#include "ipc/words_put.def"
#define SAVED(no, name, fields_, doc_) static void put_##name(struct wr *w, const struct saved_##name *m, unsigned format) { (void)format; fields_ }
#include "supervisor/state.def"
#undef SAVED
#include "ipc/words_end.def"

#include "ipc/words_get.def"
#define SAVED(no, name, fields_, doc_) static void get_##name(struct rd *r, struct saved_##name *m, unsigned format) { (void)format; fields_ }
#include "supervisor/state.def"
#undef SAVED
#undef LATER
#include "ipc/words_end.def"

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
