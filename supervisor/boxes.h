#ifndef SUPERVISOR_BOXES_H
#define SUPERVISOR_BOXES_H
#include "supervisor/daemon.h"

/*
 * boxes - the memory in which processes leave their last events (ipc/box.h): a page of its own for each helper, one slab
 * of pages for all connections. Nobody maps them here: the page of a dead process is read like a file, as bytes.
 */

/* Without memory for it the daemon serves all the same, and its reports are shorter. */
void boxes_open(struct daemon *);
void boxes_close(struct daemon *);
/* A fresh page for a helper, for its descriptor CHILD_BOX_FD; yours. -1: none. */
int  boxes_page(void);
/* A page of the slab for a connection; 0: none is free. */
uint32_t boxes_take(struct daemon *);
/* The page an adopted connection has had since before; 0: it is in no slab we have. */
uint32_t boxes_claim(struct daemon *, uint32_t slot);
void boxes_give_back(struct daemon *, uint32_t slot);
/* What is in the page of a process that has ended, in malloc'd BOX_SIZE bytes; NULL: it has none. */
uint8_t *boxes_read(const struct proc *);

#endif
