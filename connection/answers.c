#include "connection/answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "connection/conn.h"
#include "ipc/values.h"
#include "ssh/disconnect.h"

void answers_init(struct answers *a)
{
	memset(a, 0, sizeof *a);
	buf_init(&a->kept, SSH_PACKET_MAX, NULL);
	buf_init(&a->name, ANSWERS_NAME_MAX, NULL);
}

void answers_drop(struct answers *a)
{
	buf_drop(&a->kept);
	buf_drop(&a->name);
}

struct view answers_user(const struct conn *c)
{
	return c->answers.user;
}

/* Copies n views behind each other into b and points to[] at the copies. */
static int keep(struct buf *b, const struct view *from, struct view *to, size_t n)
{
	size_t total = 0;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		total += from[i].len;
	buf_drop(b);
	if ((p = buf_reserve(b, total ? total : 1)) == NULL)
		return SSH_E_NOMEM;
	buf_commit(b, total);
	for (size_t i = 0; i < n; i++) {
		if (from[i].len > 0)
			memcpy(p, from[i].p, from[i].len);
		to[i] = view_of(p, from[i].len);
		p += from[i].len;
	}
	return SSH_OK;
}

static void forget(struct answers *a)
{
	buf_drop(&a->kept);	/* wipes */
	memset(a->part, 0, sizeof a->part);
	a->open = Q_NOTHING;
	a->waiting = WAITS_FOR_NOTHING;
}

static void answer(struct conn *c, enum ssh_auth_answer what, int counted)
{
	forget(&c->answers);
	ssh_answer_auth(c->ssh, what, c->answers.methods, counted);
}

/* ---- questions to auth ----------------------------------------------------------- */

static int send_question(struct conn *c)
{
	const struct answers *a = &c->answers;
	uint32_t req = a->req;

	switch (a->open) {
	case Q_KEY_OK:
		return link_send(c->auth, IPC_AUTH_KEY_OK, &(struct ipc_AUTH_KEY_OK){ .req = req, .alg = a->part[0], .blob = a->part[1] });
	case Q_KEY:
		return link_send(c->auth, IPC_AUTH_KEY,
		    &(struct ipc_AUTH_KEY){ .req = req, .alg = a->part[0], .blob = a->part[1], .sig = a->part[2], .hostkey = a->part[3] });
	case Q_PASSWORD:
		return link_send(c->auth, IPC_AUTH_PASSWORD, &(struct ipc_AUTH_PASSWORD){ .req = req, .password = a->part[0] });
	case Q_INTERACT:
		return link_send(c->auth, IPC_AUTH_INTERACT, &(struct ipc_AUTH_INTERACT){ .req = req, .submethods = a->part[0] });
	case Q_REPLY:
		return link_send(c->auth, IPC_AUTH_REPLY,
		    &(struct ipc_AUTH_REPLY){ .req = req, .count = a->count, .answer = a->part[0] });
	default:
		return SSH_E_BUG;
	}
}

/* Says what auth can hear now: who it is about, then the question. Without a link it waits for one. */
static void ask(struct conn *c)
{
	struct answers *a = &c->answers;
	int r;

	if (c->auth == NULL || a->open == Q_NOTHING)
		return;
	a->req = conn_req(c);
	if (a->introduced && a->open != Q_NONE) {
		a->waiting = WAITS_FOR_ANSWER;
		r = send_question(c);
	} else {
		a->waiting = WAITS_FOR_BEGIN;
		r = link_send(c->auth, IPC_AUTH_BEGIN,
		    &(struct ipc_AUTH_BEGIN){ .req = a->req, .user = a->user, .service = a->service });
	}
	if (r == SSH_E_GONE || r == SSH_OK)
		return;		/* gone: the link will say so itself */
	answer(c, SSH_AUTH_NO, 1);	/* longer than any real one may be */
}

/* What a client typed: only its first answer goes on, and only when it has a length a password may have. */
static void keep_reply(struct answers *a, const struct ssh_event *ev, struct view *first)
{
	struct rd in = rd_view(ev->data);
	struct view v = ev->count > 0 ? rd_string(&in, SSH_PASSWORD_MAX) : view_of(NULL, 0);

	a->count = in.bad ? 0 : ev->count;
	*first = in.bad ? view_of(NULL, 0) : v;
}

/* The first request names who logs in; the core sees to it that the others name the same. */
static int keep_user(struct answers *a, const struct ssh_event *ev)
{
	struct view parts[2], user = ev->user;
	char printable[SSH_USER_MAX + 1];
	int r;

	if (a->user.p != NULL)
		return SSH_OK;
	/* Nobody's name holds a NUL; its printable form is nobody's either, and takes the same way. */
	if (user.len > 0 && memchr(user.p, '\0', user.len) != NULL)
		user = view_str(log_escape(printable, sizeof printable, user.p, user.len));
	TRY(keep(&a->name, (struct view[]){ user, ev->service }, parts, 2));
	a->user = parts[0];
	a->service = parts[1];
	return SSH_OK;
}

