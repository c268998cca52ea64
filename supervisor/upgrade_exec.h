#ifndef SUPERVISOR_UPGRADE_EXEC_H
#define SUPERVISOR_UPGRADE_EXEC_H
#include "supervisor/daemon.h"

/* upgrade_exec - the step itself: everything into a fresh journal, descriptors kept open, execve; and the step back. */

struct client;

/*
 * Returns only when it failed; everything is as before then, errno says why. format: of the journal; client: who waits for the
 * answer, or 0.
 */
int  upgrade_exec(struct daemon *, const char *path, unsigned format, uint64_t client);
/* Our arguments with one of ours in front. malloc'd; NULL: no memory. */
char **upgrade_argv(const struct daemon *, const char *path, const char *first);
/* In the new program: who asked for it, or NULL. */
struct client *upgrade_client(struct daemon *);

#endif
