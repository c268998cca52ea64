#ifndef BASE_LIST_H
#define BASE_LIST_H
#include <stddef.h>

/* list - intrusive doubly linked ring; the head is a link of its own. */

struct list { struct list *next, *prev; };

#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))
#define LIST_EACH(l, head) for (struct list *l = (head)->next; l != (head); l = l->next)
/* The current element may be removed and freed inside the loop. */
#define LIST_EACH_SAFE(l, n, head) \
	for (struct list *l = (head)->next, *n = l->next; l != (head); l = n, n = l->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline int  list_empty(const struct list *l) { return l->next == l; }
static inline void list_add_tail(struct list *head, struct list *l)
{
	l->prev = head->prev, l->next = head;
	head->prev->next = l, head->prev = l;
}
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next, l->next->prev = l->prev;
	list_init(l);
}

#endif
