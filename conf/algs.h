#ifndef CONF_ALGS_H
#define CONF_ALGS_H
#include <stddef.h>

#include "conf/keyword.h"

/* algs - lists of algorithm names: + - ^ and wildcards against the names of ssh/crypto/algs.def. */

enum { ALGS_KEX = 1, ALGS_CERT = 2, ALGS_SIG = 4, ALGS_CIPHER = 8, ALGS_MAC = 16, ALGS_COMP = 32, ALGS_AEAD = 64 };	/* AEAD: those ciphers that need no MAC */

/*
 * The list that holds when `edit` stands behind keyword key (Ciphers, MACs, ...); an empty edit gives the default.
 * SSH_OK: *list is yours, free() it. SSH_E_CONFIG: why says what is wrong. SSH_E_NOMEM.
 */
int algs_expand(enum conf_key key, const char *edit, char **list, char *why, size_t size);
/* Of a keyword for one direction: the one for both, whose list it has when it is not given. KEY_COUNT: it is none. */
enum conf_key algs_both(enum conf_key key);
/* ALGS_* that the list of a keyword of TYPE_ALGS can hold. */
unsigned algs_kinds(enum conf_key key);
/*
 * The i-th name of those kinds (ALGS_*), NULL after the last. *why: the reason it is off by default, else NULL; *key: for
 * signatures the name of the key's or certificate's type, else NULL. All static.
 */
const char *algs_row(unsigned kinds, size_t i, const char **why, const char **key);

#endif
