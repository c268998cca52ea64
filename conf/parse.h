#ifndef CONF_PARSE_H
#define CONF_PARSE_H
#include <stddef.h>

#include "conf/keyword.h"
#include "conf/words.h"

/* parse - what a configuration is between reading and resolving: lines, each in a block; blocks with conditions. */

struct conf_error;

enum crit { CRIT_USER, CRIT_GROUP, CRIT_ADDRESS, CRIT_LOCALADDRESS, CRIT_LOCALPORT };

struct cond { enum crit crit; char *list; unsigned port; };

/* Block 0 is the global section. A block of an included file holds only where its parent does. */
struct block {
	struct cond *cond;	/* all of them must hold; none: Match all */
	size_t n;
	size_t parent;
	int all;		/* holds for everybody */
};

/* Already validated: value_set() on its words can only run out of memory. */
struct line {
	const struct keyword *key;
	struct words words;
	char *text;		/* FORM_TEXT and FORM_NAMED: the value as written, else NULL */
	size_t block;
};

struct conf {
	struct line *line;
	size_t lines, line_room;
	size_t options;		/* so many of the first lines came from the command line */
	struct block *block;
	size_t blocks, block_room;
};

/* Where a sentence is about. */
struct where { const char *file; unsigned line; };

struct parser {
	struct conf *conf;
	struct conf_error *error;
	struct where at;
	size_t block;		/* where the next line goes */
	size_t outer;		/* the block of the Include that is being read; Match lines are tested within it */
	int option;		/* a command-line option: no Match, no Include */
	const char *cwd;	/* relative file names are relative to it; NULL: stay as they are */
	/* One pattern of an Include line; NULL: there is no Include. */
	int (*include)(struct parser *, const char *pattern);
	void *ctx;
};

/* A conf with its global section; NULL: out of memory. conf_free() it. */
struct conf *parse_new(void);
/* Every line of len bytes at text, called name in sentences. SSH_OK, SSH_E_CONFIG or SSH_E_NOMEM. */
int parse_text(struct parser *, const char *name, const char *text, size_t len);

/* Writes "file line N: sentence" (line 0: "file: sentence"); e may be NULL. Returns SSH_E_CONFIG. */
int parse_fail(struct conf_error *e, const struct where *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
