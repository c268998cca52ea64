#ifndef SUPERVISOR_PROCFS_H
#define SUPERVISOR_PROCFS_H
#include <stddef.h>
#include <sys/types.h>

/* procfs - what the kernel tells of a process (proc(5)). */

#define PROCFS_STAT_MAX 1024

/* The first bytes of a file below /proc, as a string. SSH_OK or SSH_E_SYS. */
int procfs_read(const char *path, char text[PROCFS_STAT_MAX]);
/*
 * Reads /proc/PID/stat into text. What stands behind the name, beginning with the blank before the state, or NULL: there is no such
 * process. The name in front of it may hold anything.
 */
const char *procfs_stat(pid_t pid, char text[PROCFS_STAT_MAX]);

#endif
