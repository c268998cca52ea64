#include "ssh/compress.h"

#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/secret.h"

#define LEVEL        6		/* as OpenSSH */
#define WINDOW_BITS 15
#define WINDOW     (1u << WINDOW_BITS)
#define MEM_LEVEL    8
#define TAIL_MAX     8u		/* bytes behind the last whole block: an empty one that is not over has 2 */
#define BITS_MAX     7		/* of a byte that is not full */
#define FLUSH_MAX   16u		/* what deflateBound() leaves out: header, partial flush, bits left over, a block's end */

/*
 * Both streams are raw deflate (RFC 1951), and the header of RFC 1950 is read and written here: the checksum behind it would only
 * come at an end that never comes, and a raw stream can be taken up in the middle.
 */
static const uint8_t header[2] = { 0x78, 0x9c };	/* RFC 1950 2.2: deflate, 32 KiB window, default level */

/* ---- zlib's memory: what is given back has been wiped, it held what users typed ---- */

union block { size_t n; max_align_t align; };

static void *take_memory(void *mem, unsigned items, unsigned size)
{
	size_t n = (size_t)items * size + sizeof(union block);
	union block *b = mem_resize(mem, NULL, n);

	if (b == NULL)
		return NULL;
	b->n = n;
	return b + 1;
}

static void give_back(void *mem, void *p)
{
	union block *b = (union block *)p - 1;

	secret_wipe(b, b->n);
	mem_free(mem, b);
}

static void set_memory(z_stream *z, const struct mem *mem)
{
	z->zalloc = take_memory;
	z->zfree = give_back;
	z->opaque = (void *)(uintptr_t)mem;
}

static int error_of(int z)
{
	return z == Z_OK ? SSH_OK : z == Z_MEM_ERROR ? SSH_E_NOMEM : SSH_E_BUG;
}

/* ---- what we receive -------------------------------------------------------------------------- */

struct inflater {
	z_stream z;
	const struct mem *mem;
	int begun;			/* the header was read */
	struct buf plain;		/* the payload */
	/* where the last whole block ended: so many bits of the byte before the tail, and the tail, belong to the next one */
	unsigned bits, value;
	size_t tail_len;		/* over TAIL_MAX: too many to keep, or something came of them */
	uint8_t tail[TAIL_MAX];
};

int inflater_new(struct inflater **res, const struct mem *mem)
{
	struct inflater *f = mem_zalloc(mem, sizeof *f);
	int r;

	*res = NULL;
	if (f == NULL)
		return SSH_E_NOMEM;
	f->mem = mem;
	buf_init(&f->plain, SSH_PACKET_MAX + 1, mem);
	set_memory(&f->z, mem);
	if ((r = error_of(inflateInit2(&f->z, -WINDOW_BITS))) < 0) {
		mem_free(mem, f);
		return r;
	}
	*res = f;
	return SSH_OK;
}

void inflater_free(struct inflater *f)
{
	const struct mem *mem;

	if (f == NULL)
		return;
	mem = f->mem;
	inflateEnd(&f->z);
	buf_drop(&f->plain);
	secret_wipe(f, sizeof *f);
	mem_free(mem, f);
}

/* RFC 1950 2.2: no other method, no dictionary, a window of at most 32 KiB. */
static int read_header(struct view *packet)
{
	const uint8_t *p = packet->p;

	if (packet->len < sizeof header || (p[0] & 15) != Z_DEFLATED || p[0] >> 4 > WINDOW_BITS - 8 || (p[1] & 32) || (p[0] * 256 + p[1]) % 31 != 0)
		return SSH_E_COMPRESS;
	*packet = view_of(p + sizeof header, packet->len - sizeof header);
	return SSH_OK;
}

/* zlib stands behind a block; made: bytes of payload so far. */
struct block_end { const uint8_t *at; unsigned bits; size_t made; };

static void keep_tail(struct inflater *f, const struct view packet, const struct block_end *end)
{
	size_t n = (size_t)(packet.p + packet.len - end->at);

	f->tail_len = SIZE_MAX;
	if (n > TAIL_MAX || buf_len(&f->plain) != end->made || end->bits > BITS_MAX || (end->bits > 0 && end->at == packet.p))
		return;
	f->bits = end->bits;
	f->value = end->bits > 0 ? (unsigned)end->at[-1] >> (8 - end->bits) : 0;
	f->tail_len = n;
	memcpy(f->tail, end->at, n);
}

