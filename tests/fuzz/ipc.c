/* The IPC codec: first three bytes choose sender, receiver and link state, the rest is the message. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	struct ipc_msg m = { 0 };
	struct buf b;

	if (n < 4)
		return 0;
	ipc_check(d[3], d[0] % ROLE_COUNT, d[1] % ROLE_COUNT, (enum ipc_when)(1 << d[2] % 4), d[2] / 4);
	if (ipc_decode(&m, d + 3, n - 3) != SSH_OK)
		return 0;
	/* What decodes must encode to the same bytes again: one reading of every message. */
	buf_init(&b, IPC_MESSAGE_MAX * 2, NULL);
	if (ipc_encode(&b, m.type, &m.u) != SSH_OK || buf_len(&b) != n - 3 || memcmp(buf_head(&b), d + 3, n - 3) != 0)
		abort();
	buf_drop(&b);
	return 0;
}
