#ifndef SUPERVISOR_COUNTERS_H
#define SUPERVISOR_COUNTERS_H
#include <stddef.h>
#include <stdint.h>

#include "ipc/codec.h"
#include "ipc/values.h"

/* counters - ipc/counters.def as numbers. One set for the process: they only grow, and are zero when it starts. */

struct counter_row { const char *name, *family, *label, *value, *meaning; unsigned from; };

const struct counter_row *counter_row(enum counter);	/* NULL after the last */
void counter_add(enum counter, uint64_t by);
static inline void count(enum counter c) { counter_add(c, 1); }
uint64_t counter_get(enum counter);
/* After a resume: what the predecessor had counted. */
void counter_set(enum counter, uint64_t value);
/* COUNT from a process of that role. SSH_OK or SSH_E_RULE: not its counter. */
int  counter_told(enum ipc_role, const struct ipc_COUNT *);

#endif
