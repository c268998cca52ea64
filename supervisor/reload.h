#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H
#include "supervisor/daemon.h"

/*
 * reload - SIGHUP: a good file changes what has changed, a bad one changes nothing. Listening sockets that are still
 * configured are never closed; running connections keep what they started with.
 */
void reload(struct daemon *);

#endif
