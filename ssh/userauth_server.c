#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/session.h"

/* userauth_server - the server's side of login (RFC 4252, 4256): one request at a time, parsed whole. */

#define SERVICE "ssh-connection"

enum question { Q_NOTHING, Q_NONE, Q_PASSWORD, Q_KEY_QUERY, Q_KEY, Q_INTERACTIVE, Q_REPLY };

struct userauth {
	int known;			/* the first request named the user; it stays the same */
	size_t user_len;		/* as sent; only the first SSH_USER_MAX bytes are kept */
	uint8_t user[SSH_USER_MAX];
	unsigned requests, failures;
	enum question question;		/* what WAIT_AUTH waits for */
	int prompted;			/* INFO_REQUEST is out (RFC 4256 3.2) */
	unsigned prompts;
	char methods[SSH_METHODS_MAX + 1];
	struct buf key;			/* string alg, string blob of an open query, for PK_OK */
};

int userauth_server_new(struct ssh *s)
{
	struct userauth *u = mem_zalloc(s->env.mem, sizeof *u);

	if (u == NULL)
		return SSH_E_NOMEM;
	buf_init(&u->key, SSH_BLOB_MAX + SSH_ALG_NAME_MAX + 8, s->env.mem);
	/* Until somebody who knows says otherwise; the same for every user. */
	memcpy(u->methods, "publickey,password,keyboard-interactive", 40);
	s->auth = u;
	return SSH_OK;
}

void userauth_server_free(struct ssh *s)
{
	if (s->auth == NULL)
		return;
	buf_drop(&s->auth->key);
	secret_wipe(s->auth, sizeof *s->auth);
	mem_free(s->env.mem, s->auth);
	s->auth = NULL;
}

int userauth_server_service(struct ssh *s, struct view name)
{
	struct wr w;
	int r;

	if (!view_is(name, "ssh-userauth"))
		return SSH_E_SERVICE;
	msg_begin(s, &w, SSH_MSG_SERVICE_ACCEPT);
	wr_view(&w, name);
	TRY(msg_end(s, &w));
	ssh_enter(s, P_AUTH);
	return ssh_event_new(s, SSH_EV_AUTH_SERVICE) == NULL ? SSH_E_BUG : SSH_OK;
}

static int too_many(struct ssh *s)
{
	return ssh_fail_text(s, SSH_E_AUTH, "Too many authentication failures");
}

/* USERAUTH_FAILURE (RFC 4252 5.1), or the end of the connection when the tries are used up. */
static int say_failure(struct ssh *s, int counted, int partial)
{
	struct userauth *u = s->auth;
	unsigned tries = s->policy.max_auth_tries ? s->policy.max_auth_tries : 6;
	struct wr w;

	if (counted && ++u->failures >= tries)
		return too_many(s);
	msg_begin(s, &w, SSH_MSG_USERAUTH_FAILURE);
	wr_cstr(&w, u->methods);
	wr_bool(&w, partial);
	return msg_end(s, &w);
}

/* Raises a question; input rests until it is answered. */
static struct ssh_event *ask(struct ssh *s, enum question q, enum ssh_event_type type)
{
	struct userauth *u = s->auth;
	struct ssh_event *e = ssh_event_new(s, type);

	if (e == NULL)
		return NULL;
	e->user = view_of(u->user, u->user_len < SSH_USER_MAX ? u->user_len : SSH_USER_MAX);
	e->service = view_str(SERVICE);
	u->question = q;
	s->wait = WAIT_AUTH;
	return e;
}

static int method_none(struct ssh *s, struct rd *in)
{
	int r;

	TRY(rd_done(in));
	return ask(s, Q_NONE, SSH_EV_AUTH_NONE) == NULL ? SSH_E_BUG : SSH_OK;
}

/* RFC 4252 8. A request to change the password is a failure: this server changes none. */
static int method_password(struct ssh *s, struct rd *in)
{
	int change = rd_bool(in), r;
	struct view password = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	struct ssh_event *e;

	if (change)
		rd_string(in, SSH_PREAUTH_PACKET_MAX);
	r = rd_done(in);
	if (r < 0 || change || password.len > SSH_PASSWORD_MAX) {
		packet_wipe(s);
		return r < 0 ? r : say_failure(s, 1, 0);
	}
	if ((e = ask(s, Q_PASSWORD, SSH_EV_AUTH_PASSWORD)) == NULL)
		return SSH_E_BUG;
	e->data = password;
	return SSH_OK;
}

