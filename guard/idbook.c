#include "guard/idbook.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void idbook_init(struct idbook *b)
{
	memset(b, 0, sizeof *b);
}

void idbook_drop(struct idbook *b)
{
	free(b->v);
	idbook_init(b);
}

static struct idbook_entry *find(struct idbook *b, uint64_t conn)
{
	for (unsigned i = 0; i < b->used; i++)
		if (b->v[i].len > 0 && b->v[i].conn == conn)
			return &b->v[i];
	return NULL;
}

int idbook_put(struct idbook *b, uint64_t conn, struct view id)
{
	struct idbook_entry *e;

	if (id.len == 0 || id.len > sizeof e->id || find(b, conn) != NULL)
		return SSH_OK;
	if (b->v == NULL && (b->v = calloc(IDBOOK_MAX, sizeof *b->v)) == NULL)
		return SSH_E_NOMEM;
	if (b->used < IDBOOK_MAX) {
		e = &b->v[b->used++];
	} else {
		e = &b->v[b->oldest];
		b->oldest = (b->oldest + 1) % IDBOOK_MAX;
	}
	e->conn = conn;
	e->len = (uint8_t)id.len;
	memcpy(e->id, id.p, id.len);
	return SSH_OK;
}

unsigned idbook_take(struct idbook *b, uint64_t conn, uint8_t out[SSH_HASH_MAX])
{
	struct idbook_entry *e = find(b, conn);
	unsigned len;

	if (e == NULL)
		return 0;
	len = e->len;
	memcpy(out, e->id, len);
	e->len = 0;	/* the place is used again when its turn comes */
	if (e == &b->v[b->used - 1] && b->used < IDBOOK_MAX)
		b->used--;
	return len;
}
