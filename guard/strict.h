#ifndef GUARD_STRICT_H
#define GUARD_STRICT_H
#include <stddef.h>
#include <sys/types.h>

/* strict - opening a user's key file so that nobody else can have put it there (StrictModes of sshd_config(5)). */

#define STRICT_FILE_MAX (1u << 20)	/* bytes; a larger key file is refused whole */

struct strict_owner {
	uid_t uid;
	const char *home;
	int check;		/* StrictModes */
};

/*
 * Opens path (absolute) for reading, as whoever we are. Symbolic links are followed once, to learn the
 * real path; the real path is then walked directory by directory without following any (where there is none, that is all that
 * is done), and each file and directory from the home (or the root, for a path outside it) downwards must belong to
 * root or the user and be writable by nobody else. Never blocks on a fifo, never opens a device.
 * A descriptor, or -1 with why a sentence ("" when there simply is no such file).
 */
int strict_open(const char *path, const struct strict_owner *, char *why, size_t size);
/*
 * AuthorizedKeysFile's %h %u %U %% expanded, made absolute under home. SSH_OK, SSH_E_TOO_BIG, or SSH_E_FORMAT for an
 * unknown token. Pure.
 */
int strict_expand(char *out, size_t size, const char *pattern, const char *user, const char *home, uid_t uid);

#endif
