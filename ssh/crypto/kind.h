#ifndef SSH_CRYPTO_KIND_H
#define SSH_CRYPTO_KIND_H
#include "ssh/crypto/crypto.h"

/* kind - key types by their SSH names, from the SIG rows of algs.def; only for ssh/crypto/. */

/* "" for KEY_NONE */
const char   *key_kind_name(enum key_kind);
/* KEY_NONE for unknown names */
enum key_kind key_kind_find(struct view name);
/* The first row, by preference, that such a key signs under; NULL for KEY_NONE. */
const struct sig_alg *key_row_of(enum key_kind);

#endif