int answers_import(struct answers *a, struct view user, struct view service)
{
	struct view parts[2];
	int r;

	TRY(keep(&a->name, (struct view[]){ user, service }, parts, 2));
	a->user = parts[0];
	a->service = parts[1];
	a->introduced = a->greeted = 1;
	return SSH_OK;
}

/* Which algorithm a client uses with its key is to be seen nowhere else: one RSA key has three. */
static void tell_signature(struct view alg)
{
	char name[4 * SSH_ALG_NAME_MAX + 1];

	log_ev(LOGL_DEBUG, "userauth_pubkey: have %s signature", log_escape(name, sizeof name, alg.p, alg.len));
}

void answers_auth(struct conn *c, const struct ssh_event *ev)
{
	struct answers *a = &c->answers;
	struct view part[4] = { ev->alg, ev->data, ev->data2, ev->data3 };

	forget(a);
	if (keep_user(a, ev) < 0) {
		conn_disconnect(c, DISCONNECT_PROTOCOL_ERROR, "out of memory");
		return;
	}
	switch (ev->type) {
	case SSH_EV_AUTH_NONE:
		a->open = Q_NONE;
		part[0] = part[1] = part[2] = part[3] = view_of(NULL, 0);
		break;
	case SSH_EV_AUTH_KEY_QUERY:
		a->open = Q_KEY_OK;
		part[2] = part[3] = view_of(NULL, 0);
		break;
	case SSH_EV_AUTH_KEY:
		a->open = Q_KEY;
		break;
	case SSH_EV_AUTH_REPLY:
		a->open = Q_REPLY;
		keep_reply(a, ev, &part[0]);
		part[1] = part[2] = part[3] = view_of(NULL, 0);
		break;
	default:
		a->open = ev->type == SSH_EV_AUTH_PASSWORD ? Q_PASSWORD : Q_INTERACT;
		part[0] = ev->data;
		part[1] = part[2] = part[3] = view_of(NULL, 0);
	}
	if (keep(&a->kept, part, a->part, 4) < 0) {
		answer(c, SSH_AUTH_NO, 0);
		return;
	}
	if (a->open == Q_KEY)
		tell_signature(a->part[0]);
	if (a->open == Q_REPLY && !a->prompted) {
		answer(c, SSH_AUTH_NO, 0);	/* the auth that asked is gone; this one knows nothing of it */
		return;
	}
	a->prompted = 0;
	ask(c);
}

/* ---- auth's answers ---------------------------------------------------------------- */

static void keep_methods(struct answers *a, struct view methods)
{
	size_t n = methods.len < sizeof a->methods ? methods.len : sizeof a->methods - 1;

	if (n > 0)
		memcpy(a->methods, methods.p, n);
	a->methods[n] = '\0';
}

static void send_banner(struct conn *c, struct view banner)
{
	char *text;

	if (banner.len == 0 || c->answers.greeted || (text = strndup((const char *)banner.p, banner.len)) == NULL)
		return;
	c->answers.greeted = 1;
	ssh_send_banner(c->ssh, text);
	free(text);
}

static int pass_on(struct conn *c, const struct ipc_AUTH_VERDICT *m)
{
	enum question was = c->answers.open;

	switch (m->verdict) {
	case VERDICT_YES:
		if (was == Q_KEY_OK)
			return SSH_E_RULE;
		conn_authed(c);
		answer(c, SSH_AUTH_YES, 0);
		return SSH_OK;
	case VERDICT_KEY_OK:
		if (was != Q_KEY_OK)
			return SSH_E_RULE;
		answer(c, SSH_AUTH_KEY_OK, 0);
		return SSH_OK;
	case VERDICT_PARTIAL:
		answer(c, SSH_AUTH_PARTIAL, m->counted);
		return SSH_OK;
	case VERDICT_NO:
		break;
	default:
		return SSH_E_RULE;
	}
	if (m->last)
		conn_disconnect(c, DISCONNECT_PROTOCOL_ERROR, "Too many authentication failures");
	else
		answer(c, SSH_AUTH_NO, m->counted);
	return SSH_OK;
}

