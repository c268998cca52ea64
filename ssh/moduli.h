#ifndef SSH_MODULI_H
#define SSH_MODULI_H
#include "ssh/crypto/crypto.h"

/* moduli - the groups a server may offer in a group exchange (RFC 4419), from a file as OpenSSH's moduli(5). */

struct mem;
struct moduli;

/*
 * Reads the text of such a file. Groups that are no safe primes, that were not tested, or whose numbers are not what
 * the line says are left out, as sshd does, and so are those below 2048 bits. NULL mem: heap. SSH_OK (also when
 * nothing was of use), SSH_E_NOMEM. *ignored: how many lines were left out.
 */
int  moduli_parse(struct moduli **, struct view text, const struct mem *, size_t *ignored);
void moduli_free(struct moduli *);
size_t moduli_count(const struct moduli *);

/* What a client wishes (RFC 4419 3): bits of the group, at least, preferably, at most. */
struct moduli_wish { uint32_t min, n, max; };

/* SSH_OK, or SSH_E_BAD_VALUE: not min <= n <= max, or nothing of 2048 bits or more would do (RFC 8270). */
int moduli_wish_check(const struct moduli_wish *);
/*
 * One of the smallest groups that have n bits or more, else one of the largest below n, none outside min .. max: by
 * random() among those of one size. NULL, or nothing in there: the groups 14, 16 and 18. *to borrows from the list.
 * SSH_E_NO_ALG when no group fits.
 */
int moduli_choose(const struct moduli *, const struct moduli_wish *, random_fn *, void *ctx, struct dh_group *to);

#endif