static int in_list(const char *list, struct view name)
{
	const char *end;

	for (; list != NULL && *list != '\0'; list = *end == ',' ? end + 1 : end) {
		end = list + strcspn(list, ",");
		if (view_same(view_of(list, (size_t)(end - list)), name))
			return 1;
	}
	return 0;
}

/* One row must explain both names: the algorithm's and the one inside the key (CVE-class "algorithm confusion"). */
static int key_usable(const struct ssh *s, struct view alg, struct view blob)
{
	const struct sig_alg *row;
	struct rd in = rd_view(blob);
	struct view name = rd_string(&in, SSH_ALG_NAME_MAX);

	if (blob.len > SSH_BLOB_MAX || alg.len > SSH_ALG_NAME_MAX || in.bad || !in_list(s->policy.sig_algs, alg))
		return 0;
	row = sig_alg_find(alg);
	return row != NULL && !row->cert && view_is(name, row->key_name);
}

/* The host key of the first exchange: nobody exchanges keys a second time before login. */
static struct view shown_hostkey(const struct ssh *s)
{
	const struct hostkey *key = s->kex->now.sig != NULL ? kex_hostkey(s, s->kex->now.sig) : NULL;

	return key != NULL ? view_of(key->blob, key->len) : view_of(NULL, 0);
}

/* RFC 4252 7; the key itself is opened only by whoever verifies it. bound: OpenSSH PROTOCOL 3.1. */
static int key_request(struct ssh *s, struct rd *in, int bound)
{
	struct userauth *u = s->auth;
	int is_signed = rd_bool(in), r;
	struct view alg = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	struct view blob = rd_string(in, SSH_PREAUTH_PACKET_MAX), hostkey = { 0 }, sig = { 0 };
	struct ssh_event *e;
	struct wr w;

	if (bound)
		hostkey = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	if (is_signed)
		sig = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	TRY(rd_done(in));
	if (bound && (hostkey.len == 0 || !view_same(hostkey, shown_hostkey(s))))
		return ssh_fail_text(s, SSH_E_PROTOCOL, SSH_METHOD_HOSTBOUND " packet contained wrong host key");
	if (!key_usable(s, alg, blob) || sig.len > SSH_SIG_MAX)
		return say_failure(s, 1, 0);
	if (!is_signed) {
		buf_truncate(&u->key, 0);
		w = wr_to(&u->key);
		wr_view(&w, alg);
		wr_view(&w, blob);
		TRY(wr_done(&w));
	}
	e = is_signed ? ask(s, Q_KEY, SSH_EV_AUTH_KEY) : ask(s, Q_KEY_QUERY, SSH_EV_AUTH_KEY_QUERY);
	if (e == NULL)
		return SSH_E_BUG;
	e->alg = alg;
	e->data = blob;
	e->data2 = sig;
	e->data3 = hostkey;
	return SSH_OK;
}

static int method_key(struct ssh *s, struct rd *in)
{
	return key_request(s, in, 0);
}

static int method_key_bound(struct ssh *s, struct rd *in)
{
	return key_request(s, in, 1);
}

static int method_interactive(struct ssh *s, struct rd *in)
{
	struct view submethods;
	struct ssh_event *e;
	int r;

	rd_string(in, SSH_PREAUTH_PACKET_MAX);		/* language tag, ignored (RFC 4256 3.1) */
	submethods = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	TRY(rd_done(in));
	if ((e = ask(s, Q_INTERACTIVE, SSH_EV_AUTH_INTERACTIVE)) == NULL)
		return SSH_E_BUG;
	e->data = submethods;
	return SSH_OK;
}

static const struct {
	const char *name;
	int (*fn)(struct ssh *, struct rd *);
} methods[] = {
	{ "none", method_none },
	{ "password", method_password },
	{ "publickey", method_key },
	{ SSH_METHOD_HOSTBOUND, method_key_bound },
	{ "keyboard-interactive", method_interactive },
};

