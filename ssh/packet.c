#include "ssh/packet.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "ssh/compress.h"
#include "ssh/transport.h"

/* Shape of a direction's packets; what RFC 4253 6 says of the "none" cipher before the first keys. */
struct shape { size_t block, head, tag; int apart; };

static struct shape shape_of(const struct packet_dir *d)
{
	if (d->cipher == NULL)
		return (struct shape){ 8, 4, 0, 0 };
	return (struct shape){ cipher_block(d->cipher), cipher_head_len(d->cipher), cipher_tag_len(d->cipher),
	    cipher_length_apart(d->cipher) };
}

/* ---- receiving ------------------------------------------------------------------------ */

static uint32_t length_max(const struct ssh *s)
{
	return s->authenticated ? SSH_PACKET_MAX : SSH_PREAUTH_PACKET_MAX;
}

static int length_check(const struct ssh *s, const struct shape *sh, uint32_t n)
{
	if (n > length_max(s))
		return SSH_E_TOO_BIG;
	/* padding_length, one byte of payload, four of padding */
	if (n < 1 + 1 + 4 || ((sh->apart ? 0u : 4u) + n) % sh->block != 0)
		return SSH_E_FORMAT;
	return SSH_OK;
}

/* 1 when s->rx->length is known. p is written to when the length does not stand apart. */
static int length_learn(struct ssh *s, const struct shape *sh, uint8_t *p, size_t have)
{
	struct packet_dir *d = s->rx;
	uint32_t n;
	int r;

	if (d->length != 0)
		return 1;
	if (have < sh->head)
		return 0;
	if (d->cipher == NULL)
		n = get_u32(p);
	else
		TRY(cipher_length(d->cipher, d->seq, p, &n));
	if ((r = length_check(s, sh, n)) < 0)
		return d->cipher ? SSH_E_MAC : r;
	d->length = n;
	return 1;
}

static void count_in(struct ssh *s, size_t whole)
{
	struct packet_dir *d = s->rx;

	d->length = 0;
	d->seq++;
	d->total++;
	d->packets++;
	d->bytes += whole;
	s->more->packets_in++;
	s->more->bytes_in += whole;
	if (!s->authenticated)
		s->more->preauth_bytes += whole;
}

/* n bytes of what was lent become the input's own. */
static int lent_move(struct ssh *s, size_t n)
{
	struct view *lent = &s->more->lent;
	int r;

	if (n > lent->len)
		n = lent->len;
	if (n == 0)
		return SSH_OK;
	TRY(buf_append(&s->in, lent->p, n));
	*lent = view_of(lent->p + n, lent->len - n);
	return SSH_OK;
}

int packet_lent_keep(struct ssh *s)
{
	return lent_move(s, s->more->lent.len);
}

/*
 * With bytes lent: a packet that lies in them as a whole is opened from there to the input; 1 and its length in *whole. Of one that
 * is cut, what it lacks is moved behind its beginning; 0, to be looked at there.
 */
static int lent_take(struct ssh *s, const struct shape *sh, size_t *whole)
{
	struct view *lent = &s->more->lent;
	struct packet_dir *d = s->rx;
	uint8_t *to, head[4];
	int r;

	if (!sh->apart || d->cipher == NULL)
		return packet_lent_keep(s);
	if (buf_len(&s->in) < sizeof head && (buf_len(&s->in) > 0 || lent->len < sizeof head))
		TRY(lent_move(s, sizeof head - buf_len(&s->in)));
	if (buf_len(&s->in) > 0) {
		if ((r = length_learn(s, sh, buf_head(&s->in), buf_len(&s->in))) <= 0)
			return r;
		*whole = 4 + (size_t)d->length + sh->tag;
		return *whole > buf_len(&s->in) ? lent_move(s, *whole - buf_len(&s->in)) : SSH_OK;
	}
	memcpy(head, lent->p, sizeof head);
	TRY(length_learn(s, sh, head, sizeof head));
	*whole = 4 + (size_t)d->length + sh->tag;
	if (*whole > lent->len)
		return packet_lent_keep(s);
	if ((to = buf_reserve(&s->in, *whole)) == NULL)
		return SSH_E_NOMEM;
	TRY(cipher_open(d->cipher, d->seq, lent->p, to, *whole - sh->tag));
	buf_commit(&s->in, *whole);
	*lent = view_of(lent->p + *whole, lent->len - *whole);
	return 1;
}

