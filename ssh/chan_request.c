#include <string.h>

#include "base/err.h"
#include "ssh/mux.h"

/* chan_request - channel requests of sessions, both ways (RFC 4254 5.4, 6; RFC 4335). */

/* ---- the peer's: one parser for each type; whatever is left over or short ends the connection */

static void parse_pty(struct rd *in, struct ssh_req *q)			/* 6.2 */
{
	q->term = rd_string(in, SSH_PACKET_MAX);
	q->cols = rd_u32(in);
	q->rows = rd_u32(in);
	q->xpixel = rd_u32(in);
	q->ypixel = rd_u32(in);
	q->modes = rd_string(in, SSH_PACKET_MAX);
}

static void parse_env(struct rd *in, struct ssh_req *q)			/* 6.4 */
{
	q->name = rd_string(in, SSH_PACKET_MAX);
	q->value = rd_string(in, SSH_PACKET_MAX);
}

static void parse_nothing(struct rd *in, struct ssh_req *q)
{
	(void)in, (void)q;
}

static void parse_value(struct rd *in, struct ssh_req *q)		/* 6.5 exec */
{
	q->value = rd_string(in, SSH_PACKET_MAX);
}

static void parse_name(struct rd *in, struct ssh_req *q)		/* 6.5 subsystem, 6.9 signal */
{
	q->name = rd_string(in, SSH_PACKET_MAX);
}

static void parse_window(struct rd *in, struct ssh_req *q)		/* 6.7 */
{
	q->cols = rd_u32(in);
	q->rows = rd_u32(in);
	q->xpixel = rd_u32(in);
	q->ypixel = rd_u32(in);
}

static void parse_bool(struct rd *in, struct ssh_req *q)		/* 6.8 */
{
	q->code = (uint32_t)rd_bool(in);
}

static void parse_number(struct rd *in, struct ssh_req *q)		/* 6.10 exit-status; RFC 4335 3 */
{
	q->code = rd_u32(in);
}

static void parse_exit_signal(struct rd *in, struct ssh_req *q)		/* 6.10 */
{
	q->name = rd_string(in, SSH_PACKET_MAX);
	q->code = (uint32_t)rd_bool(in);
	q->value = rd_string(in, SSH_PACKET_MAX);
	rd_string(in, SSH_PACKET_MAX);		/* language tag */
}

static const struct kind {
	const char *name;
	enum ssh_req_type type;
	void (*parse)(struct rd *, struct ssh_req *);
	size_t name_max, value_max;
} kinds[] = {
	{ "pty-req", SSH_REQ_PTY, parse_pty, 0, 0 },
	{ "env", SSH_REQ_ENV, parse_env, CHAN_ENV_MAX, CHAN_ENV_MAX },
	{ "shell", SSH_REQ_SHELL, parse_nothing, 0, 0 },
	{ "exec", SSH_REQ_EXEC, parse_value, 0, CHAN_COMMAND_MAX },
	{ "subsystem", SSH_REQ_SUBSYSTEM, parse_name, CHAN_NAME_MAX, 0 },
	{ "window-change", SSH_REQ_WINDOW, parse_window, 0, 0 },
	{ "xon-xoff", SSH_REQ_XON_XOFF, parse_bool, 0, 0 },
	{ "signal", SSH_REQ_SIGNAL, parse_name, CHAN_NAME_MAX, 0 },
	{ "break", SSH_REQ_BREAK, parse_number, 0, 0 },
	{ "exit-status", SSH_REQ_EXIT_STATUS, parse_number, 0, 0 },
	{ "exit-signal", SSH_REQ_EXIT_SIGNAL, parse_exit_signal, CHAN_NAME_MAX, CHAN_COMMAND_MAX },
	{ "eow@openssh.com", SSH_REQ_EOW, parse_nothing, 0, 0 },
};

static int too_long(const struct kind *k, const struct ssh_req *q)
{
	return q->name.len > k->name_max || q->value.len > k->value_max || q->term.len > CHAN_TERM_MAX ||
	    q->modes.len > CHAN_MODES_MAX;
}

/*
 * The request as fields. One that is well formed but longer than we handle goes on as OTHER: the
 * user knows it not and says no, in its order among the answers.
 */
static int parse(struct view type, struct rd *in, struct ssh_req *q)
{
	struct view rest = view_of(in->p, rd_left(in));
	const struct kind *k = NULL;
	int r;

	memset(q, 0, sizeof *q);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && k == NULL; i++)
		if (view_is(type, kinds[i].name))
			k = &kinds[i];
	if (k != NULL)
		k->parse(in, q);
	else
		rd_rest(in);
	TRY(rd_done(in));
	if (k != NULL && !too_long(k, q)) {
		q->type = k->type;
		return SSH_OK;
	}
	*q = (struct ssh_req){ .type = SSH_REQ_OTHER, .name = type, .value = rest };
	return SSH_OK;
}

