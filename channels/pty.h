#ifndef CHANNELS_PTY_H
#define CHANNELS_PTY_H
#include "base/wire.h"

/* pty - the terminal of this worker. */

/* Makes descriptor 0 the controlling terminal of a new session and applies the client's modes; what fails is left as it is. */
void pty_take(struct view modes);

#endif
