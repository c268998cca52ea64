/* The reader: the input is its own script (odd bytes) and its data (even bytes). */
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	size_t script = n / 2, sum = 0;
	struct rd r = rd_of(d + script, n - script);

	for (size_t i = 0; i < script; i++) {
		struct view v = { NULL, 0 };

		switch (d[i] % 9) {
		case 0: sum += rd_u8(&r); break;
		case 1: sum += rd_u16(&r); break;
		case 2: sum += rd_u32(&r); break;
		case 3: sum += rd_u64(&r); break;
		case 4: v = rd_string(&r, d[i]); break;
		case 5: v = rd_mpint(&r, d[i]); break;
		case 6: v = rd_raw(&r, d[i]); break;
		case 7: v = rd_string(&r, SIZE_MAX); break;
		case 8: sum += (size_t)rd_bool(&r); break;
		}
		for (size_t k = 0; k < v.len; k++)
			sum += v.p[k];
		if (r.bad && (v.len != 0 || rd_left(&r) != 0 || rd_done(&r) != SSH_E_FORMAT))
			abort();
	}
	return sum == SIZE_MAX;
}
