#ifndef TESTS_UNIT_SSH_CRYPTO_HEX_H
#define TESTS_UNIT_SSH_CRYPTO_HEX_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* hex - bytes of a test vector; what the tests of this folder share. */

static inline size_t hex(uint8_t *out, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (; text[0] != '\0' && text[1] != '\0'; text += 2)
		out[n++] = (uint8_t)((strchr(digits, text[0]) - digits) << 4 | (strchr(digits, text[1]) - digits));
	return n;
}

#endif
