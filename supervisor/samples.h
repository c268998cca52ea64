#ifndef SUPERVISOR_SAMPLES_H
#define SUPERVISOR_SAMPLES_H
#include "supervisor/daemon.h"

/* samples - what the supervisor knows, as numbers for the metrics: counters, the tree, what its processes use. */

/* SAMPLES_ASK: answers at once. SSH_OK, or why it cannot be sent. */
int  samples_tell(struct proc *reporter, uint32_t seq);
/* CPU time of a process that was reaped. */
void samples_ended(const struct proc *, const struct rusage *);

#endif
