#ifndef SSH_CRYPTO_CURVE_H
#define SSH_CRYPTO_CURVE_H
#include "ssh/crypto/crypto.h"

/* curve - the NIST curves as rows (curves.def); numbers are big-endian hexadecimal, 2 * len digits. Only for ssh/crypto/. */

#define CURVE_LEN_MAX   66u			/* P-521 */
#define CURVE_POINT_MAX (2 * CURVE_LEN_MAX + 1)	/* 4, x, y (SEC 1 2.3.3) */

struct curve { enum key_kind kind; const char *name, *gcry; unsigned bits; size_t len; const char *p, *b, *n; };

/* NULL for a kind that is no ECDSA key. */
const struct curve *curve_of(enum key_kind);
/* By SSH's name ("nistp256"); NULL. */
const struct curve *curve_find(struct view name);

#endif
