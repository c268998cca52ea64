#ifndef SUPERVISOR_EFFECTS_H
#define SUPERVISOR_EFFECTS_H
#include "supervisor/daemon.h"

/* effects - carries out what the tree decides, and tells it what happened. */

/* The static part of the tree from children.def, as far as it is not there. SSH_OK or SSH_E_NOMEM. */
int  fx_plant(struct daemon *);
/* A node and its kid under parent; name is copied. NULL: no memory. dynamic as sup_add(). */
struct kid *fx_add(struct daemon *, struct kid *parent, enum kid_id, const char *name, int dynamic);
/* A node that was there before, as sup_restore(); the root first. NULL: it cannot be. fx_restored(): that was all. */
struct kid *fx_restore(struct daemon *, struct kid *parent, enum kid_id, const char *name, const struct sup_saved *);
void fx_restored(struct daemon *, uint64_t last_node);
/* SSH_OK or SSH_E_NOT_NOW. After it the kid may be gone again. */
int  fx_start(struct kid *);
void fx_stop(struct kid *);
/* After a call to the tree's own functions: carries out what they decided. */
void fx_settle(struct daemon *);
/* Something happened to the kid's process. */
void fx_event(struct kid *, enum sup_event, enum sup_reason);
/* For the functions that start a process: the answer comes when the tree can take it. */
void fx_answer(struct kid *, enum sup_event);
/* "guards/keysign" */
const char *fx_path(const struct kid *, char *out, size_t size);
void fx_drop(struct daemon *);		/* all kids and the tree */

#endif
