#include "ssh/chan.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "ssh/mux.h"

/* What RFC 4254 5.2 keeps count of; whoever breaks this would hand out windows that nobody has room for. */
static void check(const struct chan *c)
{
	assert(c->room + c->unread + c->credit == c->window);
}

static struct ssh_event *tell(struct ssh *s, enum ssh_event_type type, const struct chan *c)
{
	struct ssh_event *e = ssh_event_new(s, type);

	if (e != NULL)
		e->chan = c->id;
	return e;
}

/* ---- receiving */

void chan_answered(struct ssh *s, struct chan *c)
{
	uint64_t took = s->now - c->asked_at;

	if (c->asked_at == 0)
		return;
	c->asked_at = 0;
	if (took < s->mux->rtt)		/* a busy line or peer only makes it longer */
		s->mux->rtt = took;
}

/*
 * n bytes were consumed. After a round trip or more: with a window of twice what one round trip consumes the peer never waits for it.
 * What is larger already stays: it costs nothing while it is consumed.
 */
static void measure(struct ssh *s, struct chan *c, size_t n)
{
	struct mux *m = s->mux;
	uint64_t took = s->now - c->measured_at, window, most;

	if (m->rtt > CHAN_RTT_MAX || c->eof_got || c->close_got)
		return;
	c->drained += n;
	if (took < m->rtt || took < CHAN_MEASURE_MS)
		return;
	window = 2 * c->drained * m->rtt / took;
	c->measured_at = s->now;
	c->drained = 0;
	most = m->window_max - m->grown;	/* all of them together */
	if (c->window + most > m->window_max)
		most = m->window_max > c->window ? m->window_max - c->window : 0;
	if (window <= c->window || most == 0)
		return;
	n = window - c->window < most ? window - c->window : most;
	c->window += (uint32_t)n;
	c->grown += (uint32_t)n;
	m->grown += (uint32_t)n;
	c->credit += n;
	log_ev(LOGL_DEBUG, "ev=window chan=%u window=%u rtt=%u", c->id, c->window, (unsigned)m->rtt);
}

/*
 * Gives consumed bytes back to the peer, not in driblets: a quarter of the window at a time, so the peer always
 * has three quarters while nothing is unread. Each WINDOW_ADJUST is a packet, a write and a turn of the peer's loop.
 */
static int grant(struct ssh *s, struct chan *c)
{
	uint64_t enough = c->window / 4 < CHAN_GRANT_MAX ? c->window / 4 : CHAN_GRANT_MAX;
	struct wr w;
	int r;

	check(c);
	if (c->credit == 0 || c->credit < enough || c->eof_got || c->close_got || c->close_sent)
		return SSH_OK;
	msg_begin(s, &w, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	wr_u32(&w, c->peer);
	wr_u32(&w, (uint32_t)c->credit);
	TRY(msg_end(s, &w));
	c->room += c->credit;
	c->credit = 0;
	check(c);
	return SSH_OK;
}

int ssh_chan_consumed(struct ssh *s, uint32_t chan, size_t n)
{
	struct chan *c = s->error == SSH_OK ? mux_find(s, chan) : NULL;
	int r;

	if (c == NULL || n > c->unread)
		return SSH_E_NOT_NOW;
	c->unread -= n;
	c->credit += n;
	measure(s, c, n);
	r = grant(s, c);
	return r < 0 ? ssh_fail(s, r) : SSH_OK;
}

/* DATA and EXTENDED_DATA alike. What nobody will read is dropped, but must still fit the window. */
static int received(struct ssh *s, uint32_t id, uint32_t ext, struct view data)
{
	struct ssh_event *e;
	struct chan *c;
	int r;

	TRY(mux_peer_chan(s, id, &c));
	if (data.len > c->packet)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "channel data longer than the maximum packet size");
	if (data.len > c->room)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "channel data beyond the window");
	c->room -= data.len;
	if (ext > 1 || c->eof_got || c->close_sent) {
		c->credit += data.len;
		return grant(s, c);
	}
	c->unread += data.len;
	check(c);
	if (data.len == 0)
		return SSH_OK;
	if ((e = tell(s, SSH_EV_CHAN_DATA, c)) == NULL)
		return SSH_E_BUG;
	e->ext = ext;
	e->data = data;
	e->stays = data.p >= s->in.v && data.p < s->in.v + s->in.size;	/* nothing is written there before the next input */
	return SSH_OK;
}

int ssh_on_chan_data(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in);
	struct view data = rd_string(in, SSH_PACKET_MAX);
	int r;

	TRY(rd_done(in));
	return received(s, id, 0, data);
}

