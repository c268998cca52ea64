#ifndef SUPERVISOR_RELOAD_INTERNAL_H
#define SUPERVISOR_RELOAD_INTERNAL_H
#include "supervisor/config.h"
#include "supervisor/reload.h"

/* reload_internal - what reload*.c share. */

enum reload_kind { RELOAD_FILE, RELOAD_BACK };

struct request {
	enum reload_kind kind;
	uint64_t client;		/* who asked; 0: nobody who hears */
	uint32_t confirm_s;
};

struct reload {
	struct request now, next;	/* next.kind counts when has_next */
	int has_next;
	struct config *trial;		/* what is being tried; NULL: no reload runs */
	unsigned changed;		/* roles whose slice it changes */
	int new_keys;
	uint64_t keys;			/* number of its set of host keys */
	struct lookup *lookup;		/* names of its addresses, or NULL */
	struct proc *keysign, *nursery;	/* successors that have to come up */
	uint64_t last_generation, last_keys;	/* numbers are never used twice */
	uint64_t began_ms;
	struct event *deadline, *again;

	struct config *before;		/* in force before the last reload, or before the first that waits for confirmation */
	int before_fd;			/* its text, while something waits for confirmation; -1 */
	struct event *confirm;
	uint64_t confirm_by_ms;		/* 0: nothing waits */
	int64_t since;			/* wall clock: when what is in force came in force */
	char refused[600];		/* why the last one was, "" when it was not */
};

/* NULL: out of memory. */
struct reload *reload_state(struct daemon *);
/* Whether something waits for confirmation, and what comes back, has changed. */
void reload_keep(struct daemon *);
/* The outcome to the log, the service manager and whoever asked. was: what is in force no longer; NULL: it was refused. */
void reload_tell(struct daemon *, const struct config *was, const char *sentence);
/* To whoever asked, before the votes are forgotten. */
void reload_tell_roles(struct daemon *, const struct proc *culprit, const char *why);
/* To a process that has accepted this generation: it holds. */
void reload_switch(struct proc *, uint64_t generation);
/* To one that was asked nothing, because it was starting: it learns the generation in force now. */
void reload_catch_up(struct proc *);
/* Everybody who voted switches, successors take over, who was starting catches up. */
void reload_switch_all(struct daemon *);

#endif
