#ifndef IPC_LANDLOCK_H
#define IPC_LANDLOCK_H

/*
 * landlock - files out of reach whatever path is given (landlock(7)). From now on this process reads, makes, renames and removes
 * regular files below dir (-1: nowhere) and nothing else of the file system; descriptors it has stay good, and so do the
 * paths of sockets. Needs no_new_privs. 0; -1 with errno when the kernel cannot (ENOSYS, EOPNOTSUPP).
 */
int landlock_files_below(int dir);

#endif
