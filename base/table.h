#ifndef BASE_TABLE_H
#define BASE_TABLE_H
#include <stddef.h>
#include <stdint.h>

/* table - hash from a 64-bit number to a pointer; open addressing, grows by itself. */

struct mem;

struct table_slot { uint64_t key; void *value; };
struct table { struct table_slot *slots; size_t size, used; const struct mem *mem; };	/* mem: NULL for the heap; set before the first put */

void  table_init(struct table *);
void  table_drop(struct table *);		/* frees the slots, not the values */
void *table_get(const struct table *, uint64_t key);
/* SSH_OK, or SSH_E_NOMEM when it is full to the last slot and cannot grow. value must not be NULL; an old value of the key is replaced. */
int   table_put(struct table *, uint64_t key, void *value);
/* What was there, or NULL. */
void *table_remove(struct table *, uint64_t key);
/* Walk: *at starts at 0; NULL at the end. Removing the element just returned is not allowed. */
void *table_next(const struct table *, size_t *at);

#endif
