#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "ssh/ident.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/* dispatch - takes one line or packet, asks the table whether it may come now, and calls its handler. */

static const struct rule {
	uint16_t legal[2];		/* phases, by role of the receiver */
	int (*handle)(struct ssh *, struct rd *);
	const char *name;
} rules[256] = {
#define SSH(number, name, server, client, handler, rfc) \
	[number] = { { (server), (client) }, ssh_on_##handler, #name },
#include "ssh/messages.def"
#undef SSH
};

_Static_assert(SSH_SERVER == 0 && SSH_CLIENT == 1, "roles index rules[].legal");

static const char *phase_name(enum ssh_phase p)
{
	switch (p) {
	case P_IDENT: return "ident";
	case P_KEX0: return "kex0";
	case P_KEX0S: return "kex0-strict";
	case P_REKEY: return "rekey";
	case P_SERVICE: return "service";
	case P_AUTH: return "auth";
	case P_OPEN: return "open";
	case P_ANYKEX:
	case P_ALL:
		break;
	}
	return "?";
}

void ssh_enter(struct ssh *s, enum ssh_phase phase)
{
	log_ev(LOGL_DEBUG, "phase from=%s to=%s", phase_name(s->phase), phase_name(phase));
	s->phase = phase;
}

/* ---- the gate ----------------------------------------------------------------------------- */

/*
 * A number that is not welcome now. During a key exchange there are no strangers, with strict
 * kex or without (RFC 4253 7.1); 80 and above before login end the connection (RFC 4252 6).
 */
static int refuse(struct ssh *s, uint8_t type)
{
	const char *name = rules[type].name;

	log_ev(LOGL_DEBUG, "refused number=%u name=%s phase=%s", type, name ? name : "?", phase_name(s->phase));
	if (name != NULL || (s->phase & P_ANYKEX) || (type >= 80 && !s->authenticated))
		return SSH_E_PROTOCOL;
	return ssh_unimplemented(s);
}

/*
 * Some clients' channel messages do not stop at their KEXINIT. They come under the old keys, after login; what is answered waits in
 * s->held, which is bounded, and the exchange has its deadline. sshd before 10.4 took them from everybody, later ones take them from nobody.
 */
static int is_late(const struct ssh *s, uint8_t type)
{
	return s->role == SSH_SERVER && s->phase == P_REKEY && type >= SSH_MSG_GLOBAL_REQUEST && (rules[type].legal[SSH_SERVER] & P_OPEN) &&
	    ident_talks_in_rekey(s->peer_version);
}

static int handle(struct ssh *s, struct view payload)
{
	uint8_t type = payload.p[0];
	struct rd in = rd_of(payload.p + 1, payload.len - 1);
	const struct rule *rule = &rules[type];

	if (kex_drops_guess(s, type))
		return SSH_OK;
	if ((rule->legal[s->role] & s->phase) == 0 && !is_late(s, type))
		return refuse(s, type);
	log_ev(LOGL_TRACE, "got %s", rule->name);
	return rule->handle(s, &in);
}

static int one_packet(struct ssh *s)
{
	struct view payload;
	int r;

	if ((r = packet_take(s, &payload)) <= 0)
		return r;
	log_note(NOTE_SSH_IN, payload.p[0], payload.len);
	mux_heard(s);
	TRY(handle(s, payload));
	return 1;
}

/* ---- identification --------------------------------------------------------------------------- */

static int found_ident(struct ssh *s, struct view line)
{
	struct ssh_event *e;

	if ((s->peer_version = mem_strndup(s->env.mem, (const char *)line.p, line.len)) == NULL)
		return SSH_E_NOMEM;
	if ((e = ssh_event_new(s, SSH_EV_IDENT)) == NULL)
		return SSH_E_BUG;
	e->text = view_str(s->peer_version);
	ssh_enter(s, P_KEX0);
	return 1;
}

static int one_line(struct ssh *s)
{
	struct view line;
	size_t used;
	int r;

	if ((r = ident_parse(s->role, view_of(buf_head(&s->in), buf_len(&s->in)), &line, &used)) < 0)
		return r;
	if (r == IDENT_SHORT)
		return 0;
	s->in_packet = used;
	s->more->preauth_bytes += used;
	s->more->bytes_in += used;
	if (s->more->preauth_bytes > SSH_PREAUTH_BYTES)
		return SSH_E_LIMIT;
	if (r == IDENT_FOUND)
		return found_ident(s, line);
	return ++s->more->ident_lines > SSH_IDENT_LINES ? SSH_E_IDENT : 1;
}

int dispatch_one(struct ssh *s)
{
	if (buf_len(&s->in) == 0 && s->more->lent.len == 0)
		return 0;
	return s->phase == P_IDENT ? one_line(s) : one_packet(s);
}

void dispatch_forget(struct ssh *s)
{
	keeps_drop(s);
	if (s->in_packet == 0)
		return;
	if (!s->authenticated)		/* it may have held a password */
		packet_wipe(s);
	if (s->more->lent.len > 0)
		s->in.head += s->in_packet;	/* what is moved here next must not lie on data that stays */
	else
		buf_consume(&s->in, s->in_packet);
	s->in_packet = 0;
}

/* ---- messages of the transport itself (RFC 4253 11) ----------------------------------------------- */

int ssh_on_disconnect(struct ssh *s, struct rd *in)
{
	uint32_t reason = rd_u32(in);
	struct view text = rd_string(in, SSH_PACKET_MAX);
	struct ssh_event *e;

	/* Read leniently: whatever else is wrong with it, the peer is gone. */
	s->bye_reason = reason;
	s->bye_len = text.len < sizeof s->bye_text ? text.len : sizeof s->bye_text - 1;
	if (s->bye_len > 0)
		memcpy(s->bye_text, text.p, s->bye_len);
	ssh_fail(s, SSH_E_CLOSED);
	if ((e = ssh_event_new(s, SSH_EV_DISCONNECT)) != NULL) {
		e->count = reason;
		e->text = view_of(s->bye_text, s->bye_len);
	}
	return SSH_E_CLOSED;
}

/* Unread: JSch's has no string in it, and "All implementations MUST understand (and ignore) this message at any time". */
int ssh_on_ignore(struct ssh *s, struct rd *in)
{
	(void)s, (void)in;
	return SSH_OK;
}

int ssh_on_unimplemented(struct ssh *s, struct rd *in)
{
	(void)s;
	rd_u32(in);
	return rd_done(in);
}

int ssh_on_debug(struct ssh *s, struct rd *in)
{
	int always = rd_bool(in), r;
	struct view text = rd_string(in, SSH_PACKET_MAX);
	struct ssh_event *e;

	rd_string(in, SSH_PACKET_MAX);		/* language tag */
	TRY(rd_done(in));
	if ((e = ssh_event_new(s, SSH_EV_DEBUG)) == NULL)
		return SSH_E_BUG;
	e->ok = always;
	e->text = text;
	return SSH_OK;
}

int ssh_on_service_request(struct ssh *s, struct rd *in)
{
	struct view name = rd_string(in, SSH_ALG_NAME_MAX);
	int r;

	TRY(rd_done(in));
	return userauth_server_service(s, name);
}
