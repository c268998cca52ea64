#include "ssh/mux.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

_Static_assert(SSH_GLOBAL_REQUESTS_MAX <= 64, "mux.probes has a bit for each");

#define KEEPALIVE "keepalive@openssh.com"

/* RFC 4254 5.1 */
enum { OPEN_CONNECT_FAILED = 2, OPEN_RESOURCE_SHORTAGE = 4 };

int mux_new(struct ssh *s)
{
	struct mux *m = mem_zalloc(s->env.mem, sizeof *m);

	if (m == NULL)
		return SSH_E_NOMEM;
	m->max = s->policy.max_channels ? s->policy.max_channels : SSH_CHANNELS_MAX;
	if (m->max > CHAN_SLOTS_MAX)
		m->max = CHAN_SLOTS_MAX;
	m->heard = s->now;
	m->rtt = UINT64_MAX;
	m->window_max = s->policy.window_max ? s->policy.window_max : CHAN_WINDOW_MAX;
	s->mux = m;
	return SSH_OK;
}

void mux_free(struct ssh *s)
{
	if (s->mux == NULL)
		return;
	mem_free(s->env.mem, s->mux->slots);
	mem_free(s->env.mem, s->mux);
	s->mux = NULL;
}

uint32_t mux_count(const struct ssh *s)
{
	return s->mux != NULL ? s->mux->used : 0;
}

/* ---- the table */

struct chan *mux_find(const struct ssh *s, uint32_t id)
{
	struct mux *m = s->mux;
	struct chan *c;

	if (m == NULL || CHAN_SLOT(id) >= m->size)
		return NULL;
	c = &m->slots[CHAN_SLOT(id)];
	return c->state != CHAN_FREE && c->id == id ? c : NULL;
}

struct chan *mux_usable(const struct ssh *s, uint32_t id)
{
	struct chan *c = s->error == SSH_OK ? mux_find(s, id) : NULL;

	return c != NULL && c->state == CHAN_OPEN && !c->close_sent ? c : NULL;
}

int mux_peer_chan(struct ssh *s, uint32_t id, struct chan **c)
{
	*c = mux_find(s, id);
	if (*c == NULL || (*c)->state != CHAN_OPEN || (*c)->close_got)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "nonexistent channel");
	chan_answered(s, *c);
	return SSH_OK;
}

static int grow(struct ssh *s)
{
	struct mux *m = s->mux;
	uint32_t size = m->size ? m->size * 2 : 4;
	struct chan *v;

	if (size > m->max)
		size = m->max;
	if ((v = mem_resize(s->env.mem, m->slots, size * sizeof *v)) == NULL)
		return SSH_E_NOMEM;
	memset(v + m->size, 0, (size - m->size) * sizeof *v);
	for (uint32_t i = m->size; i < size; i++)
		v[i].id = i;
	m->slots = v;
	m->size = size;
	return SSH_OK;
}

/* SSH_E_LIMIT: no number is free. */
static int take(struct ssh *s, enum chan_state state, struct chan **res)
{
	struct mux *m = s->mux;
	struct chan *c = NULL;
	uint32_t id;
	int r;

	if (m->used >= m->max)
		return SSH_E_LIMIT;
	if (m->used == m->size)
		TRY(grow(s));
	for (uint32_t i = 0; i < m->size && c == NULL; i++)
		if (m->slots[i].state == CHAN_FREE)
			c = &m->slots[i];
	assert(c != NULL);
	id = c->id;
	memset(c, 0, sizeof *c);
	c->id = id;
	c->state = (uint8_t)state;
	c->window = s->policy.window ? s->policy.window : CHAN_WINDOW;
	c->packet = s->policy.max_packet ? s->policy.max_packet : CHAN_PACKET;
	c->room = c->window;
	m->used++;
	*res = c;
	return SSH_OK;
}

void mux_forget(struct ssh *s, struct chan *c)
{
	s->mux->grown -= c->grown;
	c->state = CHAN_FREE;
	c->id = (c->id + CHAN_SLOTS_MAX) & CHAN_ID_MASK;
	s->mux->used--;
}

/* ---- opening (RFC 4254 5.1) */

static int say_refused(struct ssh *s, uint32_t peer, unsigned reason, const char *text)
{
	struct wr w;

	msg_begin(s, &w, SSH_MSG_CHANNEL_OPEN_FAILURE);
	wr_u32(&w, peer);
	wr_u32(&w, reason);
	wr_cstr(&w, text);
	wr_cstr(&w, "");
	return msg_end(s, &w);
}

