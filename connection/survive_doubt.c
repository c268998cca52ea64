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
	if (r + w != n || n > e->asked || (is_read(e) && n > e->extent))
		return SSH_E_STATE;
	*result = (int32_t)n;
	return n > 0;
}

/* Of an entry with room bytes from its head to the end: SSH_OK, and what it adds to the sums. */
static int entry_check(const struct memory_entry *e, uint32_t room, struct survive_count *c)
{
	uint32_t result = e->result > 0 ? (uint32_t)e->result : 0;

	if (room < sizeof *e || e->kind == BOOK_NONE || e->kind >= BOOK_MAX)
		return SSH_E_STATE;
	if (e->extent % 8 != 0 || e->extent > room - sizeof *e || (e->extent > 0 && !is_read(e) && e->kind != BOOK_HEARD && e->kind != BOOK_SIGNED))
		return SSH_E_STATE;
	if (is_read(e)) {
		if (result > e->extent)
			return SSH_E_STATE;
		c->rchar += result;
	} else if (is_write(e)) {
		if (result > e->asked)
			return SSH_E_STATE;
		c->wchar += result;
	}
	return SSH_OK;
}

int survive_walk(const struct memory_slot *s, const uint8_t log[MEMORY_LOG], struct survive_count *c, const struct memory_entry **doubt)
{
	const struct memory_entry *e;
	struct survive_count none = { 0, 0 };
	uint32_t at = 0;
	int r;

	if (s->log_len > MEMORY_LOG - sizeof *e || s->log_len % 8 != 0)
		return SSH_E_STATE;
	while (at < s->log_len) {
		e = (const struct memory_entry *)(const void *)(log + at);
		TRY(entry_check(e, s->log_len - at, c));
		if (e->era != s->era || (e->kind == BOOK_HEARD && e->result <= 0))
			return SSH_E_STATE;
		if ((e->kind == BOOK_HEARD || e->kind == BOOK_SIGNED) && (e->result < 0 || (uint32_t)e->result != e->asked || e->asked > e->extent))
			return SSH_E_STATE;
		at += (uint32_t)sizeof *e + e->extent;
	}
	e = (const struct memory_entry *)(const void *)(log + at);
	*doubt = e->kind == BOOK_NONE || e->era != s->era ? NULL : e;
	return *doubt == NULL ? SSH_OK : entry_check(e, MEMORY_LOG - at, &none);
}
