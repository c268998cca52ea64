#include <string.h>

#include "base/err.h"
#include "connection/survive.h"

static int is_read(const struct memory_entry *e)
{
	return e->kind == BOOK_READ_CLIENT || e->kind == BOOK_READ_PROGRAM;
}

static int is_write(const struct memory_entry *e)
{
	return e->kind == BOOK_WRITE_CLIENT || e->kind == BOOK_WRITE_PROGRAM;
}

int survive_doubt(const struct memory_entry *e, struct survive_count recorded, struct survive_count seen, int32_t *result)
{
	uint64_t r = seen.rchar - recorded.rchar, w = seen.wchar - recorded.wchar, n;

	if (seen.rchar < recorded.rchar || seen.wchar < recorded.wchar)
		return SSH_E_STATE;
	if (e == NULL || !(is_read(e) || is_write(e)))
		return r == 0 && w == 0 ? 0 : SSH_E_STATE;
	n = is_read(e) ? r : w;
	if (r + w != n || n > e->asked)
		return SSH_E_STATE;
	*result = (int32_t)n;
	return n > 0;
}

int survive_walk(const struct memory_slot *s, struct survive_count *c, const struct memory_entry **doubt)
{
	const struct memory_entry *e;
	uint32_t at = 0;

	if (s->log_len > MEMORY_LOG - sizeof *e || s->log_len % 8 != 0)
		return SSH_E_STATE;
	while (at < s->log_len) {
		uint32_t n = sizeof *e;

		e = (const struct memory_entry *)(const void *)(s->log + at);
		if (s->log_len - at < n || e->kind == BOOK_NONE || e->kind >= BOOK_MAX)
			return SSH_E_STATE;
		if (e->kind == BOOK_HEARD && (e->result <= 0 || (uint32_t)e->result != e->asked))
			return SSH_E_STATE;
		if ((is_read(e) || e->kind == BOOK_HEARD) && e->result > 0) {
			if ((uint32_t)e->result > s->log_len - at - n)
				return SSH_E_STATE;
			n += ((uint32_t)e->result + 7) & ~7u;
			c->rchar += is_read(e) ? (uint32_t)e->result : 0;
		} else if (is_write(e) && e->result > 0) {
			if ((uint32_t)e->result > e->asked)
				return SSH_E_STATE;
			c->wchar += (uint32_t)e->result;
		}
		if (n > s->log_len - at)
			return SSH_E_STATE;
		at += n;
	}
	e = (const struct memory_entry *)(const void *)(s->log + at);
	*doubt = e->kind == BOOK_NONE ? NULL : e;
	return e->kind < BOOK_MAX ? SSH_OK : SSH_E_STATE;
}
