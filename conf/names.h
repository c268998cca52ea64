#ifndef CONF_NAMES_H
#define CONF_NAMES_H

/* names - words that stand for a number: yes and no, log levels, facilities. */

struct name { const char *word; int value; };

extern const struct name names_bool[], names_root[], names_family[], names_level[], names_facility[], names_format[], names_proxy[],
    names_compression[];

/* SSH_OK or SSH_E_FORMAT; case does not matter. */
int names_value(const struct name *table, const char *word, int *value);
/* The first word of that value. */
const char *names_word(const struct name *table, int value);

#endif
