#ifndef GUARD_HOSTKEYS_H
#define GUARD_HOSTKEYS_H
#include "base/limits.h"
#include "base/wire.h"

/* hostkeys - the private host keys: files into memory, with the checks an administrator relies on. */

struct privkey;

#define HOSTKEYS_MAX      SSH_HOSTKEYS_MAX
#define HOSTKEYS_FILE_MAX 65536u	/* an RSA 16384 key file is below 13 KiB */

struct hostkeys { struct privkey *v[HOSTKEYS_MAX]; unsigned n; };

/*
 * Adds the key in file path. What is wrong is logged as a warning and the key skipped: no such file,
 * not a regular file, readable by group or others (sshd: "Permissions 0644 for 'x' are too open."),
 * encrypted, of a type we do not have, damaged. SSH_OK, or the SSH_E_* that kept it out.
 */
int  hostkeys_load(struct hostkeys *, const char *path);
/* Wipes and frees all. */
void hostkeys_drop(struct hostkeys *);

#endif
