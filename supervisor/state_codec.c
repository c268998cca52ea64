#include "supervisor/state_codec.h"

#include "base/buf.h"
#include "base/err.h"

/* Format 2 exists in test builds only: it must be as unreadable to format 1 as a real one would be. */
#define LEAD_2 0xc2u

#include "ipc/words_put.def"
#define SAVED(no, name, fields_, doc_) static void put_##name(struct wr *w, const struct saved_##name *m) { fields_ }
#include "supervisor/state.def"
#undef SAVED
#include "ipc/words_end.def"

#include "ipc/words_get.def"
#define SAVED(no, name, fields_, doc_) static void get_##name(struct rd *r, struct saved_##name *m) { fields_ }
#include "supervisor/state.def"
#undef SAVED
#include "ipc/words_end.def"

int state_encode(struct buf *b, unsigned format, const struct saved *s)
{
	struct wr w = wr_to(b);

	if (format < program_version.oldest || format > program_version.format)
		return SSH_E_RULE;
	if (format >= 2)
		wr_u8(&w, LEAD_2);
	switch (s->kind) {
	case STATE_NONE:
		return SSH_E_RULE;
#define SAVED(no, name, fields_, doc_) case STATE_##name: put_##name(&w, &s->u.name); break;
#include "supervisor/state.def"
#undef SAVED
	}
	return wr_done(&w);
}

int state_decode(struct saved *s, unsigned format, struct view v)
{
	struct rd r = rd_view(v);

	if (format < program_version.oldest || format > program_version.format || (format >= 2 && rd_u8(&r) != LEAD_2))
		return SSH_E_FORMAT;
	switch (s->kind) {
	case STATE_NONE:
		return SSH_E_FORMAT;
#define SAVED(no, name, fields_, doc_) case STATE_##name: get_##name(&r, &s->u.name); break;
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