/* Room for more, a byte over max at most, so that what is too long shows. */
static int make_room(struct inflater *f, size_t max)
{
	size_t have = buf_len(&f->plain), room;

	if (have > max)
		return SSH_E_TOO_BIG;
	room = f->plain.size > have ? f->plain.size - have : have > 0 ? have : 4096;
	if (room > max + 1 - have)
		room = max + 1 - have;
	if ((f->z.next_out = buf_reserve(&f->plain, room)) == NULL)
		return SSH_E_NOMEM;
	f->z.avail_out = (unsigned)room;
	return SSH_OK;
}

/* To the next end of a block, of the input or of the room. Nobody ends the stream: a last block is none of ours. */
static int inflate_some(struct inflater *f)
{
	unsigned room = f->z.avail_out;
	int z = inflate(&f->z, Z_BLOCK);

	buf_commit(&f->plain, room - f->z.avail_out);
	if (z == Z_MEM_ERROR)
		return SSH_E_NOMEM;
	return (z == Z_OK || z == Z_BUF_ERROR) && !(f->z.data_type & 64) ? SSH_OK : SSH_E_COMPRESS;
}

int inflater_take(struct inflater *f, struct view packet, size_t max, struct view *payload)
{
	struct block_end end;
	int r;

	buf_truncate(&f->plain, 0);
	buf_consume(&f->plain, 0);
	if (!f->begun)
		TRY(read_header(&packet));
	f->begun = 1;
	if (max > SSH_PACKET_MAX)
		max = SSH_PACKET_MAX;
	end = (struct block_end){ packet.p, 0, SIZE_MAX };	/* none yet: the last one was in an earlier packet */
	f->z.next_in = (uint8_t *)(uintptr_t)packet.p;
	f->z.avail_in = (unsigned)packet.len;
	do {
		TRY(make_room(f, max));
		TRY(inflate_some(f));
		if (f->z.data_type & 128)
			end = (struct block_end){ f->z.next_in, (unsigned)f->z.data_type & 63, buf_len(&f->plain) };
	} while (f->z.avail_in > 0 || f->z.avail_out == 0);
	keep_tail(f, packet, &end);
	if (buf_len(&f->plain) == 0)
		return SSH_E_COMPRESS;
	*payload = view_of(buf_head(&f->plain), buf_len(&f->plain));
	return SSH_OK;
}

void inflater_wipe(struct inflater *f)
{
	if (f->plain.v != NULL)
		secret_wipe(f->plain.v, f->plain.size);
}

size_t inflater_size(const struct inflater *f)
{
	return f->plain.size;
}

void inflater_shrink(struct inflater *f)
{
	buf_drop(&f->plain);
}

int inflater_export(struct inflater *f, struct wr *w)
{
	uint8_t window[WINDOW];
	unsigned n = 0;

	if (f->begun && f->tail_len > TAIL_MAX)
		return SSH_E_NOT_NOW;
	wr_bool(w, f->begun);
	if (!f->begun)
		return SSH_OK;
	wr_u8(w, (uint8_t)f->bits);
	wr_u8(w, (uint8_t)f->value);
	wr_string(w, f->tail, f->tail_len);
	if (inflateGetDictionary(&f->z, window, &n) != Z_OK)
		return SSH_E_BUG;
	wr_string(w, window, n);
	secret_wipe(window, n);
	return SSH_OK;
}

/* Takes the stream up behind a whole block. */
static int take_up(struct inflater *f, struct view tail, struct view window)
{
	uint8_t nothing;

	if (inflateSetDictionary(&f->z, window.p, (unsigned)window.len) != Z_OK)
		return SSH_E_NOMEM;
	if (inflatePrime(&f->z, (int)f->bits, (int)f->value) != Z_OK)
		return SSH_E_STATE;
	memcpy(f->tail, tail.p, tail.len);
	f->tail_len = tail.len;
	f->z.next_in = f->tail;
	f->z.avail_in = (unsigned)tail.len;
	f->z.next_out = &nothing;
	f->z.avail_out = sizeof nothing;
	for (unsigned i = 0; f->z.avail_in > 0 && i < 8 * TAIL_MAX; i++) {
		int z = inflate(&f->z, Z_BLOCK);

		if (z == Z_MEM_ERROR)
			return SSH_E_NOMEM;
		if ((z != Z_OK && z != Z_BUF_ERROR) || f->z.avail_out == 0 || (f->z.data_type & (64 | 128)))
			return SSH_E_STATE;
	}
	return f->z.avail_in == 0 ? SSH_OK : SSH_E_STATE;
}

