#ifndef SSH_CRYPTO_FILECRYPT_H
#define SSH_CRYPTO_FILECRYPT_H
#include "ssh/crypto/crypto.h"

/* filecrypt - how private key files are encrypted: a key derivation, a cipher, and the effort we are willing to spend. */

enum file_kdf {
	FILE_KDF_BCRYPT,	/* PROTOCOL.key of OpenSSH; makes key and initialisation vector */
	FILE_KDF_PBKDF2,	/* RFC 8018 5.2 */
	FILE_KDF_SCRYPT,	/* RFC 7914 */
	FILE_KDF_MD5		/* of "DEK-Info:" (RFC 1421), as OpenSSL fills it: MD5 once, the first 8 bytes of iv are the salt */
};

#define FILECRYPT_EFFORT 1024u	/* some seconds */

struct filecrypt {
	struct view cipher;	/* SSH's name: "aes256-ctr" */
	enum file_kdf kdf;
	enum hash_id hash;	/* PBKDF2 */
	struct view salt, iv;
	uint64_t rounds;	/* scrypt: N */
	uint64_t r, p;		/* scrypt */
};

/* Block size of a cipher we can open files with, and the length of the tag behind what it encrypted; 0: unknown cipher. */
size_t filecrypt_block(struct view cipher, size_t *tag_len);
/*
 * Decrypts in to out (in.len bytes). effort bounds what the file may make us compute: rounds of bcrypt, 4,096 iterations of
 * PBKDF2, or 1 MiB of scrypt each; 0: FILECRYPT_EFFORT. SSH_OK; SSH_E_LIMIT when it asks for more; SSH_E_BAD_VALUE when
 * its numbers make no sense; SSH_E_MAC for a wrong tag (or passphrase); SSH_E_CRYPTO.
 */
int filecrypt_open(const struct filecrypt *, struct view passphrase, uint32_t effort, struct view in, struct view tag, uint8_t *out);

#endif