static int waste(struct ssh *s)
{
	struct packet_dir *d = s->rx;
	size_t n;
	int r;

	TRY(packet_lent_keep(s));
	n = buf_len(&s->in) < d->doomed ? buf_len(&s->in) : d->doomed;
	if (n > 0)
		cipher_waste(d->cipher, buf_head(&s->in), n);
	buf_consume(&s->in, n);
	d->doomed -= (uint32_t)n;
	return d->doomed > 0 ? 0 : SSH_E_MAC;
}

/*
 * A packet is no good, which shows in its first seen bytes. Where its length is encrypted with the rest, somebody may have moved a block of
 * cipher text there to learn from our answer what it says (CPNI-957037, Albrecht, Paterson, Watson 2009). So the answer is the
 * same, and comes at the same byte, whatever came out: the last one of the longest packet there can be. (OpenSSH does
 * so for CBC; in counter mode the length itself could be learnt.)
 */
static int doom(struct ssh *s, const struct shape *sh, size_t seen)
{
	if (sh->apart)
		return SSH_E_MAC;
	s->rx->doomed = (uint32_t)(4 + length_max(s) + sh->tag - seen);
	buf_consume(&s->in, seen);
	return waste(s);
}

/* A whole packet at the head of s->in, opened: 1. */
static int take(struct ssh *s, const struct shape *sh, size_t *whole)
{
	struct packet_dir *d = s->rx;
	uint8_t *p;
	int r;

	if (d->doomed > 0)
		return waste(s);
	if (s->more->lent.len > 0 && (r = lent_take(s, sh, whole)) != 0)
		return r;
	p = buf_head(&s->in);
	if ((r = length_learn(s, sh, p, buf_len(&s->in))) <= 0)
		return r == SSH_E_MAC ? doom(s, sh, sh->head) : r;
	*whole = 4 + (size_t)d->length + sh->tag;
	if (buf_len(&s->in) < *whole)
		return 0;
	if (d->cipher != NULL && (r = cipher_open(d->cipher, d->seq, p, p, *whole - sh->tag)) < 0)
		return r == SSH_E_MAC ? doom(s, sh, *whole) : r;
	return 1;
}

int packet_take(struct ssh *s, struct view *payload)
{
	struct shape sh = shape_of(s->rx);
	size_t whole = 0;
	uint8_t *p;
	uint32_t n;
	int r;

	if (s->rx->packets >= SSH_KEY_PACKETS_MAX)
		return SSH_E_LIMIT;
	if ((r = take(s, &sh, &whole)) <= 0)
		return r;
	p = buf_head(&s->in);
	n = s->rx->length;
	count_in(s, whole);
	if (!s->authenticated && s->more->preauth_bytes > SSH_PREAUTH_BYTES)
		return SSH_E_LIMIT;
	if (p[4] < 4 || (uint32_t)p[4] + 2 > n)		/* at least one byte of payload */
		return SSH_E_FORMAT;
	s->in_packet = whole;
	*payload = view_of(p + PACKET_HEAD, n - 1 - p[4]);
	return s->rx->inflate == NULL ? 1 : packet_inflate(s, payload);
}

/* ---- sending -------------------------------------------------------------------------- */

static size_t padding(const struct shape *sh, size_t payload_len)
{
	size_t pad = sh->block - ((sh->apart ? 0u : 4u) + 1 + payload_len) % sh->block;

	return pad < 4 ? pad + sh->block : pad;
}

