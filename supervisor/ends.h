#ifndef SUPERVISOR_ENDS_H
#define SUPERVISOR_ENDS_H
#include "supervisor/worker.h"

/* ends - the descriptors of a channel: a pty pair, or three pipes. */

#define TTY_MAX 64

/* Fills w->ends and w->theirs. tty gets the slave's name ("" for pipes). SSH_OK or SSH_E_SYS; nothing is left open then. */
int  ends_make(struct work *, const struct ipc_SPAWN *, const struct grant *, int privileged, char tty[TTY_MAX]);
void ends_close_theirs(struct work *);
void ends_close(struct work *, unsigned bits);
/* A terminal, or all three pipes: none was closed yet. */
int  ends_complete(const int ends[ENDS]);
/* Duplicates of our ends for the connection; how many, or -1. */
int  ends_duplicate(const struct work *, int fds[3]);

#endif
