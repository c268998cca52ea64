#ifndef SUPERVISOR_ENDS_H
#define SUPERVISOR_ENDS_H
#include "supervisor/worker.h"

/* ends - the descriptors of a channel: a pty pair, or three pipes. */

#define TTY_MAX 64

/* Fills w->ends and w->theirs. tty gets the slave's name ("" for pipes). SSH_OK or SSH_E_SYS; nothing is left open then. */
int  ends_make(struct work *, const struct ipc_SPAWN *, const struct grant *, int privileged, char tty[TTY_MAX]);
/*
 * Are n more descriptors to be had? Asked before a session or a worker takes its own: a message whose descriptors we
 * have no room for would look as if its honest sender had broken the rules.
 */
int  ends_spare(unsigned n);
#define SPARE_SESSION 48u
#define SPARE_WORKER  24u
void ends_close_theirs(struct work *);
void ends_close(struct work *, unsigned bits);
/* A terminal, or all three pipes: none was closed yet. */
int  ends_complete(const int ends[ENDS]);
/* Duplicates of our ends for the connection; how many, or -1. */
int  ends_duplicate(const struct work *, int fds[3]);

#endif
