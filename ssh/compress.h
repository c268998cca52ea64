#ifndef SSH_COMPRESS_H
#define SSH_COMPRESS_H
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/*
 * compress - the two streams of zlib compression (RFC 4253 6.2, 1950, 1951): payloads in, payloads out, one partial flush for each.
 * The only file that includes zlib.h. A stream begins with its keys (or with the login) and is thrown away with them.
 * Both streams can be written down between two packets, and go on in another process. For the files of ssh/ only.
 */

struct inflater;	/* what we receive: 7 KiB, 32 KiB of history, the payload handled last */
struct deflater;	/* what we send: 264 KiB */
struct mem;

/* Begins a stream. SSH_OK, SSH_E_NOMEM. */
int  inflater_new(struct inflater **, const struct mem *);
void inflater_free(struct inflater *);		/* wipes; NULL is fine */
/*
 * One packet's payload as it was before compression: borrowed until the next call. SSH_E_TOO_BIG when it is longer than max bytes:
 * no more than that is ever inflated or kept. SSH_E_COMPRESS: it is no such stream, or there is nothing in it; SSH_E_NOMEM.
 */
int  inflater_take(struct inflater *, struct view packet, size_t max, struct view *payload);
/* The payload taken last is not needed any more: wipes it. */
void inflater_wipe(struct inflater *);
/* Bytes that are kept for a payload; and gives them back. */
size_t inflater_size(const struct inflater *);
void inflater_shrink(struct inflater *);
/* SSH_OK, or SSH_E_NOT_NOW: the peer has begun a block that the next packet goes on with. */
int  inflater_export(struct inflater *, struct wr *);
/* SSH_OK, SSH_E_STATE, SSH_E_NOMEM. */
int  inflater_import(struct inflater **, struct rd *, const struct mem *);

int  deflater_new(struct deflater **, const struct mem *);
void deflater_free(struct deflater *);
/* The most bytes that n become: random ones grow. */
size_t deflater_bound(struct deflater *, size_t n);
/* n bytes from p, which lie nowhere in to, become *len at to, which has room for deflater_bound(n). SSH_OK, SSH_E_BUG. */
int  deflater_put(struct deflater *, const uint8_t *p, size_t n, uint8_t *to, size_t *len);
/* What goes on from there forgets what was said before; the peer's side need not know. */
int  deflater_export(struct deflater *, struct wr *);
int  deflater_import(struct deflater **, struct rd *, const struct mem *);
/* Forgets as well: from here on the same bytes are said as after an import of what an export says now. */
void deflater_mark(struct deflater *);

#endif
