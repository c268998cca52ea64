#ifndef CONF_ALGS_H
#define CONF_ALGS_H
#include <stddef.h>

#include "conf/keyword.h"

/* algs - lists of algorithm names: + - ^ and wildcards against the names of ssh/crypto/algs.def. */

/*
 * The list that holds when `edit` stands behind keyword key (Ciphers, MACs, ...); an empty edit gives the default.
 * SSH_OK: *list is yours, free() it. SSH_E_CONFIG: why says what is wrong. SSH_E_NOMEM.
 */
int algs_expand(enum conf_key key, const char *edit, char **list, char *why, size_t size);

#endif
