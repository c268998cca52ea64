#ifndef SUPERVISOR_REPORTS_H
#define SUPERVISOR_REPORTS_H
#include <sys/resource.h>

#include "ipc/tell.h"
#include "supervisor/daemon.h"

/*
 * reports - OTP's reports (sasl): what the tree did, as records the reporter shows, keeps and passes on. Nothing here
 * waits; a record that does not fit the log socket is lost and counted.
 */

/* A process was reaped; crashed as proc.c sees it. Keeps what the report of it will say. */
void reports_ended(struct proc *, int wstatus, const struct rusage *, int crashed);
/* The tree has decided about an end (next_ms: when it is started again, 0: at once or never): a crash report when it ended badly, a supervisor report when that matters. */
void reports_decided(struct kid *, enum sup_did, uint32_t next_ms);
/* A connection crashed and goes on in a fresh process (survive.h): its crash report; the tree hears nothing. */
void reports_revived(struct kid *);
/* A child of the tree serves: the progress report. */
void reports_up(struct kid *);
/* A program was started for a user. */
void reports_started(struct kid *worker);
/* A client was accepted. */
void reports_connected(struct session *);
/* Forgets what reports_ended() kept. */
void reports_drop(struct kid *);

/* Any event; line: what the log says of it, or NULL. */
void reports_tell(struct daemon *, enum happening, enum log_level, const char *line, const struct tell *);

#endif