int ssh_on_chan_request(struct ssh *s, struct rd *in)
{
	uint32_t id = rd_u32(in);
	struct view type = rd_string(in, CHAN_NAME_MAX);
	int want_reply = rd_bool(in), r;
	struct ssh_event *e;
	struct ssh_req q;
	struct chan *c;

	TRY(parse(type, in, &q));
	TRY(mux_peer_chan(s, id, &c));
	if (c->close_sent)
		return SSH_OK;			/* nothing may follow our CLOSE, no answer either */
	if (want_reply && ++c->asked > CHAN_REQUESTS_MAX)
		return ssh_fail_text(s, SSH_E_LIMIT, "too many unanswered channel requests");
	if ((e = ssh_event_new(s, SSH_EV_CHAN_REQUEST)) == NULL)
		return SSH_E_BUG;
	e->chan = id;
	e->req = q;
	e->want_reply = want_reply;
	return SSH_OK;
}

int ssh_chan_reply(struct ssh *s, uint32_t chan, int ok)
{
	struct chan *c = mux_usable(s, chan);
	struct wr w;
	int r;

	if (c == NULL || c->asked == 0)
		return SSH_E_NOT_NOW;
	msg_begin(s, &w, ok ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE);
	wr_u32(&w, c->peer);
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	c->asked--;
	return SSH_OK;
}

/* ---- ours */

static int answered(struct ssh *s, struct rd *in, int ok)
{
	uint32_t id = rd_u32(in);
	struct ssh_event *e;
	struct chan *c;
	int r;

	TRY(rd_done(in));
	TRY(mux_peer_chan(s, id, &c));
	if (c->waiting == 0)
		return ssh_fail_text(s, SSH_E_PROTOCOL, "answer to no request");
	c->waiting--;
	if (c->close_sent)
		return SSH_OK;
	if ((e = ssh_event_new(s, SSH_EV_CHAN_REPLY)) == NULL)
		return SSH_E_BUG;
	e->chan = id;
	e->ok = ok;
	return SSH_OK;
}

int ssh_on_chan_success(struct ssh *s, struct rd *in)
{
	return answered(s, in, 1);
}

int ssh_on_chan_failure(struct ssh *s, struct rd *in)
{
	return answered(s, in, 0);
}

/* The common head; NULL: not now. */
static struct chan *request_begin(struct ssh *s, struct wr *w, uint32_t chan, const char *type, int want_reply)
{
	struct chan *c = mux_usable(s, chan);

	if (c == NULL || s->mux->fill_count > 0 || (want_reply && c->waiting == CHAN_REQUESTS_MAX))
		return NULL;
	msg_begin(s, w, SSH_MSG_CHANNEL_REQUEST);
	wr_u32(w, c->peer);
	wr_cstr(w, type);
	wr_bool(w, want_reply);
	return c;
}

static int request_end(struct ssh *s, struct wr *w, struct chan *c, int want_reply)
{
	int r = msg_end(s, w);

	if (r < 0)
		return ssh_fail(s, r);
	c->waiting = (uint16_t)(c->waiting + (want_reply != 0));
	return SSH_OK;
}

int ssh_chan_request(struct ssh *s, uint32_t chan, const char *type, int want_reply, struct view rest)
{
	struct wr w;
	struct chan *c = request_begin(s, &w, chan, type, want_reply);

	if (c == NULL)
		return SSH_E_NOT_NOW;
	wr_raw(&w, rest.p, rest.len);
	return request_end(s, &w, c, want_reply);
}

int ssh_chan_exit_status(struct ssh *s, uint32_t chan, uint32_t status)
{
	struct wr w;
	struct chan *c = request_begin(s, &w, chan, "exit-status", 0);

	if (c == NULL)
		return SSH_E_NOT_NOW;
	wr_u32(&w, status);
	return request_end(s, &w, c, 0);
}

int ssh_chan_exit_signal(struct ssh *s, uint32_t chan, const char *name, int core, const char *message)
{
	struct wr w;
	struct chan *c = request_begin(s, &w, chan, "exit-signal", 0);

	if (c == NULL)
		return SSH_E_NOT_NOW;
	wr_cstr(&w, name);
	wr_bool(&w, core);
	wr_cstr(&w, message);
	wr_cstr(&w, "");
	return request_end(s, &w, c, 0);
}