int ssh_on_chan_open(struct ssh *s, struct rd *in)
{
	struct view type = rd_string(in, CHAN_NAME_MAX), rest;
	uint32_t peer = rd_u32(in), window = rd_u32(in), packet = rd_u32(in);
	struct ssh_event *e;
	struct chan *c;
	int r;

	rest = rd_rest(in);
	TRY(rd_done(in));
	if (packet < CHAN_PACKET_MIN)
		return say_refused(s, peer, OPEN_CONNECT_FAILED, "maximum packet size too small");
	if ((r = take(s, CHAN_ASKED, &c)) == SSH_E_LIMIT)
		return say_refused(s, peer, OPEN_RESOURCE_SHORTAGE, "too many channels");
	TRY(r);
	c->peer = peer;
	c->peer_room = window;
	c->peer_packet = packet;
	if ((e = ssh_event_new(s, SSH_EV_CHAN_OPEN)) == NULL)
		return SSH_E_BUG;
	e->chan = c->id;
	e->ctype = type;
	e->data = rest;
	return SSH_OK;
}

/* A channel that waits for the other side's answer to its opening; nothing else is an answer. */
static int opening(struct ssh *s, uint32_t id, struct chan **c)
{
	*c = mux_find(s, id);
	if (*c == NULL || (*c)->state != CHAN_OPENING)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "nonexistent channel");
	return SSH_OK;
}

int ssh_on_chan_opened(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in), peer = rd_u32(in), window = rd_u32(in), packet = rd_u32(in);
	struct view rest = rd_rest(in);
	struct ssh_event *e;
	struct chan *c;
	int r;

	TRY(rd_done(in));
	TRY(opening(s, id, &c));
	if (packet < CHAN_PACKET_MIN)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "maximum packet size too small");
	c->state = CHAN_OPEN;
	chan_answered(s, c);
	c->peer = peer;
	c->peer_room = window;
	c->peer_packet = packet;
	if ((e = ssh_event_new(s, SSH_EV_CHAN_OPENED)) == NULL)
		return SSH_E_BUG;
	e->chan = id;
	e->data = rest;
	return SSH_OK;
}

int ssh_on_chan_open_failed(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in), reason = rd_u32(in);
	struct view text = rd_string(in, SSH_PACKET_MAX);
	struct ssh_event *e;
	struct chan *c;
	int r;

	rd_string(in, SSH_PACKET_MAX);		/* language tag */
	TRY(rd_done(in));
	TRY(opening(s, id, &c));
	mux_forget(s, c);
	if ((e = ssh_event_new(s, SSH_EV_CHAN_REFUSED)) == NULL)
		return SSH_E_BUG;
	e->chan = id;
	e->count = reason;
	e->text = text;
	return SSH_OK;
}

int ssh_chan_open(struct ssh *s, const char *type, struct view rest, uint32_t *chan)
{
	struct chan *c;
	struct wr w;
	int r;

	if (s->error != SSH_OK || !s->authenticated)
		return SSH_E_NOT_NOW;
	TRY(take(s, CHAN_OPENING, &c));
	msg_begin(s, &w, SSH_MSG_CHANNEL_OPEN);
	wr_cstr(&w, type);
	wr_u32(&w, c->id);
	wr_u32(&w, c->window);
	wr_u32(&w, c->packet);
	wr_raw(&w, rest.p, rest.len);
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	c->asked_at = s->now;
	*chan = c->id;
	return SSH_OK;
}

