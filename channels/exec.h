#ifndef CHANNELS_EXEC_H
#define CHANNELS_EXEC_H
#include "channels/argv.h"
#include "channels/env.h"

/* exec - the last steps of a worker: from here on the process is the user's program. */

/* Default signals, the home directory, no stray descriptors, execve(2). Comes back never: exits 1 with sshd's sentence. */
void exec_program(const struct argv *, const struct env *, const char *home) __attribute__((noreturn));

#endif
