#ifndef SUPERVISOR_OBSERVE_H
#define SUPERVISOR_OBSERVE_H
#include "supervisor/daemon.h"

/* observe - what the reporter cannot open itself: the crash directory and the metrics socket. Once, at start; never fatal. */

void observe_open(struct daemon *);
void observe_close(struct daemon *);
/* Is stderr the journal's stream (systemd.exec(5), $JOURNAL_STREAM)? Then -e may as well speak to it natively. */
int  observe_stderr_is_journal(void);

#endif
