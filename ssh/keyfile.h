#ifndef SSH_KEYFILE_H
#define SSH_KEYFILE_H
#include <stdint.h>

#include "base/wire.h"

/* keyfile - key files, parsed from and written to memory; no file is opened here. */

struct buf;
struct privkey;

/* Where and why a file could not be read. why: a sentence without capital and stop, static; line from 1, 0: the whole file. */
struct keyfile_fault { unsigned line; const char *why; };

/* How to open what is encrypted. effort: FILECRYPT_EFFORT when 0 (ssh/crypto/filecrypt.h). */
struct keyfile_secret { struct view passphrase; uint32_t effort; };

/*
 * A private key: OpenSSH's format ("-----BEGIN OPENSSH PRIVATE KEY-----", PROTOCOL.key), PKCS #1, SEC 1 and OpenSSL's DSA
 * format ("RSA", "EC", "DSA"; RFC 8017, 5915), PKCS #8 (RFC 5208, 8410), all in PEM (RFC 7468) and each with or without a
 * passphrase: bcrypt, "DEK-Info" (RFC 1421) and PBES2 with PBKDF2 or scrypt (RFC 8018, 7914).
 * secret may be NULL: then SSH_E_PASSPHRASE when the file is encrypted, as for a wrong passphrase. SSH_E_UNKNOWN_KEY for
 * a key type we do not have, SSH_E_KEYFILE when it is damaged or no private key. comment (may be NULL) gets a NUL-terminated
 * copy of at most 255 bytes. fault (may be NULL) is set on every error.
 */
int keyfile_read_private(struct privkey **, struct view file, const struct keyfile_secret *, char comment[256], struct keyfile_fault *);
int keyfile_write_private(struct buf *, const struct privkey *, const char *comment);
/*
 * A public key or certificate: one line as ssh-keygen writes it (the first that is neither empty nor a comment), RFC 4716, or the
 * public half of an OpenSSH private key, which is never encrypted. The blob is appended to the buffer, checked as a peer's
 * key; of types that pubkey_parse() does not know only the name is: SSH_OK, SSH_E_KEYFILE, SSH_E_NOMEM.
 */
int keyfile_read_public(struct buf *blob, struct view file, char comment[256], struct keyfile_fault *);
/* "ssh-ed25519 AAAA… comment\n" */
int keyfile_write_public(struct buf *, struct view blob, const char *comment);
/* The base64 text of a public key line into blob bytes; SSH_E_FORMAT. */
int keyfile_decode_base64(struct buf *, struct view text);

#endif