static size_t whole_len(const struct shape *sh, size_t payload_len)
{
	return PACKET_HEAD + payload_len + padding(sh, payload_len) + sh->tag;
}

size_t packet_overhead(const struct ssh *s, size_t payload_len)
{
	struct shape sh = shape_of(s->tx);

	return whole_len(&sh, payload_len);
}

uint64_t packet_key_room(const struct ssh *s)
{
	return s->tx->bytes < s->tx->bytes_max ? s->tx->bytes_max - s->tx->bytes : 0;
}

static void pad_with(struct ssh *s, uint8_t *p, size_t n)
{
	if (s->env.padding != NULL)
		s->env.padding(s->env.ctx, s->tx->total, p, n);
	else
		s->env.random(s->env.ctx, p, n);
}

/* FNV-1a over words: not for secrecy, the tags are a keyed hash of all that was sent already. */
static void chain(struct ssh *s, const uint8_t *tag, size_t n)
{
	uint64_t word;

	for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
		memcpy(&word, tag + i, sizeof word);
		s->more->chain = (s->more->chain ^ word) * UINT64_C(0x100000001b3);
	}
}

/* At from: PACKET_HEAD free bytes, the payload, and room for padding. To p, which has room for the tag too; it may be the same place. */
static int seal(struct ssh *s, const struct shape *sh, uint8_t *from, uint8_t *p, size_t payload_len)
{
	struct packet_dir *d = s->tx;
	size_t pad = padding(sh, payload_len), n = PACKET_HEAD + payload_len + pad;
	int r;

	if (d->packets >= SSH_KEY_PACKETS_MAX)
		return SSH_E_LIMIT;
	put_u32(from, (uint32_t)(n - 4));
	from[4] = (uint8_t)pad;
	if (d->cipher != NULL) {
		pad_with(s, from + PACKET_HEAD + payload_len, pad);
		TRY(cipher_seal(d->cipher, d->seq, from, p, n));
		chain(s, p + n, sh->tag);
	} else {
		memset(from + PACKET_HEAD + payload_len, 0, pad);
		memmove(p, from, n);
	}
	d->seq++;
	d->total++;
	d->packets++;
	d->bytes += n + sh->tag;
	s->more->packets_out++;
	s->more->bytes_out += n + sh->tag;
	return SSH_OK;
}

int packet_finish(struct ssh *s, size_t mark)
{
	struct shape sh = shape_of(s->tx);
	size_t payload_len = buf_len(&s->out) - mark - PACKET_HEAD, tail;
	int r;

	log_note(NOTE_SSH_OUT, buf_head(&s->out)[mark + PACKET_HEAD], payload_len);
	if (s->tx->deflate != NULL) {
		TRY(packet_deflate(s, mark));
		payload_len = buf_len(&s->out) - mark - PACKET_HEAD;
	}
	tail = padding(&sh, payload_len) + sh.tag;
	if (buf_len(&s->out) + tail > s->out.max)
		return SSH_E_FULL;
	if (buf_reserve(&s->out, tail) == NULL)
		return SSH_E_NOMEM;
	TRY(seal(s, &sh, buf_head(&s->out) + mark, buf_head(&s->out) + mark, payload_len));
	buf_commit(&s->out, tail);
	return SSH_OK;
}

int packet_send(struct ssh *s, struct view payload)
{
	static const uint8_t head[PACKET_HEAD];
	size_t mark = buf_len(&s->out);
	struct wr w = wr_to(&s->out);
	int r;

	wr_raw(&w, head, sizeof head);
	wr_raw(&w, payload.p, payload.len);
	if ((r = wr_done(&w)) == SSH_OK)
		r = packet_finish(s, mark);
	if (r < 0)
		buf_truncate(&s->out, mark);
	return r;
}

/* ---- DATA without a copy ---------------------------------------------------------------- */

