#ifndef SSH_CRYPTO_CRYPTO_H
#define SSH_CRYPTO_CRYPTO_H
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/secret.h"
#include "base/wire.h"

/*
 * crypto - what the core needs, in SSH's words. Everything behind it is libgcrypt or libsodium.
 * Every value that a peer chose is checked in peer_input.c before a library sees it: both
 * libraries trust their input, and libgcrypt aborts on some of it.
 * Errors are SSH_E_*. No function here is safe to call from two threads on one object.
 */

struct buf;
struct mem;

#define CRYPTO_SEED 32

/* ---- life ------------------------------------------------------------------ */
/* Once per process, before anything else here; SSH_OK or SSH_E_CRYPTO (library missing or too old). */
int  crypto_init(void);
/* In the child after every fork: forgets buffered randomness, so that no two processes share any. */
void crypto_forked(void);
/* Fast-key-erasure stream seeded from getrandom(2); fits struct ssh_env.random. ctx is not used. */
void crypto_random(void *ctx, uint8_t *p, size_t n);

/* The number-th run of a stream that the seed decides: the same bytes each time. n at most 64 bytes are different for each number. */
void crypto_seeded(const uint8_t seed[CRYPTO_SEED], uint64_t number, uint8_t *p, size_t n);

/* ---- hashes ----------------------------------------------------------------- */
enum hash_id { HASH_NONE, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 };

size_t hash_len(enum hash_id);
/* Hash over the concatenation of n parts into out (hash_len() bytes). SSH_OK or SSH_E_CRYPTO. */
int    hash_parts(enum hash_id, const struct view *parts, size_t n, uint8_t out[SSH_HASH_MAX]);

/* ---- algorithm rows ----------------------------------------------------------- */
/* ALG_HOSTKEY: what a host can show, its certificates first; ALG_SIG: those of it that are plain keys, for users. */
enum alg_kind { ALG_KEX, ALG_SIG, ALG_CIPHER, ALG_MAC, ALG_COMP, ALG_HOSTKEY };

enum kem_id {
	KEM_X25519, KEM_X448, KEM_P256, KEM_P384, KEM_P521, KEM_DH1, KEM_DH14, KEM_DH16, KEM_DH18, KEM_DH_GEX,
	KEM_MLKEM768_X25519, KEM_SNTRUP761_X25519, KEM_MAX
};
enum key_kind { KEY_NONE, KEY_ED25519, KEY_ED448, KEY_P256, KEY_P384, KEY_P521, KEY_RSA, KEY_DSA, KEY_KINDS };
enum comp_method { COMP_NONE, COMP_ZLIB };
enum comp_begin { COMP_AT_NEWKEYS, COMP_AT_LOGIN };
enum cipher_mode { MODE_CHACHAPOLY, MODE_GCM, MODE_CTR, MODE_CBC };

struct kex_alg    { const char *name; int is_default; enum hash_id hash; enum kem_id kem; };
/* name is negotiated, key_name stands in the key blob, sig_name in the signature blob; cert: the blob is a certificate. */
struct sig_alg    { const char *name; int is_default, cert; const char *key_name, *sig_name; enum key_kind kind; enum hash_id hash; };
struct cipher_alg { const char *name; int is_default; enum cipher_mode mode; size_t key_len, iv_len, block, tag_len; };
/* hash HASH_NONE: not a MAC but the AEAD cipher of that name, which brings its own (RFC 5647 5.1). */
struct mac_alg    { const char *name; int is_default; enum hash_id hash; size_t key_len, mac_len; int etm; };
struct comp_alg   { const char *name; int is_default; enum comp_method method; enum comp_begin begin; };

/* By exact name; NULL when unknown. Rows are static: compare pointers, not strings. */
const struct kex_alg    *kex_alg_find(struct view name);
const struct sig_alg    *sig_alg_find(struct view name);
const struct cipher_alg *cipher_alg_find(struct view name);
const struct mac_alg    *mac_alg_find(struct view name);
const struct comp_alg   *comp_alg_find(struct view name);
/* The i-th name of a kind and whether it is on by default; NULL after the last. */
const char *alg_name(enum alg_kind, size_t i, int *is_default);
/* Comma list of the defaults of a kind, in order; static. */
const char *alg_defaults(enum alg_kind);

