#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H
#include "supervisor/daemon.h"

/* config - the configuration of this daemon: file, options, host keys found on disk. */

/* A whole configuration, ready to be put in force. */
struct config {
	struct conf *conf;
	struct conf_values *values;
	char *slice[ROLE_COUNT];	/* as each role gets it */
	size_t slice_len[ROLE_COUNT];
	struct addr *addr;		/* where to listen */
	size_t addrs;
	int unresolved;			/* they have names that nobody has looked up yet; while the daemon runs only */
	uint64_t generation;		/* 0: never in force yet */
};


/*
 * Loads into *conf and *values (yours). Without HostKey in it, those of our own directory are used; generate: missing
 * ones are made first. SSH_E_CONFIG with a sentence in why.
 */
int  config_load(struct daemon *, int generate, struct conf **, struct conf_values **, struct conf_error *why);
/* Makes path of the file absolute, finds the usual one when -f was not given. */
int  config_find(struct daemon *, struct conf_error *why);
/* Takes both, also on failure: what else belongs to them. *c: yours, config_free() it. */
int  config_make(struct daemon *, struct conf *, struct conf_values *, struct config **c, struct conf_error *why);
void config_free(struct config *);
/* Of the slice in force for this role: tells it from another one; nobody forges it. 0: the role has none. */
uint64_t config_digest(const struct daemon *, int role);
/* Bits (1 << role) of the roles whose slice differs from the one in force. */
unsigned config_changed(const struct daemon *, const struct config *);
/* Puts it in force, as this generation; *c is then what was in force before, or NULL when nothing was. */
void config_swap(struct daemon *, struct config **c, uint64_t generation);
/* Can keysign load at least one host key? Its complaints go to stderr. 0 or 1. */
int  config_keys_work(struct daemon *, const struct conf_values *);
/* -T: prints effective values, for the client of -C when given. Exit status. */
int  config_dump(struct daemon *, const struct conf *);

/* The same words in the same order. */
int  config_same_list(const struct conf_list *, const struct conf_list *);

#endif
