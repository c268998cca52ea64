#include "connection/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "connection/export.h"
#include "ipc/clock.h"
#include "ipc/values.h"

#define ACCEPT_ENV_MAX 4096	/* AUTH_POLICY.accept_env */

static int is_text(struct view v)
{
	return v.len == 0 || memchr(v.p, '\0', v.len) == NULL;
}

/* ---- the connection ------------------------------------------------------------------ */

static int get_user(struct conn *c, struct rd *in)
{
	struct view user = rd_string(in, ANSWERS_NAME_MAX), service = rd_string(in, ANSWERS_NAME_MAX);

	if (in->bad || !is_text(user) || user.len + service.len > ANSWERS_NAME_MAX)
		return SSH_E_STATE;
	return answers_import(&c->answers, user, service);
}

static int get_allowed(struct conn *c, struct rd *in, uint32_t version)
{
	struct view patterns;

	c->max_sessions = rd_u32(in);
	c->permits = rd_u32(in);
	c->alive_ms = rd_u32(in);
	c->alive_max = rd_u32(in);
	if (version >= 2) {		/* before, RekeyLimit was nobody's own */
		c->rekey_bytes = rd_u64(in);
		c->rekey_ms = rd_u64(in);
	}
	patterns = rd_string(in, ACCEPT_ENV_MAX);
	if (in->bad || !is_text(patterns))
		return SSH_E_STATE;
	c->accept_env = strndup(patterns.len > 0 ? (const char *)patterns.p : "", patterns.len);
	return c->accept_env != NULL ? SSH_OK : SSH_E_NOMEM;
}

/* ---- one channel ------------------------------------------------------------------------ */

static int get_bytes(struct buf *b, struct rd *in, size_t max)
{
	struct view v = rd_string(in, max);

	if (in->bad)
		return SSH_E_STATE;
	return buf_append(b, v.p, v.len);
}

static int get_asked_for(struct session *s, struct rd *in)
{
	struct view term;
	int r;

	s->pty = rd_bool(in);
	term = rd_string(in, CHAN_TERM_MAX);
	if (in->bad || !is_text(term))
		return SSH_E_STATE;
	if (term.len > 0)
		memcpy(s->term, term.p, term.len);
	s->cols = rd_u32(in);
	s->rows = rd_u32(in);
	s->xpixel = rd_u32(in);
	s->ypixel = rd_u32(in);
	s->resized = rd_bool(in);
	TRY(get_bytes(&s->modes, in, CHAN_MODES_MAX));
	return get_bytes(&s->env, in, CHAN_ENV_MAX);
}

static int get_spawn(struct session *s, struct rd *in)
{
	struct view later;

	s->req = rd_u32(in);
	s->spawn_reply = rd_bool(in);
	later = rd_string(in, CHAN_REQUESTS_MAX);
	s->kind = rd_u8(in);
	if (in->bad || s->kind > WORK_SUBSYSTEM || (later.len > 0 && !s->spawn_reply))
		return SSH_E_STATE;
	for (size_t i = 0; i < later.len; i++)
		s->later[i] = later.p[i] != 0;
	s->later_count = (unsigned)later.len;
	return SSH_OK;
}

static void get_worker(struct session *s, struct rd *in)
{
	s->worker = rd_u64(in);
	s->exited = rd_bool(in);
	s->eof_sent = rd_bool(in);
	s->client_closed = rd_bool(in);
	s->ends = rd_u8(in);
	s->told = rd_u8(in);
}

static int get_relay(struct session *s, struct rd *in, unsigned *ends)
{
	struct relay *r = &s->relay;
	struct view pending;

	r->started = rd_bool(in);
	r->pty = rd_bool(in);
	r->draining = rd_bool(in);
	r->eof = rd_bool(in);
	r->widened = rd_bool(in);
	*ends = rd_u8(in);
	r->out.iovecs = rd_u8(in);
	r->err.iovecs = rd_u8(in);
	pending = rd_string(in, SIZE_MAX);
	r->bytes_in = rd_u64(in);
	r->bytes_out = rd_u64(in);
	if (in->bad || *ends > (CARRY_IN | CARRY_OUT | CARRY_ERR))
		return SSH_E_STATE;
	if (r->out.iovecs > RELAY_IOVECS_MAX || r->err.iovecs > RELAY_IOVECS_MAX)
		return SSH_E_STATE;
	return buf_append(&r->pending, pending.p, pending.len);
}

