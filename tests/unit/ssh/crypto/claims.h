#ifndef TESTS_UNIT_SSH_CRYPTO_CLAIMS_H
#define TESTS_UNIT_SSH_CRYPTO_CLAIMS_H
#include "base/wire.h"

/*
 * claims - for each check of peer_input.c: it, and behind it the library with whatever it let through. A check claims that the
 * library then neither aborts nor fails otherwise than by "bad signature"; where it can be asked, that the verdict is right.
 * A claim that does not hold is an abort(): a unit test and a fuzzer both see that.
 */

struct claim {
	const char *name;			/* of the check, without peer_ */
	int (*run)(struct view in);		/* the check's verdict */
};

/* tests/fuzz/peer_checks.def says which there are and what in is. NULL: no such check. */
const struct claim *claim_find(const char *name);
const struct claim *claim_at(unsigned i);	/* NULL after the last */

#endif
