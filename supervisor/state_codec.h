#ifndef SUPERVISOR_STATE_CODEC_H
#define SUPERVISOR_STATE_CODEC_H
#include "ipc/codec.h"
#include "supervisor/version.h"

/* state_codec - the records of state.def as structs and bytes. Nothing here does I/O. */

struct buf;

enum state_kind {
	STATE_NONE = 0,
#define SAVED(no, name, fields_, doc_) STATE_##name = (no),
#include "supervisor/state.def"
#undef SAVED
};

#include "ipc/words_struct.def"
#define LATER(f, ...) __VA_ARGS__
#define SAVED(no, name, fields_, doc_) struct saved_##name { fields_ };
#include "supervisor/state.def"
#undef SAVED
#undef LATER
#include "ipc/words_end.def"

struct saved {
	enum state_kind kind;
	uint64_t id;
	union {
#define SAVED(no, name, fields_, doc_) struct saved_##name name;
#include "supervisor/state.def"
#undef SAVED
	} u;
};

/* Is there such a row in that format? */
int state_knows(enum state_kind, unsigned format);
/* Appends the record's value in that format. SSH_OK; SSH_E_FULL: a field is over its maximum; SSH_E_RULE: no such kind or format. */
int state_encode(struct buf *, unsigned format, const struct saved *);
/* SSH_OK or SSH_E_FORMAT; s->kind and s->id are set by the caller. Views point into p. */
int state_decode(struct saved *, unsigned format, struct view);
/*
 * Which of its formats a writer takes for a reader that reads from oldest to newest: the newest both know, 0 when there is
 * none.
 */
unsigned state_format_for(unsigned oldest, unsigned newest);

#endif
