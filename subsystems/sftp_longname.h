#ifndef SUBSYSTEMS_SFTP_LONGNAME_H
#define SUBSYSTEMS_SFTP_LONGNAME_H
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* sftp_longname - a directory entry as "ls -l" prints it (draft-ietf-secsh-filexfer-02 7). */

struct stat;

#define ID_NAMES 64u

/* Names of user and group ids already asked for; direct-mapped, a new one takes the place of an old. */
struct id_names {
	struct id_name { unsigned id; int known; char name[33]; } users[ID_NAMES], groups[ID_NAMES];
};

const char *id_user(struct id_names *, uid_t);
const char *id_group(struct id_names *, gid_t);
/* "-rw-r--r--    1 alice    staff        1234 Nov 21 04:40 name", cut at size; returns out. */
const char *sftp_longname(char *out, size_t size, const char *name, const struct stat *, struct id_names *, time_t now);

#endif
