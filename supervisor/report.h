#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "supervisor/tree.h"

/* report - the words for how processes end: the lines of OTP's supervisor reports. */

#define STATUS_NONE    (-1)	/* no process ended */
#define STATUS_UNKNOWN (-2)	/* one ended while no supervisor lived, and nobody knows how */

/* "unknown", "signal:KILL", "signal:SEGV,core" from a wait status; none (-1): "not-started". */
const char *report_how(char *out, size_t size, int wstatus);
/* "exit status 1", "signal 9 (KILL)": for the status tool. */
const char *report_last_exit(char *out, size_t size, int wstatus);
/* "12d3h", "2h3m", "5m10s", "7s", "250ms" */
const char *report_time(char *out, size_t size, uint64_t ms);

struct report {
	const char *node;		/* path in the tree, "guards/keysign" */
	const char *role;
	int pid;			/* 0: there was none */
	int wstatus;			/* -1: no process ended */
	int by_us;			/* we killed it, and said why */
	int hung;			/* we killed it because it did not answer */
	uint64_t lived_ms;
	unsigned restarts, intensity;	/* of its supervisor, within the period */
	uint32_t period_ms;
	enum sup_did did;
};
/* The whole line; out should have LOG_LINE_MAX bytes. */
const char *report_line(char *out, size_t size, const struct report *);
/* How loud: give-up and fail-start are for the operator, restarts and crashes a warning, the rest is daily life. */
enum log_level report_level(const struct report *);
/* What an end means to the tree. */
enum sup_reason report_reason(int wstatus);
int report_crashed(int wstatus);	/* died of a signal that is no request to end */

#endif