int ssh_chan_accept(struct ssh *s, uint32_t chan)
{
	struct chan *c = s->error == SSH_OK ? mux_find(s, chan) : NULL;
	struct wr w;
	int r;

	if (c == NULL || c->state != CHAN_ASKED)
		return SSH_E_NOT_NOW;
	msg_begin(s, &w, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	wr_u32(&w, c->peer);
	wr_u32(&w, c->id);
	wr_u32(&w, c->window);
	wr_u32(&w, c->packet);
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	c->asked_at = s->now;
	c->state = CHAN_OPEN;
	return SSH_OK;
}

int ssh_chan_refuse(struct ssh *s, uint32_t chan, unsigned reason, const char *text)
{
	struct chan *c = s->error == SSH_OK ? mux_find(s, chan) : NULL;
	int r;

	if (c == NULL || c->state != CHAN_ASKED)
		return SSH_E_NOT_NOW;
	if ((r = say_refused(s, c->peer, reason, text)) < 0)
		return ssh_fail(s, r);
	mux_forget(s, c);
	return SSH_OK;
}

/* ---- global requests (RFC 4254 4): answers carry no number, so their order is everything */

int ssh_on_global_request(struct ssh *s, struct rd *in)
{
	struct view type = rd_string(in, CHAN_NAME_MAX), rest;
	int want_reply = rd_bool(in), r;
	struct ssh_event *e;

	rest = rd_rest(in);
	TRY(rd_done(in));
	if (want_reply && ++s->mux->asked > SSH_GLOBAL_REQUESTS_MAX)
		return ssh_fail_text(s, SSH_E_LIMIT, "too many unanswered global requests");
	if ((e = ssh_event_new(s, SSH_EV_GLOBAL_REQUEST)) == NULL)
		return SSH_E_BUG;
	e->ctype = type;
	e->data = rest;
	e->want_reply = want_reply;
	return SSH_OK;
}

int ssh_global_reply(struct ssh *s, int ok, struct view rest)
{
	struct wr w;
	int r;

	if (s->error != SSH_OK || s->mux->asked == 0)
		return SSH_E_NOT_NOW;
	msg_begin(s, &w, ok ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE);
	if (ok)
		wr_raw(&w, rest.p, rest.len);
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	s->mux->asked--;
	return SSH_OK;
}

static int say_global(struct ssh *s, const char *type, int want_reply, struct view rest)
{
	struct wr w;

	msg_begin(s, &w, SSH_MSG_GLOBAL_REQUEST);
	wr_cstr(&w, type);
	wr_bool(&w, want_reply);
	wr_raw(&w, rest.p, rest.len);
	return msg_end(s, &w);
}

int ssh_global_request(struct ssh *s, const char *type, int want_reply, struct view rest)
{
	struct mux *m = s->mux;
	int r;

	if (s->error != SSH_OK || !s->authenticated)
		return SSH_E_NOT_NOW;
	if (want_reply && m->waiting == SSH_GLOBAL_REQUESTS_MAX)
		return SSH_E_FULL;
	if ((r = say_global(s, type, want_reply, rest)) < 0)
		return ssh_fail(s, r);
	if (want_reply)
		m->probes &= ~((uint64_t)1 << m->waiting++);
	return SSH_OK;
}

static int global_answer(struct ssh *s, int ok, struct view rest)
{
	struct mux *m = s->mux;
	struct ssh_event *e;
	int is_probe;

	if (m->waiting == 0)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "answer to no request");
	is_probe = m->probes & 1;
	m->probes >>= 1;
	m->waiting--;
	if (is_probe)
		return SSH_OK;
	if ((e = ssh_event_new(s, SSH_EV_GLOBAL_REPLY)) == NULL)
		return SSH_E_BUG;
	e->ok = ok;
	e->data = rest;
	return SSH_OK;
}

int ssh_on_global_success(struct ssh *s, struct rd *in)
{
	return global_answer(s, 1, rd_rest(in));
}

int ssh_on_global_failure(struct ssh *s, struct rd *in)
{
	int r;

	TRY(rd_done(in));
	return global_answer(s, 0, view_of(NULL, 0));
}

/* ---- keepalive: any packet is a sign of life, as with ClientAliveInterval */

void mux_heard(struct ssh *s)
{
	if (s->mux == NULL)
		return;
	s->mux->heard = s->now;
	s->mux->unanswered = 0;
}

void mux_mark(struct ssh *s)
{
	if (s->mux == NULL)
		return;
	s->mux->heard = s->now;
	s->mux->probed = 0;
}

void ssh_set_alive(struct ssh *s, uint64_t alive_ms, unsigned alive_max)
{
	s->policy.alive_ms = alive_ms;
	s->policy.alive_max = alive_max;
}

uint64_t mux_deadline(const struct ssh *s)
{
	const struct mux *m = s->mux;

	uint64_t since;

	if (m == NULL || s->error != SSH_OK || !s->authenticated || s->policy.alive_ms == 0)
		return UINT64_MAX;
	since = m->probed > m->heard ? m->probed : m->heard;
	return s->policy.alive_ms < UINT64_MAX - since ? since + s->policy.alive_ms : UINT64_MAX;
}