/* ---- key exchange: one step for either side ------------------------------------------ */
/* RFC 8731, 5656, 4253 8, 8268, 4419; draft-ietf-sshm-mlkem-hybrid-kex; sntrup761x25519 as OpenSSH's */
/* random as in struct ssh_env */
typedef void random_fn(void *ctx, uint8_t *p, size_t n);

struct dh_group { struct view p, g; };	/* a safe prime and a generator, big-endian */

/* A group that the exchange names: KEM_DH1 to KEM_DH18; NULL for the others. */
const struct dh_group *dh_group_of(enum kem_id);
/*
 * Makes the tables with which kem_start() and kem_respond() in that group take less time, for this process and its forks: up to 20 ms,
 * 64 KiB (KEM_DH18). Nothing for other exchanges.
 */
void dh_prepare(enum kem_id);
/* SSH_OK when p is odd, of min to max bits, none of them below 2048 or above SSH_DH_BITS_MAX, and 1 < g < p - 1; else BAD_VALUE. */
int dh_group_check(const struct dh_group *, uint32_t min, uint32_t max);

/* The initiator's private half; group is borrowed. */
struct kem_secret { enum kem_id kem; const struct dh_group *group; size_t len; uint8_t v[2560]; };
/* What both sides know at the end, as it enters the exchange hash and the keys: an mpint or a string, with its length. */
struct kem_shared { size_t len; uint8_t v[SSH_KEX_SHARED_MAX]; };

/*
 * Client: makes a key pair; pub gets *pub_len bytes, what its message carries inside the length field (of an mpint,
 * too). group: with KEM_DH_GEX the one agreed on, which dh_group_check() has accepted; else NULL.
 */
int kem_start(enum kem_id, const struct dh_group *group, random_fn *, void *ctx, struct kem_secret *,
    uint8_t pub[SSH_KEX_PUBLIC_MAX], size_t *pub_len);
/*
 * Server: answers the client's value. SSH_E_BAD_VALUE for a wrong length, a value out of its range or off its curve,
 * a point of low order, an all-zero result.
 */
int kem_respond(enum kem_id, const struct dh_group *group, random_fn *, void *ctx, struct view peer,
    uint8_t pub[SSH_KEX_PUBLIC_MAX], size_t *pub_len, struct kem_shared *k);
/* Client: finishes with the server's value, with the same checks; wipes the secret. */
int kem_finish(struct kem_secret *, struct view peer, struct kem_shared *k);

/* ---- one direction's cipher and MAC -------------------------------------------- */
struct cipher;	/* keys, counters and the half-read packet of one direction */

struct cipher_keys { struct view key, iv, mac_key; };	/* exactly as long as the rows say */

/* mac: NULL with an AEAD cipher. SSH_OK, SSH_E_NOMEM, SSH_E_CRYPTO. */
int    cipher_new(struct cipher **, const struct cipher_alg *, const struct mac_alg *mac,
    const struct cipher_keys *, int encrypt, const struct mem *);
void   cipher_free(struct cipher *);	/* wipes */
size_t cipher_tag_len(const struct cipher *);	/* bytes after the packet: AEAD tag or MAC */
size_t cipher_block(const struct cipher *);	/* padding multiple, at least 8 (RFC 4253 6) */
/* 1: the length field stands outside what padding must align (AEAD and EtM), 0: inside. */
int    cipher_length_apart(const struct cipher *);
/* Bytes of a packet that must be there before cipher_length() can tell: 4, or one block. */
size_t cipher_head_len(const struct cipher *);
/*
 * Encrypts n bytes at plain = uint32 packet_length, padding_length, payload, padding to pkt, which is the same
 * place or one that does not overlap; writes cipher_tag_len() bytes behind them. plain is read only.
 */
int    cipher_seal(struct cipher *, uint32_t seq, const uint8_t *plain, uint8_t *pkt, size_t n);
/*
 * The packet_length of the packet at pkt, of which cipher_head_len() bytes are there. Without an
 * AEAD or EtM the first block is decrypted in place, once: ask once per packet, then open it.
 * The value is the peer's: check it before use.
 */
