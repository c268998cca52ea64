#ifndef GUARD_HOSTKEYS_H
#define GUARD_HOSTKEYS_H
#include "base/buf.h"
#include "base/limits.h"

/* hostkeys - the host keys: files into memory, with the checks an administrator relies on; and their certificates. */

struct agent;
struct privkey;
struct pubkey;

#define HOSTKEYS_MAX      SSH_HOSTKEYS_MAX
#define HOSTKEYS_FILE_MAX 65536u	/* an RSA 16384 key file is below 13 KiB */

/* What a client can be shown. */
struct hostkey {
	struct privkey *key;	/* NULL: the agent has it, or this is a certificate */
	struct pubkey *pub;	/* of the agent's: checks what it signs */
	struct buf shown;	/* the agent's key or the certificate; empty: what key itself says */
	int cert;
	unsigned of;		/* of a certificate: which one signs for it */
};

/* algorithms: HostKeyAlgorithms, borrowed while keys are loaded; NULL: any. */
struct hostkeys { struct hostkey v[HOSTKEYS_MAX]; unsigned n; const char *algorithms; };

/*
 * Adds the key in file path, a private one or, with an agent, a public one too. What is wrong is logged as a warning and the key
 * skipped: no such file, not a regular file, readable by group or others (sshd: "Permissions 0644 for 'x' are too open."),
 * encrypted (unless the agent has it), of a type we do not have or whose algorithms are all off, damaged. agent NULL: none is configured. SSH_OK, or the SSH_E_* that
 * kept it out.
 */
int  hostkeys_load(struct hostkeys *, const char *path, const struct agent *agent);
/* Adds the host certificate in file path to the key it is about, which must be there already. As above. */
int  hostkeys_certify(struct hostkeys *, const char *path);
/* The blob a client sees. */
struct view hostkeys_shown(const struct hostkeys *, unsigned i);
/* The one that signs when i is shown: i, or of a certificate its key. */
unsigned hostkeys_signer(const struct hostkeys *, unsigned i);
/* Wipes and frees all. */
void hostkeys_drop(struct hostkeys *);

#endif
