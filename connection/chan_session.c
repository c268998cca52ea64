#include "connection/chan_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "connection/accept_env.h"
#include "connection/conn.h"
#include "connection/signals.h"
#include "ipc/permits.h"
#include "ipc/values.h"

#define ENDS_PIPES (END_STDIN | END_STDOUT | END_STDERR)
#define B(s) (1u << (s))

static const unsigned may_become[SES_MAX] = {
	[SES_WAIT_PROGRAM] = B(SES_WAIT_SPAWNED) | B(SES_WAIT_CLOSE),
	[SES_WAIT_SPAWNED] = B(SES_RUNNING) | B(SES_WAIT_PROGRAM) | B(SES_WAIT_CLOSE),
	[SES_RUNNING]      = B(SES_WAIT_CLOSE),
	[SES_WAIT_CLOSE]   = 0,
};

static void enter(struct session *s, enum session_state state)
{
	static const char *const names[SES_MAX] = { "program", "spawned", "running", "close" };

	assert(may_become[s->state] & B(state));
	log_ev(LOGL_TRACE, "ev=session chan=%u from=%s to=%s", s->chan, names[s->state], names[state]);
	s->state = state;
}

/* ---- life ------------------------------------------------------------------------ */

int session_new(struct conn *c, uint32_t chan)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL || table_put(&c->sessions, chan, s) < 0) {
		free(s);
		return SSH_E_NOMEM;
	}
	s->c = c;
	s->chan = chan;
	buf_init(&s->modes, CHAN_MODES_MAX, NULL);
	buf_init(&s->env, CHAN_ENV_MAX, NULL);
	relay_init(&s->relay, c, s, chan);
	c->session_count++;
	return SSH_OK;
}

struct session *session_find(struct conn *c, uint32_t chan)
{
	return table_get(&c->sessions, chan);
}

/* Tells the supervisor which of its duplicates to close: the program's EOF, SIGPIPE and SIGHUP depend on it. */
static void shut(struct session *s, unsigned ends)
{
	struct ipc_CHAN_SHUT m = { .worker = s->worker };

	ends &= s->ends & ~s->told;
	if (ends == 0)
		return;
	s->told |= ends;
	m.ends = (uint8_t)ends;
	survive_say(s->c, IPC_CHAN_SHUT, &m);
}

static void leave(struct session *s)
{
	if (s->state != SES_WAIT_CLOSE)
		s->c->session_count--;
	shut(s, s->ends);
	relay_drop(&s->relay);
	buf_drop(&s->modes);
	buf_drop(&s->env);
}

static void session_free(struct session *s)
{
	leave(s);
	table_remove(&s->c->sessions, s->chan);
	free(s);
}

void session_drop_all(struct conn *c)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL) {
		relay_drop(&s->relay);
		buf_drop(&s->modes);
		buf_drop(&s->env);
		free(s);
	}
	c->session_count = 0;
}

void session_settle(struct session *s)
{
	struct conn *c = s->c;

	if (s->state != SES_RUNNING)
		return;
	shut(s, relay_closed_ends(&s->relay));
	if (!relay_output_ended(&s->relay))
		return;
	if (!s->eof_sent && !s->client_closed) {
		s->eof_sent = 1;
		ssh_chan_eof(c->ssh, s->chan);
	}
	if (s->exited) {
		leave(s);
		enter(s, SES_WAIT_CLOSE);
		ssh_chan_close(c->ssh, s->chan);
	}
}

struct session *session_next(struct conn *c, uint64_t from, int (*wanted)(const struct session *))
{
	struct session *s, *first = NULL;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		if (s->chan >= from && (first == NULL || s->chan < first->chan) && wanted(s))
			first = s;
	return first;
}

static int is_draining(const struct session *s)
{
	return s->state == SES_RUNNING && s->relay.draining;
}

void session_pump_all(struct conn *c)
{
	struct session *s;

	for (uint64_t from = 0; (s = session_next(c, from, is_draining)) != NULL; from = (uint64_t)s->chan + 1) {
		relay_pump(&s->relay);
		session_settle(s);
	}
}

void session_shrink_all(struct conn *c)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		relay_shrink(&s->relay);
}

void session_rearm_all(struct conn *c)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		if (s->state == SES_RUNNING)
			relay_rearm(&s->relay);
}

void session_still_all(struct conn *c)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		relay_still(&s->relay);
}

/* ---- requests --------------------------------------------------------------------- */

/* Replies go out in the order of the requests (RFC 4254 5.4): behind an open spawn they wait. */
static void reply(struct session *s, int want, int ok)
{
	if (!want)
		return;
	if (s->state == SES_WAIT_SPAWNED && s->spawn_reply) {
		if (s->later_count == CHAN_REQUESTS_MAX)
			conn_disconnect(s->c, 2, "too many requests");
		else
			s->later[s->later_count++] = (uint8_t)ok;
		return;
	}
	ssh_chan_reply(s->c->ssh, s->chan, ok);
}

