#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/* message - how the machines above the transport write messages and raise events. */

/* ---- messages -------------------------------------------------------------------------- */

/* RFC 4253 7.1: while a key exchange is open only these may pass. */
static int passes_kex(uint8_t type)
{
	return (type >= 1 && type <= 4) || (type >= 20 && type <= 49);
}

/* A message that was begun and never ended, because its writer failed, must not reach the peer. */
static void msg_abandon(struct ssh *s)
{
	struct session_more *m = s->more;

	if (m->msg_open)
		buf_truncate(m->msg_to_held ? &s->held : &s->out, m->msg_mark);
	m->msg_open = 0;
}

void msg_begin(struct ssh *s, struct wr *w, uint8_t type)
{
	static const uint8_t room[PACKET_HEAD];
	struct session_more *m = s->more;

	msg_abandon(s);
	m->msg_open = 1;
	m->msg_to_held = msg_held(s) && !passes_kex(type);
	*w = wr_to(m->msg_to_held ? &s->held : &s->out);
	m->msg_mark = buf_len(w->b);
	wr_raw(w, room, m->msg_to_held ? 4 : PACKET_HEAD);
	wr_u8(w, type);
}

int msg_end(struct ssh *s, struct wr *w)
{
	struct session_more *m = s->more;
	int r = wr_done(w);

	if (s->error) {
		msg_abandon(s);
		return s->error;
	}
	if (!m->msg_open)
		return ssh_fail(s, SSH_E_BUG);
	if (r == SSH_OK && m->msg_to_held)
		wr_string_end(w, m->msg_mark + 4);
	else if (r == SSH_OK)
		r = packet_finish(s, m->msg_mark);
	if (r < 0)
		return ssh_fail(s, r);		/* a peer that misses one message is out of step for good */
	m->msg_open = 0;
	return SSH_OK;
}

int held_flush(struct ssh *s)
{
	int r = SSH_OK;

	while (r == SSH_OK && buf_len(&s->held) > 0) {
		struct rd in = rd_of(buf_head(&s->held), buf_len(&s->held));
		struct view payload = rd_string(&in, SSH_OUTPUT_MAX);

		r = in.bad ? SSH_E_BUG : packet_send(s, payload);
		buf_consume(&s->held, 4 + payload.len);
	}
	buf_drop(&s->held);		/* wipes, and an idle connection needs none */
	return r;
}

/* ---- events ---------------------------------------------------------------------------- */

struct ssh_event *ssh_event_new(struct ssh *s, enum ssh_event_type type)
{
	struct ssh_event *e;

	if (s->event_count == SSH_EVENTS_MAX) {
		ssh_fail(s, SSH_E_BUG);
		return NULL;
	}
	e = &s->events[(s->event_first + s->event_count++) % SSH_EVENTS_MAX];
	memset(e, 0, sizeof *e);
	e->type = type;
	return e;
}

void events_clear(struct ssh *s)
{
	s->event_first = s->event_count = 0;
}

struct view event_keep(struct ssh *s, const void *p, size_t n)
{
	struct keep *k = mem_resize(s->env.mem, NULL, sizeof *k + n);

	if (k == NULL) {
		ssh_fail(s, SSH_E_NOMEM);
		return view_of(NULL, 0);
	}
	k->len = n;
	k->next = s->more->keeps;
	s->more->keeps = k;
	if (n > 0)
		memcpy(k->v, p, n);
	return view_of(k->v, n);
}

void keeps_drop(struct ssh *s)
{
	struct keep *k;

	while ((k = s->more->keeps) != NULL) {
		s->more->keeps = k->next;
		secret_wipe(k->v, k->len);
		mem_free(s->env.mem, k);
	}
}

/* ---- the end ---------------------------------------------------------------------------- */

/* DISCONNECT (RFC 4253 11.1). Without room for it the peer just sees the end of the stream. */
static void say_goodbye(struct ssh *s, unsigned reason, const char *text)
{
	uint8_t payload[1 + 4 + 4 + 256 + 4];
	size_t n = strlen(text);

	if (n > 256)
		n = 256;
	payload[0] = SSH_MSG_DISCONNECT;
	put_u32(payload + 1, reason);
	put_u32(payload + 5, (uint32_t)n);
	memcpy(payload + 9, text, n);
	put_u32(payload + 9 + n, 0);		/* language tag */
	(void)packet_send(s, view_of(payload, 9 + n + 4));
}

int ssh_fail_text(struct ssh *s, int error, const char *text)
{
	static const char strange[] = "Invalid SSH identification string.\r\n", other[] = "Protocol major versions differ.\r\n";

	if (s->error)
		return s->error;
	s->error = error < 0 ? error : SSH_E_BUG;
	s->wait = WAIT_NOTHING;
	events_clear(s);
	msg_abandon(s);
	packet_fill_end(s);
	if (s->error == SSH_E_IDENT || s->error == SSH_E_VERSION) {
		/* Whoever it is does not speak our SSH: a line it can show, as sshd sends. A server gets nothing. */
		if (s->role == SSH_SERVER)
			(void)buf_append(&s->out, s->error == SSH_E_IDENT ? strange : other, (s->error == SSH_E_IDENT ? sizeof strange : sizeof other) - 1);
	} else if (err_disconnect(s->error) != 0) {
		say_goodbye(s, err_disconnect(s->error), text);
	}
	return s->error;
}

int ssh_fail(struct ssh *s, int error)
{
	return ssh_fail_text(s, error, err_text(error));
}

int ssh_disconnect(struct ssh *s, unsigned reason, const char *text)
{
	if (s->error)
		return s->error;
	msg_abandon(s);
	say_goodbye(s, reason, text);
	s->error = SSH_E_CLOSED;
	s->wait = WAIT_NOTHING;
	events_clear(s);
	return SSH_OK;
}

int ssh_unimplemented(struct ssh *s)
{
	struct wr w;

	msg_begin(s, &w, SSH_MSG_UNIMPLEMENTED);
	wr_u32(&w, s->rx->seq - 1);		/* of the packet being handled */
	return msg_end(s, &w);
}
