/* http - the head of a metrics request: any bytes, and every cut of them, give a status or wait; more bytes never take an answer back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request q;
	int status = http_parse((const char *)data, size, &q), before = 0;

	if (status != 0 && status != 200 && strcmp(http_reason(status), "Error") == 0)
		abort();
	if (status == 200 && !q.found)
		abort();
	for (size_t cut = 0; cut <= size && cut < 600; cut++) {
		char *exact = malloc(cut + 1);

		if (exact == NULL)
			return 0;
		if (cut > 0)
			memcpy(exact, data, cut);
		status = http_parse(exact, cut, &q);
		free(exact);
		if (before != 0 && before != status)
			abort();
		before = status;
	}
	return 0;
}