static int inflater_read(struct inflater *f, struct rd *in)
{
	struct view tail, window;

	f->begun = rd_bool(in);
	if (in->bad)
		return SSH_E_STATE;
	if (!f->begun)
		return SSH_OK;
	f->bits = rd_u8(in);
	f->value = rd_u8(in);
	tail = rd_string(in, TAIL_MAX);
	window = rd_string(in, WINDOW);
	if (in->bad || f->bits > BITS_MAX || f->value >> f->bits != 0 || window.len == 0)
		return SSH_E_STATE;
	return take_up(f, tail, window);
}

int inflater_import(struct inflater **res, struct rd *in, const struct mem *mem)
{
	struct inflater *f;
	int r;

	*res = NULL;
	TRY(inflater_new(&f, mem));
	if ((r = inflater_read(f, in)) < 0) {
		inflater_free(f);
		return r;
	}
	*res = f;
	return SSH_OK;
}

/* ---- what we send ------------------------------------------------------------------------------ */

struct deflater {
	z_stream z;
	const struct mem *mem;
	int begun;			/* the header was written */
};

int deflater_new(struct deflater **res, const struct mem *mem)
{
	struct deflater *d = mem_zalloc(mem, sizeof *d);
	int r;

	*res = NULL;
	if (d == NULL)
		return SSH_E_NOMEM;
	d->mem = mem;
	set_memory(&d->z, mem);
	if ((r = error_of(deflateInit2(&d->z, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY))) < 0) {
		mem_free(mem, d);
		return r;
	}
	*res = d;
	return SSH_OK;
}

void deflater_free(struct deflater *d)
{
	const struct mem *mem;

	if (d == NULL)
		return;
	mem = d->mem;
	deflateEnd(&d->z);
	secret_wipe(d, sizeof *d);
	mem_free(mem, d);
}

size_t deflater_bound(struct deflater *d, size_t n)
{
	return deflateBound(&d->z, n) + FLUSH_MAX;
}

int deflater_put(struct deflater *d, const uint8_t *p, size_t n, uint8_t *to, size_t *len)
{
	size_t room = deflater_bound(d, n), used = 0;

	if (!d->begun) {
		memcpy(to, header, sizeof header);
		used = sizeof header;
		d->begun = 1;
	}
	d->z.next_in = (uint8_t *)(uintptr_t)p;
	d->z.avail_in = (unsigned)n;
	d->z.next_out = to + used;
	d->z.avail_out = (unsigned)(room - used);
	if (deflate(&d->z, Z_PARTIAL_FLUSH) != Z_OK || d->z.avail_in != 0 || d->z.avail_out == 0)
		return SSH_E_BUG;
	*len = room - d->z.avail_out;
	return SSH_OK;
}

/*
 * Of the byte that is not full at the end of a packet. They are all zero: a partial flush ends with an empty block of the fixed code,
 * whose end is seven zeros (RFC 1951 3.2.6).
 */
static int bits_left(struct deflater *d)
{
	int bits = 0;

	return deflatePending(&d->z, Z_NULL, &bits) == Z_OK && bits >= 0 && bits <= BITS_MAX ? bits : -1;
}

int deflater_export(struct deflater *d, struct wr *w)
{
	int bits = bits_left(d);

	if (bits < 0)
		return SSH_E_BUG;
	wr_bool(w, d->begun);
	wr_u8(w, (uint8_t)bits);
	return SSH_OK;
}

int deflater_import(struct deflater **res, struct rd *in, const struct mem *mem)
{
	int begun = rd_bool(in), bits = rd_u8(in), r;

	*res = NULL;
	if (in->bad || bits > BITS_MAX || (bits > 0 && !begun))
		return SSH_E_STATE;
	TRY(deflater_new(res, mem));
	(*res)->begun = begun;
	deflatePrime(&(*res)->z, bits, 0);
	return SSH_OK;
}

void deflater_mark(struct deflater *d)
{
	int bits = bits_left(d);

	if (bits < 0)
		return;
	deflateReset(&d->z);
	deflatePrime(&d->z, bits, 0);
}
