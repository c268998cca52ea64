#ifndef SUPERVISOR_STORE_NAME_H
#define SUPERVISOR_STORE_NAME_H
#include <stdint.h>

#include "supervisor/held.h"

/* store_name - FDNAME= of what the service manager keeps for us (store.h), to and fro. Listening sockets have names of their own (activation.h). */

/* With 16 digits and 4096 of them, $LISTEN_FDNAMES stays below the 128 KiB that one string of an environment may have. */
#define STORE_NAME_MAX 32u

enum store_what {
	STORE_STATE,		/* "state-N": the journal; of two the one with the greater number counts */
	STORE_LOG,		/* "log-0" to "log-3": slots of KEPT_LOGS */
	STORE_METRICS,		/* "metrics" */
	STORE_HEALTH,		/* "health" */
	STORE_PROC		/* "proc-N": pidfd and link of a process; N is its serial number */
};

/* "coppice-" and the rest, numbers in hexadecimal. */
const char *store_name(enum store_what, uint64_t number, char out[STORE_NAME_MAX]);
/* SSH_OK, or SSH_E_FORMAT: no such name. The number is 0 where there is none. */
int store_name_parse(const char *name, enum store_what *, uint64_t *number);

#endif
