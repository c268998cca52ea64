#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H
#include "supervisor/daemon.h"

/* config - the configuration of this daemon: file, options, host keys found on disk. */

/*
 * Loads into *conf and *values (yours). Without HostKey in it, those of our own directory are used; generate: missing
 * ones are made first. SSH_E_CONFIG with a sentence in why.
 */
int  config_load(struct daemon *, int generate, struct conf **, struct conf_values **, struct conf_error *why);
/* Makes path of the file absolute, finds the usual one when -f was not given. */
int  config_find(struct daemon *, struct conf_error *why);
/* Makes them the daemon's, with the slices; changed: roles whose slice is another than before. */
int  config_take(struct daemon *, struct conf *, struct conf_values *, unsigned *changed);
/* Can keysign load at least one host key? Its complaints go to stderr. 0 or 1. */
int  config_keys_work(struct daemon *, const struct conf_values *);
/* -T: prints effective values, for the client of -C when given. Exit status. */
int  config_dump(struct daemon *, const struct conf *);

#endif
