#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "ssh/compress.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/* packet_compress - which stream compresses the payloads of a direction, from when on (RFC 4253 6.2, draft-miller-secsh-compression-delayed). */

/* ---- beginning and end ----------------------------------------------------------------- */

static int begin(struct ssh *s, struct packet_dir *d)
{
	return d == s->tx ? deflater_new(&d->deflate, s->env.mem) : inflater_new(&d->inflate, s->env.mem);
}

void packet_compress_end(struct packet_dir *d)
{
	inflater_free(d->inflate);
	deflater_free(d->deflate);
	d->inflate = NULL;
	d->deflate = NULL;
}

/* 6.2: initialized after each key exchange. OpenSSH, PuTTY, Dropbear, paramiko and asyncssh do so. */
int packet_compress_keys(struct ssh *s, struct packet_dir *d, const struct comp_alg *alg)
{
	packet_compress_end(d);
	d->comp = alg;
	if (alg->method == COMP_NONE || (alg->begin == COMP_AT_LOGIN && !s->authenticated))
		return SSH_OK;
	return begin(s, d);
}

static int begin_delayed(struct ssh *s, struct packet_dir *d)
{
	return d->comp != NULL && d->comp->method != COMP_NONE && d->comp->begin == COMP_AT_LOGIN ? begin(s, d) : SSH_OK;
}

int packet_compress_login(struct ssh *s)
{
	int r;

	TRY(begin_delayed(s, s->rx));
	return begin_delayed(s, s->tx);
}

/* ---- payloads ------------------------------------------------------------------------------ */

int packet_inflate(struct ssh *s, struct view *payload)
{
	int r;

	TRY(inflater_take(s->rx->inflate, *payload, s->authenticated ? SSH_PACKET_MAX : SSH_PREAUTH_PACKET_MAX, payload));
	if (s->authenticated)
		return 1;
	/* Before login what it costs to inflate counts, and not what it cost to send. */
	s->more->preauth_bytes += payload->len;
	return s->more->preauth_bytes > SSH_PREAUTH_BYTES ? SSH_E_LIMIT : 1;
}

int packet_deflate(struct ssh *s, size_t mark)
{
	size_t n = buf_len(&s->out) - mark - PACKET_HEAD, bound = deflater_bound(s->tx->deflate, n), len;
	uint8_t *from, *to;
	int r;

	/* A stream that was told of a payload must say it: whether there is room is asked before. */
	if (bound + packet_overhead(s, bound) > s->out.max - buf_len(&s->out))
		return SSH_E_FULL;
	if ((to = buf_reserve(&s->out, bound)) == NULL)
		return SSH_E_NOMEM;
	from = buf_head(&s->out) + mark + PACKET_HEAD;
	TRY(deflater_put(s->tx->deflate, from, n, to, &len));
	memmove(from, to, len);
	buf_truncate(&s->out, mark + PACKET_HEAD);
	buf_commit(&s->out, len);
	if (!s->authenticated)		/* it may have held a password */
		secret_wipe(from + len, (size_t)(to + bound - (from + len)));
	return SSH_OK;
}

void packet_wipe(struct ssh *s)
{
	if (s->in_packet == 0)
		return;
	secret_wipe(buf_head(&s->in), s->in_packet);
	if (s->rx->inflate != NULL)
		inflater_wipe(s->rx->inflate);
}

size_t packet_plain_size(const struct ssh *s)
{
	return s->rx->inflate != NULL ? inflater_size(s->rx->inflate) : 0;
}

void packet_plain_shrink(struct ssh *s)
{
	if (s->rx->inflate != NULL)
		inflater_shrink(s->rx->inflate);
}

/* ---- moving: in this order the method of each direction, what runs of it, and how it stands ---- */

static int put_dir(const struct packet_dir *d, struct wr *w)
{
	wr_cstr(w, d->comp->name);
	wr_bool(w, d->inflate != NULL || d->deflate != NULL);
	if (d->inflate != NULL)
		return inflater_export(d->inflate, w);
	return d->deflate != NULL ? deflater_export(d->deflate, w) : SSH_OK;
}

int packet_compress_export(struct ssh *s, struct wr *w)
{
	int r;

	TRY(put_dir(s->rx, w));
	return put_dir(s->tx, w);
}

/* Of a method that runs from the login on the phase tells whether it does. */
static int makes_sense(const struct ssh *s, const struct comp_alg *alg, int runs)
{
	return runs == (alg->method != COMP_NONE && (alg->begin == COMP_AT_NEWKEYS || s->authenticated));
}

static int get_dir(struct ssh *s, struct packet_dir *d, int which, struct rd *in)
{
	const struct comp_alg *alg = comp_alg_find(rd_string(in, SSH_ALG_NAME_MAX));
	int runs = rd_bool(in);

	if (in->bad || alg == NULL || !makes_sense(s, alg, runs))
		return SSH_E_STATE;
	d->comp = s->kex->now.comp[which] = alg;
	if (!runs)
		return SSH_OK;
	return d == s->rx ? inflater_import(&d->inflate, in, s->env.mem) : deflater_import(&d->deflate, in, s->env.mem);
}

void packet_compress_none(struct ssh *s)
{
	const struct comp_alg *none = comp_alg_find(view_str("none"));

	s->rx->comp = s->tx->comp = s->kex->now.comp[0] = s->kex->now.comp[1] = none;
}

int packet_compress_import(struct ssh *s, struct rd *in)
{
	int in_dir = s->role == SSH_SERVER ? 0 : 1, r;

	TRY(get_dir(s, s->rx, in_dir, in));
	return get_dir(s, s->tx, !in_dir, in);
}