int ssh_on_chan_extended(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in), ext = rd_u32(in);
	struct view data = rd_string(in, SSH_PACKET_MAX);
	int r;

	TRY(rd_done(in));
	/* 0 is no code of RFC 4254 5.2; it must not pass for plain data. */
	return received(s, id, ext == 0 ? UINT32_MAX : ext, data);
}

/* ---- sending */

static int may_send(const struct chan *c)
{
	return c->state == CHAN_OPEN && !c->eof_sent && !c->close_sent && !c->close_got;
}

size_t chan_room(const struct ssh *s, const struct chan *c)
{
	size_t queued = buf_len(&s->out), space;
	uint64_t left = packet_key_room(s);

	if (s->error != SSH_OK || !may_send(c) || msg_held(s) || queued >= SSH_OUTPUT_HIGH)
		return 0;
	/* Never so little under the mark, or RekeyLimit, that packets become crumbs. */
	space = SSH_OUTPUT_HIGH - queued < left ? SSH_OUTPUT_HIGH - queued : (size_t)left;
	if (space < CHAN_PACKET)
		space = CHAN_PACKET;
	return c->peer_room < space ? (size_t)c->peer_room : space;
}

int chan_room_event(struct ssh *s, struct chan *c)
{
	if (!c->starved || chan_room(s, c) == 0)
		return SSH_OK;
	c->starved = 0;
	return tell(s, SSH_EV_CHAN_ROOM, c) == NULL ? SSH_E_BUG : SSH_OK;
}

int ssh_on_chan_window(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in), add = rd_u32(in);
	struct chan *c;
	int r;

	TRY(rd_done(in));
	TRY(mux_peer_chan(s, id, &c));
	if (c->peer_room + add > UINT32_MAX)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "window larger than 2^32-1");
	c->peer_room += add;
	return chan_room_event(s, c);
}

/* The room, remembering that the user was refused when there is none. */
static size_t room_or_starve(const struct ssh *s, struct chan *c)
{
	size_t room = chan_room(s, c);

	c->starved = room == 0 && may_send(c);
	return room;
}

int ssh_chan_get_info(const struct ssh *s, uint32_t chan, struct ssh_chan_info *i)
{
	const struct chan *c = mux_find(s, chan);

	if (c == NULL)
		return SSH_E_NOT_NOW;
	*i = (struct ssh_chan_info){ .window_in = c->room, .window_out = c->peer_room, .unread = c->unread };
	return SSH_OK;
}

size_t ssh_chan_room(const struct ssh *s, uint32_t chan)
{
	struct chan *c = mux_usable(s, chan);

	return c == NULL ? 0 : room_or_starve(s, c);
}

/* Prepares packets for at most want bytes. Returns how many, or an error, which ends the connection. */
static int fill(struct ssh *s, struct chan *c, uint32_t ext, size_t want, uint8_t **data, int max)
{
	struct mux *m = s->mux;
	size_t each = c->peer_packet < CHAN_SEND_MAX ? c->peer_packet : CHAN_SEND_MAX;
	size_t room = room_or_starve(s, c);
	int r;

	if (want > room)
		want = room;
	if (want == 0 || max <= 0)
		return 0;
	if (each > want)
		each = want;
	if (max > (int)CHAN_FILL_MAX)
		max = CHAN_FILL_MAX;
	if (want / each < (size_t)max)
		max = (int)(want / each);
	if ((r = packet_fill_begin(s, max, ext == 0 ? 9 : 13, each, data)) < 0)
		return ssh_fail(s, r);
	m->fill_chan = c->id;
	m->fill_ext = ext;
	m->fill_each = each;
	m->fill_count = max;
	return max;
}

int ssh_chan_fill(struct ssh *s, uint32_t chan, uint32_t ext, struct iovec *iov, int max)
{
	struct chan *c = mux_usable(s, chan);
	uint8_t *data[CHAN_FILL_MAX];
	int count;

	if (c == NULL || c->eof_sent || s->mux->fill_count > 0)
		return SSH_E_NOT_NOW;
	count = fill(s, c, ext, SIZE_MAX, data, max);
	for (int i = 0; i < count; i++)
		iov[i] = (struct iovec){ data[i], s->mux->fill_each };
	return count;
}

int ssh_chan_fill_from(struct ssh *s, uint8_t *from, struct iovec *iov)
{
	struct mux *m = s->mux;
	uint8_t *data[CHAN_FILL_MAX];

	if (m == NULL || m->fill_count == 0)
		return SSH_E_NOT_NOW;
	packet_fill_from(s, m->fill_count, from, data);
	for (int i = 0; i < m->fill_count; i++)
		iov[i].iov_base = data[i];
	return SSH_OK;
}

