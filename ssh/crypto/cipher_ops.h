#ifndef SSH_CRYPTO_CIPHER_OPS_H
#define SSH_CRYPTO_CIPHER_OPS_H
#include <gcrypt.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/crypto/crypto.h"

/* cipher_ops - what cipher.c and its modes know of one direction's cipher; only for ssh/crypto/. */

#define CIPHER_KEY_MAX 64u
#define CIPHER_IV_MAX  16u
#define LENGTH_LEN      4u	/* packet_length */

struct cipher {
	const struct mem *mem;
	const struct cipher_alg *alg;
	const struct mac_alg *mac;	/* NULL with an AEAD */
	const struct cipher_ops *ops;
	int encrypt;
	int head_open;			/* the first block of the packet is already plain text */
	int broken;			/* a MAC failed; nothing more comes out of here */
	gcry_cipher_hd_t hd;
	gcry_mac_hd_t poly;		/* Poly1305 */
	gcry_md_hd_t md;		/* the hash of an HMAC */
	/* Together with the rows this is the whole state: the handles can be made again from it. */
	uint8_t key[CIPHER_KEY_MAX];
	uint8_t iv[CIPHER_IV_MAX];	/* GCM: of the next packet; CTR: the next counter block; CBC: the last block of cipher text */
	uint8_t mac_key[CIPHER_KEY_MAX];
};

/*
 * One mode. seal and open: a whole packet, as cipher_seal() and cipher_open() in crypto.h. The others are NULL where they have no
 * meaning.
 */
struct cipher_ops {
	int gcry_mode;			/* GCRY_CIPHER_MODE_*; NONE: start opens the handle */
	/* The handle has its key; this gives it the iv. */
	int (*start)(struct cipher *);
	/* Whole blocks that follow the last ones, in the cipher's direction, to the same place or one that does not overlap. */
	int (*crypt)(struct cipher *, const uint8_t *from, uint8_t *to, size_t n);
	/* The packet_length of an AEAD that encrypts it; the others' is read where it stands. */
	uint32_t (*length)(const struct cipher *, uint32_t seq, const uint8_t *pkt);
	int (*seal)(struct cipher *, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n);
	int (*open)(struct cipher *, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n);
};

extern const struct cipher_ops cipher_chacha, cipher_gcm, cipher_ctr, cipher_cbc;

/* cipher_mac.c: seal and open of the modes that have crypt, with an HMAC beside them */
int cipher_mac_seal(struct cipher *, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n);
int cipher_mac_open(struct cipher *, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n);

#endif