/* What the state machine holds to be true of each state. */
static int makes_sense(const struct session *s, unsigned ends)
{
	const struct relay *r = &s->relay;
	unsigned all = r->pty ? END_PTY : END_STDIN | END_STDOUT | END_STDERR;

	if (s->spawn_reply && s->state != SES_WAIT_SPAWNED)
		return 0;
	switch (s->state) {
	case SES_WAIT_PROGRAM:
	case SES_WAIT_SPAWNED:
		return !r->started && ends == 0 && s->worker == 0 && !s->exited;
	case SES_RUNNING:
		return r->started && s->ends == all && (s->told & ~all) == 0 && !(r->pty && (ends & CARRY_ERR)) &&
		    (!r->draining || r->pty) && (buf_len(&r->pending) == 0 || (ends & CARRY_IN));
	case SES_WAIT_CLOSE:
		return ends == 0 && buf_len(&r->pending) == 0;
	case SES_MAX:
		break;
	}
	return 0;
}

static int take_ends(struct session *s, unsigned ends, carried_fn *carried, void *ctx)
{
	int fds[3] = { -1, -1, -1 }, all[3], n = 0, r;

	if (ends == 0)
		return SSH_OK;
	TRY(carried(ctx, s->chan, ends, fds));
	for (int i = 0; i < 3; i++)
		all[i] = ends & 1u << i ? fds[n++] : -1;
	return relay_adopt(&s->relay, all);
}

static int get_session(struct conn *c, struct rd in, carried_fn *carried, void *ctx)
{
	uint32_t chan = rd_u32(&in);
	uint8_t state = rd_u8(&in);
	struct session *s;
	unsigned ends = 0;
	int r;

	if (in.bad || state >= SES_MAX || session_find(c, chan) != NULL)
		return SSH_E_STATE;
	TRY(session_new(c, chan));
	s = session_find(c, chan);
	s->state = (enum session_state)state;
	if (state == SES_WAIT_CLOSE)
		c->session_count--;
	TRY(get_asked_for(s, &in));
	TRY(get_spawn(s, &in));
	get_worker(s, &in);
	TRY(get_relay(s, &in, &ends));
	if (rd_done(&in) < 0 || !makes_sense(s, ends))
		return SSH_E_STATE;
	return take_ends(s, ends, carried, ctx);
}

static int get_sessions(struct conn *c, struct rd *in, carried_fn *carried, void *ctx)
{
	uint32_t n = rd_u32(in);
	int r;

	if (in->bad || n > SSH_CHANNELS_MAX)
		return SSH_E_STATE;
	while (n-- > 0) {
		struct view one = rd_string(in, SIZE_MAX);

		if (in->bad)
			return SSH_E_STATE;
		TRY(get_session(c, rd_view(one), carried, ctx));
	}
	return SSH_OK;
}

/* ---- all -------------------------------------------------------------------------------------- */

static int get_head(struct conn *c, struct rd *in, uint32_t *version)
{
	uint32_t magic = rd_u32(in);
	uint64_t id;

	*version = rd_u32(in);
	id = rd_u64(in);
	if (in->bad || magic != CONN_STATE_MAGIC || *version < 1 || *version > CONN_STATE_VERSION || id != c->id)
		return SSH_E_STATE;
	c->openssh = rd_bool(in);
	c->no_more_sessions = rd_bool(in);
	c->last_req = rd_u32(in);
	c->input_ms = rd_u64(in);
	return SSH_OK;
}

static int get_core(struct conn *c, struct rd *in)
{
	struct view core = rd_string(in, SIZE_MAX);
	uint64_t now = c->survive.import_now;
	struct ssh_info info;
	int r;

	if (rd_done(in) < 0)
		return SSH_E_STATE;
	TRY(ssh_import(&c->ssh, conn_env(), c->policy, core, now != 0 ? now : clock_ms()));
	ssh_get_info(c->ssh, &info);
	if (!info.open)
		return SSH_E_STATE;
	ssh_set_alive(c->ssh, c->alive_ms, c->alive_max);
	ssh_set_rekey(c->ssh, c->rekey_bytes, c->rekey_ms);
	return conn_add_hostkeys(c);
}

static int get_all(struct conn *c, struct rd *in, carried_fn *carried, void *ctx)
{
	uint32_t version;
	int r;

	TRY(get_head(c, in, &version));
	TRY(get_user(c, in));
	TRY(get_allowed(c, in, version));
	TRY(get_sessions(c, in, carried, ctx));
	return get_core(c, in);
}

int conn_import(struct conn *c, struct view state, carried_fn *carried, void *ctx)
{
	struct rd in = rd_view(state);
	int r = get_all(c, &in, carried, ctx);

	if (r == SSH_OK)
		c->authed = 1;
	return r == SSH_OK || r == SSH_E_NOMEM || r == SSH_E_CRYPTO ? r : SSH_E_STATE;
}
