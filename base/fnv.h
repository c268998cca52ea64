#ifndef BASE_FNV_H
#define BASE_FNV_H
#include <stddef.h>
#include <stdint.h>

/* fnv - FNV-1a with 64 bits: tells things apart that nobody would forge. */

/* Of n bytes at p; any thread. */
static inline uint64_t fnv1a(const void *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const uint8_t *b = p; n > 0; n--)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h;
}

#endif