size_t ssh_chan_fill_extent(const struct ssh *s, size_t n)
{
	return s->mux == NULL || s->mux->fill_count == 0 ? 0 : packet_fill_extent(s, n);
}

/* The head of DATA or EXTENDED_DATA but for the length, which stands last. */
static size_t data_head(uint8_t head[13], uint32_t peer, uint32_t ext)
{
	head[0] = ext == 0 ? SSH_MSG_CHANNEL_DATA : SSH_MSG_CHANNEL_EXTENDED_DATA;
	put_u32(head + 1, peer);
	if (ext == 0)
		return 9;
	put_u32(head + 5, ext);
	return 13;
}

int ssh_chan_fill_done(struct ssh *s, size_t n)
{
	struct mux *m = s->mux;
	struct chan *c = mux_find(s, m->fill_chan);
	int count = m->fill_count, r = SSH_OK;
	uint8_t head[13];
	size_t head_len;

	if (count == 0)
		return n == 0 ? SSH_OK : SSH_E_NOT_NOW;
	m->fill_count = 0;
	if (c == NULL || n > (size_t)count * m->fill_each) {
		packet_fill_end(s);
		return ssh_fail(s, SSH_E_BUG);
	}
	head_len = data_head(head, c->peer, m->fill_ext);
	while (n > 0 && r == SSH_OK) {
		size_t k = n < m->fill_each ? n : m->fill_each;

		put_u32(head + head_len - 4, (uint32_t)k);
		r = packet_fill_packet(s, head, k);
		c->peer_room -= k;
		n -= k;
	}
	packet_fill_end(s);
	return r < 0 ? ssh_fail(s, r) : SSH_OK;
}

int ssh_chan_write(struct ssh *s, uint32_t chan, uint32_t ext, const uint8_t *p, size_t n)
{
	struct chan *c = mux_usable(s, chan);
	uint8_t *data[CHAN_FILL_MAX];
	size_t done = 0, total;
	int count, r;

	if (c == NULL || c->eof_sent || s->mux->fill_count > 0)
		return SSH_E_NOT_NOW;
	if (n > INT32_MAX)
		n = INT32_MAX;
	while (done < n) {
		TRY(count = fill(s, c, ext, n - done, data, CHAN_FILL_MAX));
		if (count == 0)
			break;
		total = (size_t)count * s->mux->fill_each;
		for (int i = 0; i < count; i++)
			memcpy(data[i], p + done + (size_t)i * s->mux->fill_each, s->mux->fill_each);
		TRY(ssh_chan_fill_done(s, total));
		done += total;
	}
	return (int)done;
}

/* ---- the end (RFC 4254 5.3) */

static int say_number(struct ssh *s, uint8_t type, const struct chan *c)
{
	struct wr w;

	msg_begin(s, &w, type);
	wr_u32(&w, c->peer);
	return msg_end(s, &w);
}

int ssh_chan_eof(struct ssh *s, uint32_t chan)
{
	struct chan *c = mux_usable(s, chan);
	int r;

	if (c == NULL || s->mux->fill_count > 0)
		return SSH_E_NOT_NOW;
	if (c->eof_sent)
		return SSH_OK;
	if ((r = say_number(s, SSH_MSG_CHANNEL_EOF, c)) < 0)
		return ssh_fail(s, r);
	c->eof_sent = 1;
	c->starved = 0;
	return SSH_OK;
}

/* Both have said CLOSE: the number is free. */
static int ended(struct ssh *s, struct chan *c)
{
	if (tell(s, SSH_EV_CHAN_CLOSE, c) == NULL)
		return SSH_E_BUG;
	mux_forget(s, c);
	return SSH_OK;
}

int ssh_chan_close(struct ssh *s, uint32_t chan)
{
	struct chan *c = mux_usable(s, chan);
	int r;

	if (c == NULL || s->mux->fill_count > 0)
		return SSH_E_NOT_NOW;
	if ((r = say_number(s, SSH_MSG_CHANNEL_CLOSE, c)) < 0)
		return ssh_fail(s, r);
	c->close_sent = 1;
	c->starved = 0;
	return c->close_got ? ended(s, c) : SSH_OK;
}

int ssh_chan_linger(struct ssh *s, uint32_t chan)
{
	struct chan *c = mux_usable(s, chan);

	if (c == NULL)
		return SSH_E_NOT_NOW;
	c->linger = 1;
	return SSH_OK;
}

