/*
 * keyfile - private key files of every format, public keys and base64 words; what is read must be written and read again as the
 * same key, and a fault must say why. The effort is small: what a file may ask for is tested elsewhere.
 */
#include "ssh/keyfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static void again(const struct privkey *k, const char *comment)
{
	struct privkey *same;
	struct buf b;

	buf_init(&b, 1 << 17, NULL);
	if (keyfile_write_private(&b, k, comment) < 0 || keyfile_read_private(&same, whole(&b), NULL, NULL, NULL) < 0 ||
	    !view_same(privkey_blob(k), privkey_blob(same)))
		abort();
	privkey_free(same);
	buf_drop(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int ready;
	const struct keyfile_secret secret = { view_str("secret"), 1 };
	struct keyfile_fault f;
	struct privkey *k;
	char comment[256];
	struct buf b;
	int r;

	if (!ready && crypto_init() < 0)
		abort();
	ready = 1;
	r = keyfile_read_private(&k, view_of(data, n), &secret, comment, &f);
	if (r == SSH_OK)
		again(k, comment);
	else if (r != SSH_E_KEYFILE && r != SSH_E_PASSPHRASE && r != SSH_E_UNKNOWN_KEY)
		abort();
	if ((r == SSH_OK) != (f.why == NULL))
		abort();
	privkey_free(k);
	buf_init(&b, 1 << 16, NULL);
	if (keyfile_decode_base64(&b, view_of(data, n)) == SSH_OK && buf_len(&b) > n)
		abort();
	buf_drop(&b);
	buf_init(&b, SSH_BLOB_MAX, NULL);
	r = keyfile_read_public(&b, view_of(data, n), comment, &f);
	if ((r == SSH_OK) != (f.why == NULL) || (r == SSH_OK) != (buf_len(&b) > 0))
		abort();
	buf_drop(&b);
	return 0;
}
