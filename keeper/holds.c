#include "keeper/holds.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

void holds_init(struct holds *h)
{
	list_init(&h->all);
	table_init(&h->by_key);
	h->n = 0;
}

static uint64_t key_of(uint8_t kind, uint64_t id)
{
	return (uint64_t)kind << 56 | (id & ((UINT64_C(1) << 56) - 1));
}

static void let_go(struct hold *h)
{
	for (int i = 0; i < h->nfds; i++)
		close(h->fds[i]);
	h->nfds = 0;
}

static void forget(struct holds *s, struct hold *h)
{
	let_go(h);
	list_remove(&h->link);
	table_remove(&s->by_key, h->key);
	s->n--;
	free(h);
}

void holds_drop(struct holds *s)
{
	while (!list_empty(&s->all))
		forget(s, LIST_OF(s->all.next, struct hold, link));
	table_drop(&s->by_key);
}

struct hold *holds_find(struct holds *s, uint8_t kind, uint64_t id)
{
	return table_get(&s->by_key, key_of(kind, id));
}

int holds_put(struct holds *s, struct ipc_msg *m)
{
	const struct ipc_KEEP *k = &m->u.KEEP;
	struct hold *h = holds_find(s, k->kind, k->id);

	if (__builtin_popcount(k->slots) != m->nfds || k->id >> 56 != 0)
		return SSH_E_RULE;
	if (k->slots == 0) {
		if (h != NULL)
			forget(s, h);
		return SSH_OK;
	}
	if (h == NULL) {
		if ((h = calloc(1, sizeof *h)) == NULL)
			return SSH_E_NOMEM;
		h->key = key_of(k->kind, k->id);
		h->kind = k->kind;
		h->id = k->id;
		if (table_put(&s->by_key, h->key, h) < 0) {
			free(h);
			return SSH_E_NOMEM;
		}
		list_add_tail(&s->all, &h->link);
		s->n++;
	}
	let_go(h);
	h->slots = k->slots;
	while (h->nfds < m->nfds) {
		h->fds[h->nfds] = ipc_take_fd(m, h->nfds);
		h->nfds++;
	}
	return SSH_OK;
}
