/* cert - certificates: what parses can be taken apart and verified without harm, and no certificate of the fuzzer is a good one. */
#include "ssh/cert.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int ready;
	struct pubkey *k;
	struct cert c;
	struct buf b;
	int r;

	if (!ready && crypto_init() < 0)
		abort();
	ready = 1;
	r = cert_parse(&c, view_of(data, n));
	if (r == SSH_E_FORMAT || r == SSH_E_UNKNOWN_KEY)
		return 0;
	if (r != SSH_OK || c.covered.p != data || c.covered.len >= n)
		abort();
	buf_init(&b, SSH_BLOB_MAX, NULL);
	if (cert_key(&c, &b) == SSH_OK && pubkey_parse(&k, view_of(buf_head(&b), buf_len(&b)), NULL) == SSH_OK) {
		if (pubkey_kind(k) == KEY_NONE)
			abort();
		pubkey_free(k);
	}
	buf_drop(&b);
	r = cert_verify(&c);
	if (r != SSH_OK && r != SSH_E_BAD_VALUE && r != SSH_E_BAD_SIG)
		abort();
	return 0;
}
