#ifndef SSH_CRYPTO_KEY_H
#define SSH_CRYPTO_KEY_H
#include <gcrypt.h>

#include "base/buf.h"
#include "ssh/crypto/crypto.h"

/*
 * key - what keys are made of, and what each family of them (key_*.c) can do; only for ssh/crypto/.
 * A family sees bytes and says what they mean; names, proofs and memory are pubkey.c's and privkey.c's.
 */

struct pubkey {
	const struct mem *mem;
	enum key_kind kind;
	unsigned bits;
	gcry_sexp_t gcry;		/* all but Ed25519 */
	size_t len;
	uint8_t v[];			/* Ed25519: the key; RSA: the modulus; DSA: q; else not used */
};

struct privkey {
	enum key_kind kind;
	struct pubkey *pub;
	struct buf blob;		/* public half as it goes over the wire */
	struct buf priv;		/* private part of the OpenSSH v1 format, without comment */
	uint8_t ed25519[64];		/* seed and public key, as libsodium has it */
	gcry_sexp_t gcry;		/* all but Ed25519 */
};

struct key_ops {
	/* The fields of a key blob behind its name: checks all of them and makes *res with pubkey_make(). */
	int (*parse)(struct pubkey **res, enum key_kind, struct rd *fields, const struct mem *);
	/* sig: the bytes in the signature blob, not empty. */
	enum verdict (*verify)(const struct pubkey *, const struct sig_alg *, struct view data, struct view sig);
	/* A new key as fields of PROTOCOL.key behind its name; NULL: of a seed, or none are made. */
	int (*generate)(struct wr *, enum key_kind, unsigned bits);
	/* The same from the secret number alone; NULL: not possible. */
	int (*complete)(struct wr *, enum key_kind, struct view secret);
	/*
	 * Reads those fields into k; calls privkey_set_public() with the public blob, which it wrote to k->blob,
	 * before anything of it reaches a library.
	 */
	int (*read)(struct privkey *k, struct rd *fields);
	/* Writes the signature's bytes as a string. */
	int (*sign)(const struct privkey *, const struct sig_alg *, struct view data, struct wr *);
	size_t seed;		/* so many random bytes are the secret that complete() makes a new key of; 0: it takes more */
};

extern const struct key_ops key_ed25519, key_ed448, key_ecdsa, key_rsa, key_dsa;
/* NULL for KEY_NONE. */
const struct key_ops *key_ops_of(enum key_kind);

/* A public key with a copy of v; SSH_E_NOMEM. */
int pubkey_make(struct pubkey **, enum key_kind, struct view v, const struct mem *);
/* w wrote k->blob: parses it with every check of a peer's key. */
int privkey_set_public(struct privkey *k, const struct wr *w);

#endif
