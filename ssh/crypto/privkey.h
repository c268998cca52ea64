#ifndef SSH_CRYPTO_PRIVKEY_H
#define SSH_CRYPTO_PRIVKEY_H
#include <gcrypt.h>

#include "base/buf.h"
#include "ssh/crypto/crypto.h"

/* privkey - what a private key is made of; shared by privkey.c (use) and privkey_file.c (bytes). */

struct privkey {
	enum key_kind kind;
	struct pubkey *pub;
	struct buf blob;		/* public half as it goes over the wire */
	struct buf priv;		/* private part of the OpenSSH v1 format, without comment */
	uint8_t ed25519[64];		/* seed and public key, as libsodium has it */
	gcry_sexp_t gcry;		/* P-256, RSA */
};

#endif
