#ifndef IPC_VERBS_H
#define IPC_VERBS_H
#include <stdint.h>

/* verbs - verbs.def as data, for both ends of the control socket. */

struct verb { const char *name, *arguments, *meaning; uint8_t number; };	/* number 0: a TOOL */

enum verb_trait { VERB_CHANGES, VERB_SETS, VERB_WAITS, VERB_LIVE, VERB_LIST, VERB_QUIET };

/* The i-th, in the order of the file, NULL after the last. */
const struct verb *verb_at(unsigned i);
const struct verb *verb_find(const char *name);		/* NULL: no such verb */
const struct verb *verb_by_number(unsigned number);
int verb_is(unsigned number, enum verb_trait);
/* Do n words fit the arguments of the usage line? most: -1 for any number. */
void verb_arity(const struct verb *, int *least, int *most);

#endif
