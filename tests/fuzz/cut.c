#include "tests/fuzz/ssh_fuzz.h"

/*
 * One stream to a server, once whole and once cut as the first eight bytes say: output and events must
 * be the same. The corpus holds recorded clients, which fit because the server's randomness is fixed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void whole(struct fuzz_side *f, const uint8_t *d, size_t n)
{
	(void)ssh_input(f->ssh, d, n, 1);
	fuzz_drain(f);
}

static void cut(struct fuzz_side *f, uint64_t seed, const uint8_t *d, size_t n)
{
	while (n > 0) {
		uint8_t b[2];
		size_t k;

		fuzz_random(&seed, b, 2);
		k = b[0] & 1 ? 1 + b[1] % 5u : 1 + b[1] * 9u;
		if (k > n)
			k = n;
		(void)ssh_input(f->ssh, d, k, 1);
		fuzz_drain(f);
		d += k, n -= k;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	struct fuzz_side a, b;
	uint64_t seed;
	size_t la, lb;
	const uint8_t *oa, *ob;

	if (n < sizeof seed || n > 400000)		/* all of it fits the input buffer */
		return 0;
	memcpy(&seed, d, sizeof seed);
	fuzz_side_new(&a, SSH_SERVER);
	fuzz_side_new(&b, SSH_SERVER);
	fuzz_drain(&a);
	fuzz_drain(&b);
	whole(&a, d + sizeof seed, n - sizeof seed);
	cut(&b, seed, d + sizeof seed, n - sizeof seed);
	oa = ssh_output(a.ssh, &la);
	ob = ssh_output(b.ssh, &lb);
	FUZZ_MUST(la == lb && memcmp(oa, ob, la) == 0);
	FUZZ_MUST(a.events == b.events && a.count == b.count);
	FUZZ_MUST(ssh_error(a.ssh) == ssh_error(b.ssh));
	fuzz_side_free(&a);
	fuzz_side_free(&b);
	return 0;
}