int    cipher_length(struct cipher *, uint32_t seq, uint8_t *pkt, uint32_t *packet_length);
/*
 * Checks n = 4 + packet_length bytes at pkt, behind which the tag stands, and decrypts them to plain: the same place, or one
 * that does not overlap, and then pkt is read only. SSH_E_MAC.
 */
int    cipher_open(struct cipher *, uint32_t seq, const uint8_t *pkt, uint8_t *plain, size_t n);
/*
 * n bytes that follow a packet which was no good, and are read for nobody: costs what decrypting and authenticating them would
 * (CPNI-957037), wipes them, and lets no packet out any more.
 */
void   cipher_waste(struct cipher *, uint8_t *p, size_t n);
/* Everything needed to go on elsewhere; read it back with cipher_import(). SSH_E_NOT_NOW after a failed packet. */
int    cipher_export(const struct cipher *, struct wr *);
int    cipher_import(struct cipher **, struct rd *, const struct mem *);
/* 1 while the first block of a packet is plain text already, by cipher_length(). */
int    cipher_head_open(const struct cipher *);
/* 1 when it is one of exactly these rows and this direction: what an importer must know before it uses it. */
int    cipher_fits(const struct cipher *, const struct cipher_alg *, const struct mac_alg *, int encrypt);

/* ---- public keys and signatures --------------------------------------------------- */
enum verdict { VERIFY_REJECT = 0, VERIFY_ACCEPT = 0x5a };

struct pubkey;
/*
 * Parses and checks a public key blob (RFC 4253 6.6, 5656 3.1, 8709 4). NULL mem: heap.
 * SSH_E_FORMAT, SSH_E_UNKNOWN_KEY (certificates too: ssh/cert.h), SSH_E_BAD_VALUE (degenerate, off curve, RSA
 * outside 2048..16384 bits).
 */
int  pubkey_parse(struct pubkey **, struct view blob, const struct mem *);
void pubkey_free(struct pubkey *);
enum key_kind pubkey_kind(const struct pubkey *);
const char *pubkey_name(const struct pubkey *);		/* "ssh-rsa" */
unsigned    pubkey_bits(const struct pubkey *);
/* "ED25519", "ED448", "ECDSA", "RSA", "DSA": as sshd's log lines have it. */
const char *key_kind_word(enum key_kind);
/* "SHA256:" and unpadded base64, as ssh-keygen -l; out holds 51 bytes with NUL. */
void key_fingerprint(struct view blob, char out[64]);
/*
 * Does sig (an SSH signature blob: string name, string bytes) cover data under exactly this row?
 * The row's kind must be the key's and the blob's name the row's sig_name. S < L and friends are checked here.
 */
enum verdict pubkey_verify(const struct pubkey *, const struct sig_alg *, struct view data, struct view sig)
    __attribute__((warn_unused_result));

struct privkey;
/* New key; bits only for RSA (0: 3072). Not for KEY_DSA: SSH_E_BUG. */
int  privkey_generate(struct privkey **, enum key_kind, unsigned bits);
void privkey_free(struct privkey *);	/* wipes */
enum key_kind privkey_kind(const struct privkey *);
/* Public half as a blob; borrowed, lives as long as the key. */
struct view privkey_blob(const struct privkey *);
/*
 * Signs data into w as an SSH signature blob (not wrapped in another string), deterministic where
 * the algorithm allows, and verifies it before it leaves (a faulty signature gives the key away).
 */
int  privkey_sign(const struct privkey *, const struct sig_alg *, struct view data, struct wr *);
/*
 * Between the file formats of ssh/keyfile.c and the libraries: the private part of the
 * OpenSSH v1 format (PROTOCOL.key), from the key name on, without comment.
 */
int  privkey_read_private(struct privkey **, struct rd *);
int  privkey_write_private(const struct privkey *, struct wr *);
/*
 * Writes that same private part from the secret number alone, for file formats that hold no more: the seed of an
 * Ed25519 or Ed448 key (RFC 8032), big-endian d of an ECDSA key, the mpints p, q, g, x of a DSA key. SSH_E_FORMAT,
 * SSH_E_BAD_VALUE, SSH_E_CRYPTO, SSH_E_BUG for other kinds.
 */
int  privkey_complete(enum key_kind, struct view secret, struct wr *);

#endif
