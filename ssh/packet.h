#ifndef SSH_PACKET_H
#define SSH_PACKET_H
#include <stddef.h>
#include <stdint.h>

#include "ssh/session.h"

/* packet - binary packets (RFC 4253 6): framing, sequence numbers, and the keys of each direction. */

#define PACKET_HEAD 5u		/* uint32 packet_length, byte padding_length */

struct packet_dir {
	struct cipher *cipher;		/* NULL before the first NEWKEYS */
	uint32_t seq;			/* of the next packet */
	uint32_t length;		/* packet_length of the packet half received; 0: not known yet */
	uint32_t doomed;		/* receiving: bytes to read yet before a bad packet ends the connection; 0: none was bad */
	uint64_t total;			/* packets since the connection began */
	uint64_t packets, bytes;	/* under the current keys; bytes with length, padding and tag */
	uint64_t bytes_max;		/* rekey when bytes reach this; packets have bounds of their own (base/limits.h) */
	/* compression agreed on, and its stream once it runs: one of the two, by direction */
	const struct comp_alg *comp;
	struct inflater *inflate;
	struct deflater *deflate;
};

/*
 * One packet from the head of s->in, checked and decrypted in place (or to there, of what was lent): 1 and its payload (at least
 * one byte, borrowed from s->in; s->in_packet says how much to drop later), 0: more bytes are needed.
 * SSH_E_MAC for anything wrong with an encrypted packet before its MAC was right, so that a
 * peer in the middle learns nothing from the kind of error, and where the length is encrypted with the rest, nothing
 * from the moment of it: it comes when as many bytes are there as the longest packet has. SSH_E_FORMAT, SSH_E_TOO_BIG.
 */
int  packet_take(struct ssh *, struct view *payload);
/* What is left of the bytes of ssh_input_lend() becomes the input's own. SSH_OK, SSH_E_NOMEM, SSH_E_FULL. */
int  packet_lent_keep(struct ssh *);
/* The bytes at the tail of s->out behind mark are PACKET_HEAD free bytes and a payload: makes them a packet. */
int  packet_finish(struct ssh *, size_t mark);
/* One payload as a packet, now, whatever a key exchange holds back. */
int  packet_send(struct ssh *, struct view payload);
/*
 * New keys for a direction: the cipher is taken over, the old one wiped. reset: strict kex, the
 * sequence number starts again. bytes_max: rekey after that many bytes.
 */
void packet_rekey(struct packet_dir *, struct cipher *, int reset, uint64_t bytes_max);
/* Bytes one key may cover: the cipher's bound (RFC 4344 3.2 as OpenSSH reads it) or policy if that is less; policy 0: none. */
uint64_t packet_bytes_max(const struct cipher_alg *, uint64_t policy);

/* ---- packet_compress.c: compression of payloads (RFC 4253 6.2) ---- */

/* After packet_rekey(): the stream ends with the keys, and the next one begins if this method does with keys. SSH_OK, SSH_E_NOMEM. */
int  packet_compress_keys(struct ssh *, struct packet_dir *, const struct comp_alg *);
/* Logged in: methods that waited for it begin, both ways, after the packet being handled (USERAUTH_SUCCESS). SSH_OK, SSH_E_NOMEM. */
int  packet_compress_login(struct ssh *);
void packet_compress_end(struct packet_dir *);
/* The payload of the packet just opened, inflated: 1, as packet_take(). What is too long ends the connection. */
int  packet_inflate(struct ssh *, struct view *payload);
/* The payload behind mark, as packet_finish() expects it, compressed. */
int  packet_deflate(struct ssh *, size_t mark);
/* Wipes the packet being handled: it held a password. */
void packet_wipe(struct ssh *);
/* What is kept for inflated payloads, bytes; and gives it back, between two packets. */
size_t packet_plain_size(const struct ssh *);
void packet_plain_shrink(struct ssh *);
/* Both directions as they are, for state.c. SSH_OK; SSH_E_NOT_NOW: see inflater_export(). */
int  packet_compress_export(struct ssh *, struct wr *);
int  packet_compress_import(struct ssh *, struct rd *);
void packet_compress_none(struct ssh *);

#endif
