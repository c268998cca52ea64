#include "base/buf.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"

void buf_init(struct buf *b, size_t max, const struct mem *mem)
{
	memset(b, 0, sizeof *b);
	b->max = max;
	b->mem = mem;
}

void buf_drop(struct buf *b)
{
	if (b->v != NULL) {
		secret_wipe(b->v, b->size);
		mem_free(b->mem, b->v);
	}
	buf_init(b, b->max, b->mem);
}

/* Moves the queue into new storage; the old one is wiped, it may have held keys or passwords. */
static int grow(struct buf *b, size_t need)
{
	size_t size = b->size ? b->size : 256, len = buf_len(b);
	uint8_t *v;

	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;
	if ((v = mem_resize(b->mem, NULL, size)) == NULL)
		return SSH_E_NOMEM;
	if (len > 0)
		memcpy(v, buf_head(b), len);
	if (b->v != NULL) {
		secret_wipe(b->v, b->size);
		mem_free(b->mem, b->v);
	}
	b->v = v;
	b->size = size;
	b->head = 0;
	b->tail = len;
	return SSH_OK;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);

	if (n > b->max || len > b->max - n)
		return NULL;
	if (b->size - b->tail < n || b->v == NULL) {
		/* While there is room it is only at the wrong end: a queue that is as long as ever allocates nothing. */
		if (b->v != NULL && b->size >= len + n) {
			memmove(b->v, buf_head(b), len);
			b->head = 0;
			b->tail = len;
		} else if (grow(b, len + n) < 0) {
			return NULL;
		}
	}
	return b->v + b->tail;
}

void buf_commit(struct buf *b, size_t n)
{
	b->tail += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;

	if (n == 0)
		return SSH_OK;
	if (n > b->max || buf_len(b) > b->max - n)
		return SSH_E_FULL;
	if ((to = buf_reserve(b, n)) == NULL)
		return SSH_E_NOMEM;
	memcpy(to, p, n);
	buf_commit(b, n);
	return SSH_OK;
}

void buf_consume(struct buf *b, size_t n)
{
	size_t len = buf_len(b);

	b->head += n < len ? n : len;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len < buf_len(b))
		b->tail = b->head + len;
}

void buf_shrink(struct buf *b)
{
	if (buf_len(b) == 0)
		buf_drop(b);
}
