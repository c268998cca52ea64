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
		if (b->v[i].first.id_len > 0 && b->v[i].conn == conn)
			return &b->v[i];
	return NULL;
}

int first_exchange(struct first_exchange *f, struct view id, struct view host)
{
	memset(f, 0, sizeof *f);
	if (id.len == 0 || id.len > sizeof f->id || (host.len != 0 && host.len != sizeof f->host))
		return SSH_E_FORMAT;
	memcpy(f->id, id.p, id.len);
	f->id_len = (uint8_t)id.len;
	if (host.len > 0)
		memcpy(f->host, host.p, host.len);
	f->host_len = (uint8_t)host.len;
	return SSH_OK;
}

int idbook_put(struct idbook *b, uint64_t conn, const struct first_exchange *first)
{
	struct idbook_entry *e;

	if (first->id_len == 0 || find(b, conn) != NULL)
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
	e->first = *first;
	return SSH_OK;
}

int idbook_take(struct idbook *b, uint64_t conn, struct first_exchange *out)
{
	struct idbook_entry *e = find(b, conn);

	memset(out, 0, sizeof *out);
	if (e == NULL)
		return 0;
	*out = e->first;
	e->first.id_len = 0;	/* the place is used again when its turn comes */
	if (e == &b->v[b->used - 1] && b->used < IDBOOK_MAX)
		b->used--;
	return 1;
}