int ssh_on_chan_eof(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in);
	struct chan *c;
	int r;

	TRY(rd_done(in));
	TRY(mux_peer_chan(s, id, &c));
	if (c->eof_got || c->close_sent)
		return SSH_OK;
	c->eof_got = 1;
	return tell(s, SSH_EV_CHAN_EOF, c) == NULL ? SSH_E_BUG : SSH_OK;
}

/* Answered with CLOSE unless ours is already out or the user wants to say it. */
int ssh_on_chan_close(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in);
	struct chan *c;
	int r;

	TRY(rd_done(in));
	TRY(mux_peer_chan(s, id, &c));
	if (c->linger && !c->close_sent) {
		c->close_got = 1;
		c->starved = 0;
		return tell(s, SSH_EV_CHAN_CLOSING, c) == NULL ? SSH_E_BUG : SSH_OK;
	}
	if (!c->close_sent)
		TRY(say_number(s, SSH_MSG_CHANNEL_CLOSE, c));
	return ended(s, c);
}

/* ---- moving */

void chan_export(const struct chan *c, struct wr *w)
{
	wr_u32(w, c->id);
	wr_u8(w, c->state);
	if (c->state == CHAN_FREE)
		return;
	wr_u32(w, c->peer);
	wr_bool(w, c->eof_sent);
	wr_bool(w, c->eof_got);
	wr_bool(w, c->close_sent);
	wr_bool(w, c->close_got);
	wr_bool(w, c->linger);
	wr_bool(w, c->starved);
	wr_u32(w, c->window);
	wr_u32(w, c->packet);
	wr_u64(w, c->room);
	wr_u64(w, c->unread);
	wr_u64(w, c->credit);
	wr_u64(w, c->peer_room);
	wr_u32(w, c->peer_packet);
	wr_u16(w, c->asked);
	wr_u16(w, c->waiting);
}

int chan_import(struct chan *c, struct rd *in)
{
	memset(c, 0, sizeof *c);
	c->id = rd_u32(in);
	c->state = rd_u8(in);
	if (in->bad || c->state > CHAN_OPEN || c->id > CHAN_ID_MASK)
		return SSH_E_STATE;
	if (c->state == CHAN_FREE)
		return SSH_OK;
	c->peer = rd_u32(in);
	c->eof_sent = (uint8_t)rd_bool(in);
	c->eof_got = (uint8_t)rd_bool(in);
	c->close_sent = (uint8_t)rd_bool(in);
	c->close_got = (uint8_t)rd_bool(in);
	c->linger = (uint8_t)rd_bool(in);
	c->starved = (uint8_t)rd_bool(in);
	c->window = rd_u32(in);
	c->packet = rd_u32(in);
	c->room = rd_u64(in);
	c->unread = rd_u64(in);
	c->credit = rd_u64(in);
	c->peer_room = rd_u64(in);
	c->peer_packet = rd_u32(in);
	c->asked = rd_u16(in);
	c->waiting = rd_u16(in);
	if (in->bad || c->room > c->window || c->unread > c->window || c->credit > c->window ||
	    c->room + c->unread + c->credit != c->window || c->peer_room > UINT32_MAX ||
	    c->asked > CHAN_REQUESTS_MAX || c->waiting > CHAN_REQUESTS_MAX)
		return SSH_E_STATE;
	if (c->state != CHAN_OPENING && c->peer_packet < CHAN_PACKET_MIN)
		return SSH_E_STATE;
	return SSH_OK;
}

static void put_since(const struct ssh *s, struct wr *w, uint64_t at)
{
	wr_u64(w, at == 0 ? 0 : s->now - at + 1);
}

static uint64_t get_since(const struct ssh *s, struct rd *in)
{
	uint64_t age = rd_u64(in);

	return age == 0 || age > s->now ? 0 : s->now - age + 1;
}

void chan_export_growth(const struct ssh *s, const struct chan *c, struct wr *w)
{
	wr_u32(w, c->grown);
	wr_u64(w, c->drained);
	put_since(s, w, c->measured_at);
	put_since(s, w, c->asked_at);
}

int chan_import_growth(const struct ssh *s, struct chan *c, struct rd *in)
{
	c->grown = rd_u32(in);
	c->drained = rd_u64(in);
	c->measured_at = get_since(s, in);
	c->asked_at = get_since(s, in);
	return in->bad || c->grown > c->window || c->drained > UINT64_C(1) << 40 ? SSH_E_STATE : SSH_OK;
}
