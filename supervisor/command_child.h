#ifndef SUPERVISOR_COMMAND_CHILD_H
#define SUPERVISOR_COMMAND_CHILD_H
#include "supervisor/daemon.h"

/* command_child - answers to terminate-child, restart-child ... come when the thing is done. */

/* The tree has settled: begins what had to wait, answers what is done. 1 when it asked the tree for something. */
int  command_child_settled(struct daemon *);
void command_child_drop(struct daemon *);	/* at the end */

#endif
