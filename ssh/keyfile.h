#ifndef SSH_KEYFILE_H
#define SSH_KEYFILE_H
#include "base/wire.h"

/* keyfile - key files, parsed from and written to memory; no file is opened here. */

struct buf;
struct privkey;

/*
 * OpenSSH v1 private key ("-----BEGIN OPENSSH PRIVATE KEY-----", PROTOCOL.key), not encrypted.
 * SSH_E_PASSPHRASE when it is encrypted, SSH_E_UNKNOWN_KEY for a key type we do not have,
 * SSH_E_KEYFILE when it is damaged. comment (may be NULL) gets a NUL-terminated copy of at most 255 bytes.
 */
int keyfile_read_private(struct privkey **, struct view file, char comment[256]);
int keyfile_write_private(struct buf *, const struct privkey *, const char *comment);
/* "ssh-ed25519 AAAA… comment\n" */
int keyfile_write_public(struct buf *, struct view blob, const char *comment);
/* The base64 text of a public key line into blob bytes; SSH_E_FORMAT. */
int keyfile_decode_base64(struct buf *, struct view text);

#endif
