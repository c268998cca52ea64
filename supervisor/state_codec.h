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

#define U8(n)       uint8_t n;
#define U32(n)      uint32_t n;
#define U64(n)      uint64_t n;
#define I32(n)      int32_t n;
#define STR(n, x)   struct view n;
#define BYTES(n, x) struct view n;
#define ADDR(n)     struct addr n;
#define LATER(f, ...) __VA_ARGS__
#define SAVED(no, name, fields_, doc_) struct saved_##name { fields_ };
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
