#ifndef CONNECTION_SIGNALS_H
#define CONNECTION_SIGNALS_H
#include "base/wire.h"

/* signals - the names of RFC 4254 6.10. */

/* "TERM" for 15; "SIG@openssh.com" for a number that has no name there, as sshd says it. */
const char *signal_name(unsigned number);
/* 1 when the name (without "SIG") is one a client may send. */
int signal_known(struct view name);

#endif
