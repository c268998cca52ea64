#ifndef BASE_WIRE_H
#define BASE_WIRE_H
#include <stddef.h>
#include <stdint.h>

/*
 * wire - the only integer decoding in the tree (RFC 4251 5): a reader and a writer whose
 * errors stick, so that a parser reads straight on and asks once at the end.
 */

struct buf;

/* Bytes that belong to somebody else. */
struct view { const uint8_t *p; size_t len; };

static inline struct view view_of(const void *p, size_t n) { return (struct view){ p, n }; }
struct view view_str(const char *s);		/* without the NUL; NULL gives an empty view */
int view_is(struct view, const char *s);	/* same bytes as the C string */
int view_same(struct view, struct view);

struct rd { const uint8_t *p, *end; int bad; };

static inline struct rd rd_of(const void *p, size_t n)
{
	/* C has no NULL + 0; clang's UBSan says so */
	return (struct rd){ p, n > 0 ? (const uint8_t *)p + n : p, 0 };
}
static inline struct rd rd_view(struct view v) { return rd_of(v.p, v.len); }
static inline size_t rd_left(const struct rd *r) { return r->bad ? 0 : (size_t)(r->end - r->p); }

/* After an error every read gives 0 or an empty view. */
uint8_t  rd_u8(struct rd *);
int      rd_bool(struct rd *);			/* any value but 0 is 1 (RFC 4251 5) */
uint16_t rd_u16(struct rd *);
uint32_t rd_u32(struct rd *);
uint64_t rd_u64(struct rd *);
struct view rd_raw(struct rd *, size_t n);	/* exactly n bytes */
struct view rd_string(struct rd *, size_t max);	/* uint32 length and that many bytes, at most max */
struct view rd_rest(struct rd *);
/* A non-negative mpint, canonical, without its leading zero byte; negative is an error. */
struct view rd_mpint(struct rd *, size_t max);
/* SSH_OK, or SSH_E_FORMAT when anything was short, too long, or left over. Ask exactly once, last. */
int rd_done(const struct rd *) __attribute__((warn_unused_result));

struct wr { struct buf *b; int error; };

static inline struct wr wr_to(struct buf *b) { return (struct wr){ b, 0 }; }
void wr_u8(struct wr *, uint8_t);
void wr_bool(struct wr *, int);
void wr_u16(struct wr *, uint16_t);
void wr_u32(struct wr *, uint32_t);
void wr_u64(struct wr *, uint64_t);
void wr_raw(struct wr *, const void *p, size_t n);
void wr_string(struct wr *, const void *p, size_t n);
void wr_view(struct wr *, struct view);		/* as a string */
void wr_cstr(struct wr *, const char *);	/* as a string, without the NUL */
/* The n bytes at p, big-endian unsigned, as a canonical mpint (RFC 4251 5). */
void wr_mpint(struct wr *, const uint8_t *p, size_t n);
/* A string whose length is known later: end(begin()) wraps what was written in between. */
size_t wr_string_begin(struct wr *);
void   wr_string_end(struct wr *, size_t mark);
/* SSH_OK or the first error (SSH_E_FULL, SSH_E_NOMEM). */
int wr_done(const struct wr *) __attribute__((warn_unused_result));

/* For bytes already in hand. */
static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}

#endif
