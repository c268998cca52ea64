#include "tests/fuzz/ssh_fuzz.h"

/* Raw bytes to a client: identification, framing, negotiation, key exchange. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	return fuzz_raw(SSH_CLIENT, d, n);
}