/* User and service are fixed by the first request: an answer belongs to the name it was asked for. */
static int check_user(struct ssh *s, struct view user, struct view service)
{
	struct userauth *u = s->auth;
	size_t n = user.len < SSH_USER_MAX ? user.len : SSH_USER_MAX;

	if (u->known && (user.len != u->user_len || !view_same(view_of(user.p, n), view_of(u->user, n)) ||
	    !view_is(service, SERVICE)))
		return ssh_fail_text(s, SSH_E_PROTOCOL, "Change of username or service not allowed");
	if (!view_is(service, SERVICE))
		return SSH_E_SERVICE;
	if (!u->known && n > 0)
		memcpy(u->user, user.p, n);
	u->user_len = user.len;
	u->known = 1;
	return SSH_OK;
}

int ssh_on_auth_request(struct ssh *s, struct rd *in)
{
	struct userauth *u = s->auth;
	struct view user, service, method;
	int r;

	if (s->authenticated)
		return rd_rest(in), SSH_OK;		/* RFC 4252 5.1 */
	user = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	service = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	method = rd_string(in, SSH_PREAUTH_PACKET_MAX);
	if (in->bad)
		return SSH_E_FORMAT;
	TRY(check_user(s, user, service));
	u->prompted = 0;				/* a new request abandons the round (RFC 4256 3.1) */
	if (++u->requests > SSH_AUTH_REQUESTS)
		return too_many(s);
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (view_is(method, methods[i].name))
			return methods[i].fn(s, in);
	rd_rest(in);
	return say_failure(s, 1, 0);
}

/* INFO_RESPONSE (RFC 4256 3.4) */
int ssh_on_auth_reply(struct ssh *s, struct rd *in)
{
	struct userauth *u = s->auth;
	uint32_t count = rd_u32(in);
	struct view answers = view_of(in->p, rd_left(in));
	struct ssh_event *e;
	int too_long = 0, r;

	if (!u->prompted)
		return SSH_E_PROTOCOL;
	u->prompted = 0;
	if (!in->bad && count != u->prompts) {
		rd_rest(in);
		packet_wipe(s);
		return say_failure(s, 1, 0);		/* "MUST send a failure message" */
	}
	for (uint32_t i = 0; i < count && !in->bad; i++)
		too_long |= rd_string(in, SSH_PREAUTH_PACKET_MAX).len > SSH_PASSWORD_MAX;
	r = rd_done(in);
	if (r < 0 || too_long) {
		packet_wipe(s);
		return r < 0 ? r : say_failure(s, 1, 0);
	}
	if ((e = ask(s, Q_REPLY, SSH_EV_AUTH_REPLY)) == NULL)
		return SSH_E_BUG;
	e->count = count;
	e->data = answers;
	return SSH_OK;
}

/* ---- answers */

static int can_answer(const struct ssh *s)
{
	return s->role == SSH_SERVER && s->error == SSH_OK && s->wait == WAIT_AUTH && s->auth != NULL;
}

static enum question close_question(struct ssh *s)
{
	enum question q = s->auth->question;

	if (q == Q_PASSWORD || q == Q_REPLY)
		packet_wipe(s);
	s->auth->question = Q_NOTHING;
	s->wait = WAIT_NOTHING;
	return q;
}

static int say_key_ok(struct ssh *s)
{
	struct wr w;

	msg_begin(s, &w, SSH_MSG_USERAUTH_60);
	wr_raw(&w, buf_head(&s->auth->key), buf_len(&s->auth->key));
	return msg_end(s, &w);
}

static int say_success(struct ssh *s)
{
	struct wr w;
	int r;

	msg_begin(s, &w, SSH_MSG_USERAUTH_SUCCESS);
	TRY(msg_end(s, &w));
	s->authenticated = 1;
	TRY(packet_compress_login(s));
	ssh_enter(s, P_OPEN);
	return ssh_event_new(s, SSH_EV_OPEN) == NULL ? SSH_E_BUG : SSH_OK;
}

