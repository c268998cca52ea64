#include "supervisor/held.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static uint64_t key_of(enum kept_kind kind, uint64_t id)
{
	return (uint64_t)kind << 56 | id;
}

int held_put(struct held *h, enum kept_kind kind, uint64_t id, const int fd[HELD_SLOTS])
{
	int r;

	if (h->n == h->size) {
		size_t size = h->size > 0 ? h->size * 2 : 64;
		struct held_name *more = realloc(h->v, size * sizeof *more);

		if (more == NULL) {
			for (int i = 0; i < HELD_SLOTS; i++)
				if (fd[i] >= 0)
					close(fd[i]);
			return SSH_E_NOMEM;
		}
		h->v = more;
		h->size = size;
	}
	h->v[h->n].kind = kind;
	h->v[h->n].id = id;
	memcpy(h->v[h->n].fd, fd, sizeof h->v[h->n].fd);
	h->n++;
	TRY(table_put(&h->where, key_of(kind, id), (void *)(uintptr_t)h->n));
	return SSH_OK;
}

static int *find(const struct held *h, enum kept_kind kind, uint64_t id, int slot)
{
	size_t at = (size_t)(uintptr_t)table_get(&h->where, key_of(kind, id));

	return at > 0 ? &h->v[at - 1].fd[slot] : NULL;
}

int held_add(struct held *h, enum kept_kind kind, uint64_t id, int slot, int fd)
{
	int fds[HELD_SLOTS] = { -1, -1, -1, -1, -1, -1, -1, -1 }, *at = find(h, kind, id, slot);

	if (at == NULL) {
		fds[slot] = fd;
		return held_put(h, kind, id, fds);
	}
	if (*at >= 0) {
		close(fd);
		return SSH_E_RULE;
	}
	*at = fd;
	return SSH_OK;
}

int held_take(struct held *h, enum kept_kind kind, uint64_t id, int slot)
{
	int *at = find(h, kind, id, slot), fd = -1;

	if (at != NULL) {
		fd = *at;
		*at = -1;
	}
	return fd;
}

int held_look(const struct held *h, enum kept_kind kind, uint64_t id, int slot)
{
	const int *at = find(h, kind, id, slot);

	return at != NULL ? *at : -1;
}

void held_drop(struct held *h)
{
	for (size_t i = 0; i < h->n; i++)
		for (int s = 0; s < HELD_SLOTS; s++)
			if (h->v[i].fd[s] >= 0)
				close(h->v[i].fd[s]);
	free(h->v);
	table_drop(&h->where);
	memset(h, 0, sizeof *h);
}
