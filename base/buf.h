#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stddef.h>
#include <stdint.h>

/* buf - a growable byte queue with a hard cap: written at the tail, read at the head. */

struct mem;

struct buf {
	uint8_t *v;		/* storage; bytes [head, tail) are queued */
	size_t head, tail, size;
	size_t max;		/* the queue never holds more than this */
	const struct mem *mem;
};

/* Empty, holds no memory yet. max: hard cap in bytes. mem: NULL for the heap. */
void buf_init(struct buf *, size_t max, const struct mem *mem);
/* Wipes and frees the storage; the buf is as after buf_init(). */
void buf_drop(struct buf *);

static inline size_t buf_len(const struct buf *b) { return b->tail - b->head; }
static inline uint8_t *buf_head(const struct buf *b) { return b->head > 0 ? b->v + b->head : b->v; }

/*
 * Room for n more bytes at the tail, contiguous; borrowed until the next call on this buf.
 * NULL when that would exceed max or memory is out. Follow with buf_commit().
 */
uint8_t *buf_reserve(struct buf *, size_t n);
/* The first n bytes of the last reserve are now queued. */
void buf_commit(struct buf *, size_t n);
/* SSH_OK, SSH_E_FULL (over max) or SSH_E_NOMEM; on error nothing is queued. */
int buf_append(struct buf *, const void *p, size_t n);
/* Drops n bytes (at most the length) from the head. */
void buf_consume(struct buf *, size_t n);
/* Drops bytes from the tail until len remain. */
void buf_truncate(struct buf *, size_t len);
/* Gives storage back when empty; call when a connection goes idle. */
void buf_shrink(struct buf *);

#endif