int mux_tick(struct ssh *s)
{
	struct mux *m = s->mux;
	int r;

	if (s->now < mux_deadline(s) || mux_deadline(s) == UINT64_MAX)
		return SSH_OK;
	if (s->policy.alive_max > 0 && m->unanswered >= s->policy.alive_max)
		return ssh_fail_text(s, SSH_E_TIMEOUT, s->role == SSH_SERVER ?
		    "Timeout, client not responding." : "Timeout, server not responding.");
	m->probed = s->now;
	if (m->waiting == SSH_GLOBAL_REQUESTS_MAX)
		return SSH_OK;			/* enough questions are open to show life */
	if ((r = say_global(s, KEEPALIVE, 1, view_of(NULL, 0))) < 0)
		return ssh_fail(s, r);
	m->probes |= (uint64_t)1 << m->waiting++;
	m->unanswered++;
	return SSH_OK;
}

/* ---- room */

void mux_room_again(struct ssh *s)
{
	struct mux *m = s->mux;

	/* Low enough to be worth a wakeup; half of the event queue stays free for the next packet. */
	if (m == NULL || s->error != SSH_OK || msg_held(s) || buf_len(&s->out) > SSH_OUTPUT_HIGH / 2)
		return;
	for (uint32_t i = 0; i < m->size && s->event_count < SSH_EVENTS_MAX / 2; i++) {
		m->room_next = (m->room_next + 1) % m->size;
		if (chan_room_event(s, &m->slots[m->room_next]) < 0)
			return;
	}
}

/* ---- moving */

int mux_export(const struct ssh *s, struct wr *w)
{
	const struct mux *m = s->mux;

	if (m->fill_count > 0)
		return SSH_E_NOT_NOW;
	wr_u32(w, m->asked);
	wr_u32(w, m->waiting);
	wr_u64(w, m->probes);
	wr_u32(w, m->unanswered);
	wr_u32(w, m->size);
	for (uint32_t i = 0; i < m->size; i++)
		chan_export(&m->slots[i], w);
	wr_u64(w, m->rtt);
	wr_u32(w, m->window_max);
	for (uint32_t i = 0; i < m->size; i++)
		if (m->slots[i].state != CHAN_FREE)
			chan_export_growth(s, &m->slots[i], w);
	return wr_done(w);
}

/* What was not there before windows grew: then they begin to. */
static int import_growth(struct ssh *s, struct rd *in)
{
	struct mux *m = s->mux;
	uint64_t grown = 0;
	int r;

	if (rd_left(in) == 0)
		return SSH_OK;
	m->rtt = rd_u64(in);
	m->window_max = rd_u32(in);
	if (in->bad || m->window_max > CHAN_WINDOW_LIMIT)
		return SSH_E_STATE;
	for (uint32_t i = 0; i < m->size; i++)
		if (m->slots[i].state != CHAN_FREE) {
			TRY(chan_import_growth(s, &m->slots[i], in));
			grown += m->slots[i].grown;
		}
	m->grown = (uint32_t)grown;
	return grown > m->window_max ? SSH_E_STATE : SSH_OK;
}

int mux_import(struct ssh *s, struct rd *in)
{
	struct mux *m;
	uint32_t size;
	int r;

	if (s->mux == NULL)
		TRY(mux_new(s));
	m = s->mux;
	m->asked = rd_u32(in);
	m->waiting = rd_u32(in);
	m->probes = rd_u64(in);
	m->unanswered = rd_u32(in);
	size = rd_u32(in);
	if (in->bad || size > CHAN_SLOTS_MAX || m->asked > SSH_GLOBAL_REQUESTS_MAX ||
	    m->waiting > SSH_GLOBAL_REQUESTS_MAX)
		return SSH_E_STATE;
	m->heard = s->now;
	if (m->max < size)
		m->max = size;		/* a smaller limit holds for new connections */
	while (m->size < size) {
		TRY(grow(s));
	}
	for (uint32_t i = 0; i < size; i++) {
		TRY(chan_import(&m->slots[i], in));
		if (CHAN_SLOT(m->slots[i].id) != i)
			return SSH_E_STATE;
		m->used += m->slots[i].state != CHAN_FREE;
	}
	return import_growth(s, in);
}
