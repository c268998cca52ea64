#ifndef CONF_VALUE_H
#define CONF_VALUE_H
#include <stddef.h>

#include "conf/keyword.h"
#include "conf/words.h"

/* value - one keyword's words as its typed member of struct conf_values. */

struct conf_values;

/*
 * Puts the words into k's member; a list grows, anything else is replaced. text: the value as one string, for
 * FORM_TEXT and behind the name for FORM_NAMED. SSH_OK, SSH_E_CONFIG (why says what is wrong) or SSH_E_NOMEM.
 */
int  value_set(const struct keyword *k, struct conf_values *v, const struct words *w, const char *text,
    char *why, size_t size);
/* The default of schema.def. */
int  value_default(const struct keyword *k, struct conf_values *v);
/* Frees what k's member holds and zeroes it. */
void value_drop(const struct keyword *k, struct conf_values *v);

#endif