int packet_fill_begin(struct ssh *s, int count, size_t head_len, size_t data_len, uint8_t **data)
{
	struct shape sh = shape_of(s->tx);
	size_t each = whole_len(&sh, head_len + data_len), room = each, sealed = 0;
	uint8_t *p;

	if (s->error)
		return s->error;
	if (s->more->fill_open || s->more->msg_open || count <= 0)
		return SSH_E_BUG;
	if (s->tx->deflate != NULL) {	/* not in place: the plain text lies behind what it becomes */
		sealed = whole_len(&sh, deflater_bound(s->tx->deflate, head_len + data_len));
		room += sealed;
	}
	if (msg_held(s) || room * (size_t)count > s->out.max - buf_len(&s->out))
		return SSH_E_FULL;
	if ((p = buf_reserve(&s->out, room * (size_t)count)) == NULL)
		return SSH_E_NOMEM;
	s->more->fill_open = 1;
	s->more->fill_head = head_len;
	s->more->fill_data = data_len;
	packet_fill_from(s, count, p + sealed * (size_t)count, data);
	return SSH_OK;
}

void packet_fill_from(struct ssh *s, int count, uint8_t *from, uint8_t **data)
{
	struct session_more *m = s->more;
	size_t each = packet_overhead(s, m->fill_head + m->fill_data);

	for (int i = 0; i < count; i++)
		data[i] = from + (size_t)i * each + PACKET_HEAD + m->fill_head;
	m->fill_from = from;
}

size_t packet_fill_extent(const struct ssh *s, size_t n)
{
	const struct session_more *m = s->more;
	size_t rest = n % m->fill_data, whole = n / m->fill_data * packet_overhead(s, m->fill_head + m->fill_data);

	return whole + (rest > 0 ? packet_overhead(s, m->fill_head + rest) : 0);
}

/* Nothing between begin and end moves s->out, so the next packet's place is simply its tail. */
int packet_fill_packet(struct ssh *s, const uint8_t *head, size_t n)
{
	struct session_more *m = s->more;
	struct shape sh = shape_of(s->tx);
	uint8_t *p = s->out.v + s->out.tail, *from = m->fill_from;
	size_t len = m->fill_head + n;
	int r;

	if (!m->fill_open || n > m->fill_data)
		return SSH_E_BUG;
	memcpy(from + PACKET_HEAD, head, m->fill_head);
	log_note(NOTE_SSH_OUT, head[0], len);
	if (s->tx->deflate != NULL) {
		TRY(deflater_put(s->tx->deflate, from + PACKET_HEAD, len, p + PACKET_HEAD, &len));
		from = p;
	}
	TRY(seal(s, &sh, from, p, len));
	buf_commit(&s->out, whole_len(&sh, len));
	m->fill_from += whole_len(&sh, m->fill_head + n);
	if (n < m->fill_data)
		m->fill_open = 0;	/* the places behind it are off by the difference now */
	return SSH_OK;
}

void packet_fill_end(struct ssh *s)
{
	s->more->fill_open = 0;
}

/* ---- keys -------------------------------------------------------------------------------- */

void packet_rekey(struct packet_dir *d, struct cipher *c, int reset, uint64_t bytes_max)
{
	cipher_free(d->cipher);
	d->cipher = c;
	d->packets = d->bytes = 0;
	d->bytes_max = bytes_max;
	if (reset)
		d->seq = 0;
}

/*
 * RFC 4344 3.2 allows 2^(L/4) blocks of L bits: 64 GiB with AES. For shorter blocks it says a gigabyte, as OpenSSH and OTP
 * take it, and so do they for the stream cipher ChaCha20, which SSH counts as one of them. (Of the 2^27 blocks of
 * triple DES under one key two are the same with a chance of 2^-11; who wants less has RekeyLimit.)
 */
uint64_t packet_bytes_max(const struct cipher_alg *alg, uint64_t policy)
{
	uint64_t max = alg->block >= 16 ? UINT64_C(1) << 36 : UINT64_C(1) << 30;

	return policy != 0 && policy < max ? policy : max;
}
