#ifndef CONF_WORDS_H
#define CONF_WORDS_H
#include <stddef.h>

/* words - one line as words: "..." and '...' quote, a backslash escapes, # at the start of a word ends the line. */

struct buf;

struct words {
	char **v;		/* n words and a NULL; one allocation with their text */
	size_t n;
};

/*
 * Splits len bytes at text. SSH_OK, SSH_E_CONFIG (a quote is not closed) or SSH_E_NOMEM. *w: yours, words_drop() it.
 * second, end (may be NULL): where the second word begins and the last one ends, as offsets into text.
 */
int  words_split(struct words *w, const char *text, size_t len, size_t *second, size_t *end);
void words_drop(struct words *);
/* Appends word so that words_split() gives it back, quoted when it has to be. SSH_OK, SSH_E_FULL or SSH_E_NOMEM. */
int  words_quote(struct buf *, const char *word);
/* 1 when the word stands for itself in a file and in a shell. */
int  words_plain(const char *word);

#endif