int ssh_answer_auth(struct ssh *s, enum ssh_auth_answer answer, const char *list, int counted)
{
	struct userauth *u = s->auth;
	int r = SSH_E_BUG;

	if (!can_answer(s))
		return SSH_E_NOT_NOW;
	/* A query proves nothing (RFC 4252 7): it can be welcome, never a success. */
	if ((answer == SSH_AUTH_KEY_OK) != (u->question == Q_KEY_QUERY) && answer != SSH_AUTH_NO)
		return SSH_E_NOT_NOW;
	if (list != NULL && strlen(list) > SSH_METHODS_MAX)
		return SSH_E_FULL;
	if (list != NULL)
		memcpy(u->methods, list, strlen(list) + 1);
	close_question(s);
	switch (answer) {
	case SSH_AUTH_NO:
		r = say_failure(s, counted, 0);
		break;
	case SSH_AUTH_PARTIAL:
		r = say_failure(s, 0, 1);
		break;
	case SSH_AUTH_KEY_OK:
		r = say_key_ok(s);
		break;
	case SSH_AUTH_YES:
		r = say_success(s);
		break;
	}
	return r < 0 ? ssh_fail(s, r) : SSH_OK;
}

int ssh_answer_prompt(struct ssh *s, const char *name, const char *instruction, const struct ssh_prompt *p,
    unsigned count)
{
	struct userauth *u = s->auth;
	struct wr w;
	int r;

	if (!can_answer(s) || (u->question != Q_INTERACTIVE && u->question != Q_REPLY) || count > SSH_PROMPTS_MAX)
		return SSH_E_NOT_NOW;
	close_question(s);
	msg_begin(s, &w, SSH_MSG_USERAUTH_60);
	wr_cstr(&w, name);
	wr_cstr(&w, instruction);
	wr_cstr(&w, "");
	wr_u32(&w, count);
	for (unsigned i = 0; i < count; i++) {
		wr_cstr(&w, p[i].text);
		wr_bool(&w, p[i].echo);
	}
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	u->prompted = 1;
	u->prompts = count;
	return SSH_OK;
}

int ssh_send_banner(struct ssh *s, const char *text)
{
	struct wr w;
	int r;

	if (s->role != SSH_SERVER || s->error != SSH_OK || s->phase != P_AUTH || s->authenticated)
		return SSH_E_NOT_NOW;
	if (text == NULL || strlen(text) > SSH_BANNER_MAX)
		return SSH_E_FULL;
	msg_begin(s, &w, SSH_MSG_USERAUTH_BANNER);
	wr_cstr(&w, text);
	wr_cstr(&w, "");
	if ((r = msg_end(s, &w)) < 0)
		return ssh_fail(s, r);
	return SSH_OK;
}

/* ---- moving */

int userauth_server_export(const struct ssh *s, struct wr *w)
{
	const struct userauth *u = s->auth;

	if (u->question != Q_NOTHING)
		return SSH_E_NOT_NOW;
	wr_bool(w, u->known);
	wr_u32(w, (uint32_t)u->user_len);
	wr_string(w, u->user, u->user_len < SSH_USER_MAX ? u->user_len : SSH_USER_MAX);
	wr_u32(w, u->requests);
	wr_u32(w, u->failures);
	wr_bool(w, u->prompted);
	wr_u32(w, u->prompts);
	wr_cstr(w, u->methods);
	return wr_done(w);
}

int userauth_server_import(struct ssh *s, struct rd *in)
{
	struct userauth *u;
	struct view user, list;
	int r;

	if (s->auth == NULL)
		TRY(userauth_server_new(s));
	u = s->auth;
	u->known = rd_bool(in);
	u->user_len = rd_u32(in);
	user = rd_string(in, SSH_USER_MAX);
	u->requests = rd_u32(in);
	u->failures = rd_u32(in);
	u->prompted = rd_bool(in);
	u->prompts = rd_u32(in);
	list = rd_string(in, SSH_METHODS_MAX);
	if (in->bad || u->prompts > SSH_PROMPTS_MAX ||
	    user.len != (u->user_len < SSH_USER_MAX ? u->user_len : SSH_USER_MAX))
		return SSH_E_STATE;
	if (user.len > 0)
		memcpy(u->user, user.p, user.len);
	if (list.len > 0)
		memcpy(u->methods, list.p, list.len);
	u->methods[list.len] = '\0';
	return SSH_OK;
}
