#ifndef SSH_CERT_H
#define SSH_CERT_H
#include <stdint.h>

#include "base/wire.h"

/* cert - OpenSSH's certificates (PROTOCOL.certkeys): parsed and checked, from memory. */

struct buf;

enum cert_type { CERT_USER = 1, CERT_HOST = 2 };

struct cert {
	struct view name;		/* "ssh-ed25519-cert-v01@openssh.com" */
	struct view plain;		/* name of the key's own type */
	struct view fields;		/* the key's fields as they follow its name in a plain blob */
	uint64_t serial, after, before;	/* seconds since 1970; before: excluded */
	uint32_t type;
	struct view id, principals, critical, extensions, ca, sig;
	struct view covered;		/* what the signature covers */
};

/* blob is borrowed. SSH_OK, SSH_E_UNKNOWN_KEY when it is no certificate of a kind we have, SSH_E_FORMAT. Nothing is verified. */
int cert_parse(struct cert *, struct view blob);
/* Appends the blob of the key it is about; checked by whoever opens it. SSH_OK, SSH_E_FULL, SSH_E_NOMEM. */
int cert_key(const struct cert *, struct buf *);
/* Is the CA's key a good one and the signature its? SSH_OK, SSH_E_BAD_VALUE, SSH_E_BAD_SIG. Whether the CA is trusted is not asked. */
int cert_verify(const struct cert *);

#endif