static int on_pty(struct session *s, const struct ssh_req *q)
{
	if (s->state != SES_WAIT_PROGRAM || s->pty || !(s->c->permits & PERMIT_PTY))
		return 0;
	if (q->term.len > CHAN_TERM_MAX || memchr(q->term.p, '\0', q->term.len) != NULL)
		return 0;
	if (buf_append(&s->modes, q->modes.p, q->modes.len) < 0)
		return 0;
	if (q->term.len > 0)
		memcpy(s->term, q->term.p, q->term.len);
	s->term[q->term.len] = '\0';
	s->cols = q->cols;
	s->rows = q->rows;
	s->xpixel = q->xpixel;
	s->ypixel = q->ypixel;
	s->pty = 1;
	return 1;
}

static int on_env(struct session *s, const struct ssh_req *q)
{
	return s->state == SES_WAIT_PROGRAM && conf_accepts_env(s->c->accept_env, q->name) &&
	    accept_env_put(&s->env, q->name, q->value) == SSH_OK;
}

static int on_window(struct session *s, const struct ssh_req *q)
{
	if (!s->pty)
		return 0;
	s->cols = q->cols;
	s->rows = q->rows;
	s->xpixel = q->xpixel;
	s->ypixel = q->ypixel;
	if (s->state == SES_RUNNING)
		return relay_resize(&s->relay, s->cols, s->rows, s->xpixel, s->ypixel) == 0;
	s->resized = s->state == SES_WAIT_SPAWNED;
	return 1;
}

/* As sshd: a subsystem is no program of the user's own, so it gets none. */
static int on_signal(struct session *s, const struct ssh_req *q)
{
	if (s->state != SES_RUNNING || s->exited || s->kind == WORK_SUBSYSTEM || !signal_known(q->name))
		return 0;
	return survive_say(s->c, IPC_WORKER_SIGNAL,
	    &(struct ipc_WORKER_SIGNAL){ .worker = s->worker, .name = q->name }) == SSH_OK;
}

static void tell_start(const struct session *s, struct view command)
{
	static const char *const kinds[] = { "shell", "command", "subsystem" };
	char user[300], what[128], ip[ADDR_TEXT_MAX];
	struct view name = answers_user(s->c);

	log_escape(what, sizeof what, command.p, s->kind == WORK_SUBSYSTEM ? command.len : 0);
	log_ev(LOGL_VERBOSE, "Starting session: %s%s%s for %s from %s port %u id %u", kinds[s->kind], *what ? " " : "", what,
	    log_escape(user, sizeof user, name.p, name.len), addr_ip_text(&s->c->peer, ip), addr_port(&s->c->peer), s->chan);
}

static void on_program(struct session *s, uint8_t kind, struct view command, int want)
{
	struct ipc_SPAWN m = {
		.req = conn_req(s->c), .chan = s->chan, .kind = kind, .pty = (uint8_t)s->pty, .term = view_str(s->term),
		.cols = s->cols, .rows = s->rows, .xpixel = s->xpixel, .ypixel = s->ypixel,
		.modes = view_of(buf_head(&s->modes), buf_len(&s->modes)),
		.env = view_of(buf_head(&s->env), buf_len(&s->env)), .command = command,
	};

	if (s->state != SES_WAIT_PROGRAM || (command.len > 0 && memchr(command.p, '\0', command.len) != NULL)) {
		reply(s, want, 0);
		return;
	}
	s->kind = kind;
	tell_start(s, command);		/* rather twice than never, if we die over it */
	if (survive_say(s->c, IPC_SPAWN, &m) < 0) {
		reply(s, want, 0);
		return;
	}
	s->req = m.req;
	enter(s, SES_WAIT_SPAWNED);
	s->spawn_reply = want;
}

static void on_request(struct session *s, const struct ssh_req *q, int want)
{
	switch (q->type) {
	case SSH_REQ_PTY:
		reply(s, want, on_pty(s, q));
		break;
	case SSH_REQ_ENV:
		reply(s, want, on_env(s, q));
		break;
	case SSH_REQ_SHELL:
		on_program(s, WORK_SHELL, view_of(NULL, 0), want);
		break;
	case SSH_REQ_EXEC:
		on_program(s, WORK_EXEC, q->value, want);
		break;
	case SSH_REQ_SUBSYSTEM:
		on_program(s, WORK_SUBSYSTEM, q->name, want);
		break;
	case SSH_REQ_WINDOW:
		reply(s, want, on_window(s, q));
		break;
	case SSH_REQ_SIGNAL:
		reply(s, want, on_signal(s, q));
		break;
	case SSH_REQ_BREAK:
		reply(s, want, s->state == SES_RUNNING && relay_break(&s->relay) == 0);
		break;
	case SSH_REQ_EOW:
		relay_close_output(&s->relay);
		reply(s, want, 1);
		session_settle(s);
		break;
	default:
		reply(s, want, 0);
	}
}

/*
 * The client closed first, as ssh does when both ends of file have been said. Its exit status may still be on the
 * way, so our CLOSE waits for the program, which loses its readers and, on a terminal, its terminal.
 */
