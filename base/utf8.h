#ifndef BASE_UTF8_H
#define BASE_UTF8_H
#include <stddef.h>
#include <stdint.h>

/* utf8 - one character at a time out of bytes that may be anything (RFC 3629). */

/* Its length, 1..4, and the character in *c; 0 when the bytes at p (n of them, n may be 0) do not begin a character. */
size_t utf8_next(const void *p, size_t n, uint32_t *c);
/* Not a control character (C0, DEL, C1), nor one that turns the direction of the text or breaks lines. */
int utf8_printable(uint32_t c);

#endif
