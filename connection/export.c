#include "connection/export.h"

#include "base/secret.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "ipc/values.h"

static void put_user(const struct conn *c, struct wr *w)
{
	wr_view(w, c->answers.user);
	wr_view(w, c->answers.service);
}

static void put_allowed(const struct conn *c, struct wr *w)
{
	wr_u32(w, c->max_sessions);
	wr_u32(w, c->permits);
	wr_u32(w, c->alive_ms);
	wr_u32(w, c->alive_max);
	wr_u64(w, c->rekey_bytes);
	wr_u64(w, c->rekey_ms);
	wr_cstr(w, c->accept_env != NULL ? c->accept_env : "");
}

unsigned conn_export_ends(const struct session *s)
{
	const struct relay *r = &s->relay;

	return (r->in.fd >= 0 ? CARRY_IN : 0) | (r->out.fd >= 0 ? CARRY_OUT : 0) | (r->err.fd >= 0 ? CARRY_ERR : 0);
}

static void put_relay(const struct session *s, struct wr *w)
{
	const struct relay *r = &s->relay;

	wr_bool(w, r->started);
	wr_bool(w, r->pty);
	wr_bool(w, r->draining);
	wr_bool(w, r->eof);
	wr_bool(w, r->widened);
	wr_u8(w, (uint8_t)conn_export_ends(s));
	wr_u8(w, (uint8_t)r->out.iovecs);
	wr_u8(w, (uint8_t)r->err.iovecs);
	wr_string(w, buf_head(&r->pending), buf_len(&r->pending));
	wr_u64(w, r->bytes_in);
	wr_u64(w, r->bytes_out);
}

static void put_session(const struct session *s, struct wr *w)
{
	size_t mark = wr_string_begin(w);

	wr_u32(w, s->chan);
	wr_u8(w, (uint8_t)s->state);
	wr_bool(w, s->pty);
	wr_cstr(w, s->term);
	wr_u32(w, s->cols);
	wr_u32(w, s->rows);
	wr_u32(w, s->xpixel);
	wr_u32(w, s->ypixel);
	wr_bool(w, s->resized);
	wr_string(w, buf_head(&s->modes), buf_len(&s->modes));
	wr_string(w, buf_head(&s->env), buf_len(&s->env));
	wr_u32(w, s->req);
	wr_bool(w, s->spawn_reply);
	wr_string(w, s->later, s->later_count);
	wr_u8(w, s->kind);
	wr_u64(w, s->worker);
	wr_bool(w, s->exited);
	wr_bool(w, s->eof_sent);
	wr_bool(w, s->client_closed);
	wr_u8(w, (uint8_t)s->ends);
	wr_u8(w, (uint8_t)s->told);
	put_relay(s, w);
	wr_string_end(w, mark);
}

static void put_sessions(const struct conn *c, struct wr *w)
{
	const struct session *s;
	size_t at = 0;

	wr_u32(w, (uint32_t)c->sessions.used);
	while ((s = table_next(&c->sessions, &at)) != NULL)
		put_session(s, w);
}

static int put_all(struct conn *c, struct buf *to)
{
	struct wr w = wr_to(to);
	size_t mark;
	int r;

	wr_u32(&w, CONN_STATE_MAGIC);
	wr_u32(&w, CONN_STATE_VERSION);
	wr_u64(&w, c->id);
	wr_bool(&w, c->openssh);
	wr_bool(&w, c->no_more_sessions);
	wr_u32(&w, c->last_req);
	wr_u64(&w, c->input_ms);
	put_user(c, &w);
	put_allowed(c, &w);
	put_sessions(c, &w);
	mark = wr_string_begin(&w);
	TRY(wr_done(&w));
	TRY(ssh_export(c->ssh, to));
	wr_string_end(&w, mark);
	return wr_done(&w);
}

int conn_export(struct conn *c, struct buf *to)
{
	size_t before = buf_len(to);
	int r;

	if (!c->authed || c->answers.open != Q_NOTHING)
		return SSH_E_AUTH;
	if ((r = put_all(c, to)) < 0) {
		if (buf_len(to) > before)
			secret_wipe(buf_head(to) + before, buf_len(to) - before);
		buf_truncate(to, before);
	}
	return r;
}
