#ifndef SUPERVISOR_BOOT_H
#define SUPERVISOR_BOOT_H
#include "supervisor/daemon.h"

/* boot - from a command line to a running tree, and from a fallen tree to the exit status. */

/* Everything: exit status of the process. */
int  boot_run(struct daemon *);
/* The tree is complete for the first time. */
void boot_done(struct daemon *);

#endif
