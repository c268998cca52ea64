/* The PROXY header: the same verdict however the bytes are cut, none later than its hard limit, and never two. */
#include <stdlib.h>
#include <string.h>

#include "connection/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	enum proxy_verdict whole, v = PROXY_MORE;
	struct proxy_header h, first;
	size_t i;

	whole = proxy_header_parse(&first, d, n);
	if (whole == PROXY_MORE && n >= PROXY_HEADER_MAX)
		abort();
	if (whole == PROXY_TAKEN && (first.len == 0 || first.len > n || first.len > PROXY_HEADER_MAX))
		abort();
	if (whole == PROXY_BAD && first.why == NULL)
		abort();
	for (i = 0; i <= n && v == PROXY_MORE; i++) {
		uint8_t *copy = malloc(i + 1);	/* exactly as long: a look beyond it is seen */

		if (i > 0)
			memcpy(copy, d, i);
		v = proxy_header_parse(&h, copy, i);
		free(copy);
	}
	if (v != whole || (v == PROXY_TAKEN && (h.len != first.len || i - 1 != h.len)))
		abort();
	return 0;
}
