#ifndef SUBSYSTEMS_SFTP_FS_H
#define SUBSYSTEMS_SFTP_FS_H
#include "subsystems/sftp_server.h"

/* sftp_fs - the file operations of sftp_server on the real file system, as the user we already are. */

extern const struct sftp_fs_ops sftp_fs_ops;

struct sftp_fs;
/* NULL: out of memory. Looks up time zone and own account once, so that a sandbox may close after it. */
struct sftp_fs *sftp_fs_new(void);
void sftp_fs_free(struct sftp_fs *);

#endif
