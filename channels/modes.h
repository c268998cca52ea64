#ifndef CHANNELS_MODES_H
#define CHANNELS_MODES_H
#include <termios.h>

#include "base/wire.h"

/* modes - encoded terminal modes (RFC 4254 8) onto a termios; no terminal is touched here. */

/*
 * Applies opcode by opcode until TTY_OP_END, the end of the bytes, an opcode of 160 or more, or a
 * cut-off argument (the rest is ignored, as RFC 4254 8 asks for unknown ones). Unknown opcodes below 160 are skipped.
 * Returns how many opcodes were applied.
 */
unsigned modes_apply(struct termios *, struct view encoded);

#endif
