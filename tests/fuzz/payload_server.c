#include "tests/fuzz/ssh_fuzz.h"

/* Payloads to a server in every phase, behind the crypto. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	return fuzz_payloads(SSH_SERVER, d, n);
}
