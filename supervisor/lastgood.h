#ifndef SUPERVISOR_LASTGOOD_H
#define SUPERVISOR_LASTGOOD_H
#include "supervisor/daemon.h"

/*
 * lastgood - FallbackToLastGood: the configuration that worked is kept in the state directory (mode 0600, whole or not at all,
 * one for each configuration file), with its Includes in it. At start a bad file gives way to it. Whether it may is what the kept
 * one says, or -o on the command line: the bad file is not asked, since nobody knows what it would have said.
 */

/* Keeps the configuration in force when it wants that; else forgets what was kept. Never fatal. */
void lastgood_save(struct daemon *);
/* As config_load(). SSH_E_CONFIG, with a sentence: there is none, it does not want to be used, or it is no good either. */
int  lastgood_load(struct daemon *, struct conf **, struct conf_values **, struct conf_error *why);
/* 1 when there is one that may be used. */
int  lastgood_is_there(struct daemon *);
/* Says loudly, and remembers, that it is in force because of why. */
void lastgood_announce(struct daemon *, const char *why);

#endif