static int on_verdict(struct conn *c, const struct ipc_AUTH_VERDICT *m)
{
	struct answers *a = &c->answers;

	if (a->waiting == WAITS_FOR_NOTHING || m->req != a->req)
		return SSH_OK;	/* to a question that was withdrawn */
	a->unknown = m->unknown != 0;
	keep_methods(a, m->methods);
	send_banner(c, m->banner);
	if (a->waiting == WAITS_FOR_BEGIN) {
		a->introduced = 1;
		a->waiting = WAITS_FOR_NOTHING;
		if (a->open != Q_NONE && m->verdict == VERDICT_NO && !m->last) {
			ask(c);
			return SSH_OK;
		}
	}
	return pass_on(c, m);
}

static int on_prompt(struct conn *c, const struct ipc_AUTH_PROMPT *m)
{
	struct answers *a = &c->answers;
	struct ssh_prompt prompt = { .echo = m->echo };
	char *text;

	if (a->waiting != WAITS_FOR_ANSWER || m->req != a->req)
		return SSH_OK;
	if (a->open != Q_INTERACT && a->open != Q_REPLY)
		return SSH_E_RULE;
	if ((text = strndup((const char *)m->text.p, m->text.len)) == NULL)
		return SSH_E_NOMEM;
	prompt.text = text;
	forget(a);
	a->prompted = 1;
	ssh_answer_prompt(c->ssh, "", "", &prompt, 1);
	free(text);
	return SSH_OK;
}

static int on_policy(struct conn *c, const struct ipc_AUTH_POLICY *m)
{
	char *patterns = strndup((const char *)m->accept_env.p, m->accept_env.len);

	if (patterns == NULL)
		return SSH_E_NOMEM;
	free(c->accept_env);
	c->accept_env = patterns;
	c->max_sessions = m->max_sessions;
	c->permits = m->permits;
	c->alive_ms = m->alive_ms;
	c->alive_max = m->alive_max;
	c->rekey_bytes = m->rekey_bytes;
	c->rekey_ms = m->rekey_ms;
	ssh_set_alive(c->ssh, m->alive_ms, m->alive_max);
	ssh_set_rekey(c->ssh, m->rekey_bytes, m->rekey_ms);
	return SSH_OK;
}

/* ---- keysign ------------------------------------------------------------------------- */

void answers_sign(struct conn *c, const struct ssh_event *ev)
{
	struct ipc_SIGN m = { .key = (uint8_t)ev->key, .alg = ev->alg, .hash = ev->data };
	int r;

	if (c->key == NULL || c->prove.req != 0)
		return;		/* ssh_repeat_need() has it when there is a link again, or the proof is there */
	m.req = c->answers.sign_req = conn_req(c);
	if ((r = link_send(c->key, IPC_SIGN, &m)) < 0 && r != SSH_E_GONE)
		ssh_answer_sign(c->ssh, -1, view_of(NULL, 0));
}

/* keysign can hear the next question, a key exchange's before a proof. */
static void key_free(struct conn *c)
{
	struct ssh_event ev;

	if (c->prove.req == 0 && c->answers.sign_req == 0 && ssh_repeat_need(c->ssh, &ev) > 0 && ev.type == SSH_EV_NEED_SIGN)
		answers_sign(c, &ev);
	prove_ask(c);
}

static int on_signed(struct conn *c, const struct ipc_SIGNED *m)
{
	if (c->answers.sign_req == 0 || m->req != c->answers.sign_req)
		return SSH_OK;
	c->answers.sign_req = 0;
	ssh_answer_sign(c->ssh, m->status == SIGNED_OK ? 0 : -1, m->sig);
	prove_ask(c);
	return SSH_OK;
}

int answers_message(struct conn *c, struct ipc_msg *m)
{
	switch (m->type) {
	case IPC_SIGNED:
		if (!prove_hears(c, m))
			return on_signed(c, &m->u.SIGNED);
		prove_signed(c, &m->u.SIGNED);
		key_free(c);
		return SSH_OK;
	case IPC_AUTH_VERDICT:
		return on_verdict(c, &m->u.AUTH_VERDICT);
	case IPC_AUTH_PROMPT:
		return on_prompt(c, &m->u.AUTH_PROMPT);
	case IPC_AUTH_POLICY:
		return on_policy(c, &m->u.AUTH_POLICY);
	default:
		return SSH_E_RULE;
	}
}

void answers_auth_lost(struct conn *c)
{
	struct answers *a = &c->answers;

	a->introduced = 0;
	a->waiting = WAITS_FOR_NOTHING;
	a->prompted = 0;
	if (a->open == Q_REPLY)
		answer(c, SSH_AUTH_NO, 0);	/* the conversation it belonged to died */
}

void answers_repeat(struct conn *c, enum ipc_role role)
{
	if (role == ROLE_AUTH)
		ask(c);
	else if (role == ROLE_KEY)
		key_free(c);
}