static void on_closing(struct session *s)
{
	s->client_closed = 1;
	relay_client_closed(&s->relay);
	if (s->state != SES_WAIT_PROGRAM)
		return;
	leave(s);
	enter(s, SES_WAIT_CLOSE);
	ssh_chan_close(s->c->ssh, s->chan);
}

void session_event(struct conn *c, const struct ssh_event *ev)
{
	struct session *s = session_find(c, ev->chan);

	if (s == NULL)
		return;		/* refused while the client was already talking */
	switch (ev->type) {
	case SSH_EV_CHAN_DATA:
		if (s->state == SES_WAIT_CLOSE || ev->ext != 0)
			ssh_chan_consumed(c->ssh, s->chan, ev->data.len);
		else
			relay_input(&s->relay, ev->data, ev->stays);
		break;
	case SSH_EV_CHAN_EOF:
		relay_input_eof(&s->relay);
		break;
	case SSH_EV_CHAN_REQUEST:
		on_request(s, &ev->req, ev->want_reply);
		break;
	case SSH_EV_CHAN_CLOSING:
		on_closing(s);
		break;
	case SSH_EV_CHAN_CLOSE:
		session_free(s);
		return;
	default:
		break;
	}
	session_settle(s);
}

/* ---- the worker ---------------------------------------------------------------------- */

static struct session *find_spawning(struct conn *c, uint32_t req)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		if (s->state == SES_WAIT_SPAWNED && s->req == req)
			return s;
	return NULL;
}

static void send_replies(struct session *s, int ok)
{
	if (s->spawn_reply)
		ssh_chan_reply(s->c->ssh, s->chan, ok);
	for (unsigned i = 0; i < s->later_count; i++)
		ssh_chan_reply(s->c->ssh, s->chan, s->later[i]);
	s->spawn_reply = 0;
	s->later_count = 0;
}

/* The channel was closed while its worker was being made. */
static void send_away(struct conn *c, const struct ipc_msg *m)
{
	struct ipc_CHAN_SHUT shut_all = {
		.worker = m->u.SPAWNED.worker, .ends = m->nfds == 1 ? END_PTY : ENDS_PIPES,
	};

	if (m->u.SPAWNED.status == SPAWNED_OK)
		survive_say(c, IPC_CHAN_SHUT, &shut_all);
}

static struct session *find_worker(struct conn *c, uint64_t worker)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL && s->worker != worker)
		;
	return s;
}

int session_knows(struct conn *c, const struct ipc_msg *m)
{
	const struct session *s;

	if (m->type == IPC_WORKER_EXIT) {	/* or its channel is closed already */
		s = find_worker(c, m->u.WORKER_EXIT.worker);
		return s == NULL || s->state != SES_RUNNING || s->exited;
	}
	if (m->u.SPAWNED.status != SPAWNED_OK)
		return find_spawning(c, m->u.SPAWNED.req) == NULL;
	return find_worker(c, m->u.SPAWNED.worker) != NULL;
}

int session_spawned(struct conn *c, struct ipc_msg *m)
{
	struct session *s = find_spawning(c, m->u.SPAWNED.req);
	int fds[3], n = m->nfds, r;

	if (m->u.SPAWNED.status == SPAWNED_OK && n != 1 && n != 3)
		return SSH_E_RULE;
	if (s == NULL) {
		send_away(c, m);
		return SSH_OK;
	}
	if (m->u.SPAWNED.status != SPAWNED_OK) {
		enter(s, SES_WAIT_PROGRAM);
		send_replies(s, 0);
		if (s->client_closed)
			on_closing(s);
		return SSH_OK;
	}
	for (int i = 0; i < n; i++)
		fds[i] = ipc_take_fd(m, i);
	s->worker = m->u.SPAWNED.worker;
	s->ends = n == 1 ? END_PTY : ENDS_PIPES;
	buf_drop(&s->modes);
	buf_drop(&s->env);
	enter(s, SES_RUNNING);
	r = relay_start(&s->relay, fds, n);
	if (r < 0)
		relay_drop(&s->relay);	/* the program gets SIGHUP, the channel ends with it */
	send_replies(s, r == SSH_OK);
	if (s->client_closed)
		relay_client_closed(&s->relay);
	if (s->resized)
		relay_resize(&s->relay, s->cols, s->rows, s->xpixel, s->ypixel);
	session_settle(s);
	return SSH_OK;
}

int session_worker_exit(struct conn *c, const struct ipc_WORKER_EXIT *m)
{
	struct session *s = find_worker(c, m->worker);

	s->exited = 1;		/* session_knows() has looked */
	if (m->signalled == WORKER_EXIT_UNKNOWN)
		;	/* nobody knows: CLOSE without a status, which ssh shows as 255 */
	else if (m->signalled)
		ssh_chan_exit_signal(c->ssh, s->chan, signal_name(m->code), m->core, "");
	else
		ssh_chan_exit_status(c->ssh, s->chan, m->code);
	relay_worker_gone(&s->relay);
	relay_pump(&s->relay);
	session_settle(s);
	return SSH_OK;
}
