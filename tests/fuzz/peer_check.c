/* peer_check - one check of peer_input.c and the library behind it; which, says PEER_CHECK_NAME (peer_checks.def). */
#include <stdint.h>
#include <stdlib.h>

#include "ssh/crypto/crypto.h"
#include "tests/unit/ssh/crypto/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct claim *claim;

	if (claim == NULL && (crypto_init() < 0 || (claim = claim_find(PEER_CHECK_NAME)) == NULL))
		abort();
	claim->run(view_of(data, n));
	return 0;
}
