#ifndef KEEPER_HOLDS_H
#define KEEPER_HOLDS_H
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "ipc/codec.h"

/* holds - descriptors under names, in the order they came. A name is a kind and a number; a hold has up to 8 slots. */

#define HOLD_SLOTS 8

struct hold {
	struct list link;
	uint64_t key;
	uint8_t kind, slots;		/* slots: bit i, slot i is there */
	uint64_t id;
	int nfds, fds[HOLD_SLOTS];	/* those of the slots that are there, in order */
};

struct holds { struct list all; struct table by_key; size_t n; };

void holds_init(struct holds *);
void holds_drop(struct holds *);
/* KEEP: takes its descriptors. SSH_OK; SSH_E_RULE: slots and descriptors do not agree; SSH_E_NOMEM. */
int  holds_put(struct holds *, struct ipc_msg *);
struct hold *holds_find(struct holds *, uint8_t kind, uint64_t id);

#endif
