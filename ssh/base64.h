#ifndef SSH_BASE64_H
#define SSH_BASE64_H
#include "base/wire.h"

/* base64 - RFC 4648 4, each key in one spelling only: no bits left over, no blanks. */

struct buf;

/* line: a newline after so many characters and at the end; 0: none. */
void base64_encode(struct wr *, struct view bytes, size_t line);
/*
 * Appends what text says to b. lines: line ends are allowed between the characters. SSH_OK; SSH_E_FORMAT with *at
 * (may be NULL) the place of the first character that does not belong there; SSH_E_FULL, SSH_E_NOMEM.
 */
int  base64_decode(struct buf *b, struct view text, int lines, size_t *at);

#endif
