#include "connection/events.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "ipc/values.h"

/* RFC 4254 5.1 */
#define OPEN_PROHIBITED     1
#define OPEN_CONNECT_FAILED 2
#define OPEN_UNKNOWN_TYPE   3

static void on_ident(struct conn *c, const struct ssh_event *ev)
{
	char text[SSH_IDENT_MAX + 1];

	c->openssh = memmem(ev->text.p, ev->text.len, "OpenSSH_", 8) != NULL;
	log_ev(LOGL_DEBUG, "ev=ident peer=%s", log_escape(text, sizeof text, ev->text.p, ev->text.len));
}

static void on_chan_open(struct conn *c, const struct ssh_event *ev)
{
	if (view_is(ev->ctype, "session")) {
		if (c->no_more_sessions)
			ssh_chan_refuse(c->ssh, ev->chan, OPEN_PROHIBITED, "no more sessions");
		else if (c->session_count >= c->max_sessions)
			ssh_chan_refuse(c->ssh, ev->chan, OPEN_CONNECT_FAILED, "open failed");
		else if (session_new(c, ev->chan) < 0)
			ssh_chan_refuse(c->ssh, ev->chan, OPEN_CONNECT_FAILED, "open failed");
		else if (ssh_chan_accept(c->ssh, ev->chan) == SSH_OK)
			ssh_chan_linger(c->ssh, ev->chan);
	} else if (view_is(ev->ctype, "direct-tcpip") || view_is(ev->ctype, "direct-streamlocal@openssh.com")) {
		ssh_chan_refuse(c->ssh, ev->chan, OPEN_PROHIBITED, "administratively prohibited");
	} else {
		ssh_chan_refuse(c->ssh, ev->chan, OPEN_UNKNOWN_TYPE, "unknown channel type");
	}
}

/* Forwarding comes later; keepalive@openssh.com is answered, which is all it asks for (OpenSSH PROTOCOL 2.1). */
static void on_global_request(struct conn *c, const struct ssh_event *ev)
{
	int ok = 0;

	if (view_is(ev->ctype, "hostkeys-prove-00@openssh.com")) {
		prove_request(c, ev);
		return;
	}
	if (view_is(ev->ctype, "no-more-sessions@openssh.com")) {
		c->no_more_sessions = 1;
		ok = 1;
	}
	if (ev->want_reply)
		prove_answer_other(c, ok);
}

static void on_debug(const struct ssh_event *ev)
{
	char text[256];

	log_private(LOGL_DEBUG, "ev=debug text=%s", log_escape(text, sizeof text, ev->text.p, ev->text.len));
}

void events_take(struct conn *c, const struct ssh_event *ev)
{
	if (c->gather.relay != NULL && (ev->type != SSH_EV_CHAN_DATA || ev->chan != c->gather.relay->chan))
		relay_flush(c);
	switch (ev->type) {
	case SSH_EV_IDENT:
		on_ident(c, ev);
		break;
	case SSH_EV_NEED_SIGN:
		answers_sign(c, ev);
		break;
	case SSH_EV_AUTH_NONE:
	case SSH_EV_AUTH_PASSWORD:
	case SSH_EV_AUTH_KEY_QUERY:
	case SSH_EV_AUTH_KEY:
	case SSH_EV_AUTH_INTERACTIVE:
	case SSH_EV_AUTH_REPLY:
		answers_auth(c, ev);
		break;
	case SSH_EV_CHAN_OPEN:
		on_chan_open(c, ev);
		break;
	case SSH_EV_CHAN_DATA:
	case SSH_EV_CHAN_EOF:
	case SSH_EV_CHAN_CLOSING:
	case SSH_EV_CHAN_CLOSE:
	case SSH_EV_CHAN_REQUEST:
		session_event(c, ev);
		break;
	case SSH_EV_GLOBAL_REQUEST:
		on_global_request(c, ev);
		break;
	case SSH_EV_OPEN:
		ssh_announce_hostkeys(c->ssh);
		break;
	case SSH_EV_DEBUG:
		on_debug(ev);
		break;
	case SSH_EV_KEX_DONE:
		if (!ev->first)
			survive_say(c, IPC_COUNT, &(struct ipc_COUNT){ .counter = COUNT_REKEYS, .by = 1 });
		break;
	default:
		break;	/* ROOM: seen in the core's own state; DISCONNECT: loop.c asks ssh_error() */
	}
}
