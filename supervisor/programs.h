#ifndef SUPERVISOR_PROGRAMS_H
#define SUPERVISOR_PROGRAMS_H
#include "supervisor/kids.h"

/* programs - the helper programs, opened once at start, so that a daemon whose files are replaced or deleted goes on. */

/* Opens all of them in dir. SSH_OK, or SSH_E_CONFIG with a sentence. */
int programs_open(int fd[PROG_COUNT], const char *dir, char *why, size_t size);
void programs_close(int fd[PROG_COUNT]);
const char *program_name(enum program);
/* In a child: becomes the program. Returns only when that fails. */
void program_exec(int fd, char *const argv[], char *const envp[]);

#endif
