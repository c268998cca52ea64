#include "base/err.h"
#include "base/mem.h"
#include "ssh/packet.h"
#include "ssh/session.h"

/* userauth_client - the client's side of login (RFC 4252, 4256): one request outstanding. */

#define METHODS_MAX 4096u	/* a server's name list */
#define TEXT_MAX 16384u		/* one text of a server: prompt, instruction */

enum request { R_NOTHING, R_SERVICE, R_NONE, R_PASSWORD, R_KEY_QUERY, R_KEY, R_INTERACTIVE, R_PROMPTED };

struct userauth {
	enum request open;	/* what the server owes us an answer to; R_PROMPTED: what we owe the server */
	uint32_t prompts;
	struct buf key;		/* string alg, string blob we asked about */
};

int userauth_client_new(struct ssh *s)
{
	if ((s->auth = mem_zalloc(s->env.mem, sizeof *s->auth)) == NULL)
		return SSH_E_NOMEM;
	buf_init(&s->auth->key, SSH_BLOB_MAX + SSH_ALG_NAME_MAX + 8, s->env.mem);
	return SSH_OK;
}

void userauth_client_free(struct ssh *s)
{
	if (s->auth == NULL)
		return;
	buf_drop(&s->auth->key);
	mem_free(s->env.mem, s->auth);
	s->auth = NULL;
}

int userauth_client_start(struct ssh *s)
{
	struct wr w;
	int r;

	msg_begin(s, &w, SSH_MSG_SERVICE_REQUEST);
	wr_cstr(&w, "ssh-userauth");
	TRY(msg_end(s, &w));
	s->auth->open = R_SERVICE;
	return SSH_OK;
}

int ssh_on_service_accept(struct ssh *s, struct rd *in)
{
	struct view name = rd_string(in, CHAN_NAME_MAX);
	int r;

	TRY(rd_done(in));
	if (s->auth->open != R_SERVICE || !view_is(name, "ssh-userauth"))
		return SSH_E_PROTOCOL;
	s->auth->open = R_NOTHING;
	ssh_enter(s, P_AUTH);
	return ssh_event_new(s, SSH_EV_AUTH_READY) == NULL ? SSH_E_BUG : SSH_OK;
}

/* ---- what the server says */

static int request_open(const struct userauth *u)
{
	return u->open >= R_NONE && u->open <= R_INTERACTIVE;
}

int ssh_on_auth_failure(struct ssh *s, struct rd *in)
{
	struct view list = rd_string(in, METHODS_MAX);
	int partial = rd_bool(in), r;
	struct ssh_event *e;

	TRY(rd_done(in));
	/* A server may give a round up while we think about its prompts. */
	if (!request_open(s->auth) && s->auth->open != R_PROMPTED)
		return SSH_E_PROTOCOL;
	s->auth->open = R_NOTHING;
	if ((e = ssh_event_new(s, SSH_EV_AUTH_FAILURE)) == NULL)
		return SSH_E_BUG;
	e->text = list;
	e->partial = partial;
	return SSH_OK;
}

int ssh_on_auth_success(struct ssh *s, struct rd *in)
{
	int r;

	TRY(rd_done(in));
	if (!request_open(s->auth))
		return SSH_E_PROTOCOL;
	s->auth->open = R_NOTHING;
	buf_drop(&s->auth->key);
	s->authenticated = 1;
	TRY(packet_compress_login(s));
	ssh_enter(s, P_OPEN);
	return ssh_event_new(s, SSH_EV_OPEN) == NULL ? SSH_E_BUG : SSH_OK;
}

int ssh_on_auth_banner(struct ssh *s, struct rd *in)
{
	struct view text = rd_string(in, SSH_BANNER_MAX);
	struct ssh_event *e;
	int r;

	rd_string(in, CHAN_NAME_MAX);		/* language tag */
	TRY(rd_done(in));
	if ((e = ssh_event_new(s, SSH_EV_AUTH_BANNER)) == NULL)
		return SSH_E_BUG;
	e->text = text;
	return SSH_OK;
}

/* PK_OK (RFC 4252 7): only about the key we asked about. */
static int key_ok(struct ssh *s, struct rd *in)
{
	struct view body = view_of(in->p, rd_left(in));
	struct view alg = rd_string(in, SSH_ALG_NAME_MAX), blob = rd_string(in, SSH_BLOB_MAX);
	struct buf *key = &s->auth->key;
	struct ssh_event *e;
	int r;

	TRY(rd_done(in));
	if (!view_same(body, view_of(buf_head(key), buf_len(key))))
		return SSH_E_PROTOCOL;
	s->auth->open = R_NOTHING;
	if ((e = ssh_event_new(s, SSH_EV_AUTH_KEY_OK)) == NULL)
		return SSH_E_BUG;
	e->alg = alg;
	e->data = blob;
	return SSH_OK;
}

/* PASSWD_CHANGEREQ (RFC 4252 8) */
static int change_password(struct ssh *s, struct rd *in)
{
	struct view prompt = rd_string(in, TEXT_MAX);
	struct ssh_event *e;
	int r;

	rd_string(in, CHAN_NAME_MAX);
	TRY(rd_done(in));
	s->auth->open = R_NOTHING;
	if ((e = ssh_event_new(s, SSH_EV_AUTH_CHANGE)) == NULL)
		return SSH_E_BUG;
	e->text = prompt;
	return SSH_OK;
}

/* INFO_REQUEST (RFC 4256 3.2) */
static int prompt(struct ssh *s, struct rd *in)
{
	struct view name = rd_string(in, TEXT_MAX), instruction = rd_string(in, TEXT_MAX), prompts;
	struct ssh_event *e;
	uint32_t count;
	int r;

	rd_string(in, CHAN_NAME_MAX);
	count = rd_u32(in);
	prompts = view_of(in->p, rd_left(in));
	if (count > SSH_PROMPTS_MAX)
		return SSH_E_LIMIT;
	for (uint32_t i = 0; i < count; i++) {
		rd_string(in, TEXT_MAX);
		rd_bool(in);
	}
	TRY(rd_done(in));
	s->auth->open = R_PROMPTED;
	s->auth->prompts = count;
	if ((e = ssh_event_new(s, SSH_EV_AUTH_PROMPT)) == NULL)
		return SSH_E_BUG;
	e->text = name;
	e->data2 = instruction;
	e->count = count;
	e->data = prompts;
	return SSH_OK;
}

/* Number 60 means what the open request makes of it. */
int ssh_on_auth_60(struct ssh *s, struct rd *in)
{
	if (s->auth->open == R_KEY_QUERY)
		return key_ok(s, in);
	if (s->auth->open == R_PASSWORD)
		return change_password(s, in);
	if (s->auth->open == R_INTERACTIVE)
		return prompt(s, in);
	return SSH_E_PROTOCOL;
}

/* ---- what the user says */

static int may_ask(const struct ssh *s)
{
	return s->role == SSH_CLIENT && s->error == SSH_OK && s->phase == P_AUTH && s->auth != NULL &&
	    !request_open(s->auth);
}

static void request_begin(struct ssh *s, struct wr *w, const char *user, const char *method)
{
	msg_begin(s, w, SSH_MSG_USERAUTH_REQUEST);
	wr_cstr(w, user);
	wr_cstr(w, "ssh-connection");
	wr_cstr(w, method);
}

static int request_end(struct ssh *s, struct wr *w, enum request open)
{
	int r = msg_end(s, w);

	if (r < 0)
		return ssh_fail(s, r);
	s->auth->open = open;
	return SSH_OK;
}

int ssh_auth_none(struct ssh *s, const char *user)
{
	struct wr w;

	if (!may_ask(s))
		return SSH_E_NOT_NOW;
	request_begin(s, &w, user, "none");
	return request_end(s, &w, R_NONE);
}

int ssh_auth_password(struct ssh *s, const char *user, const char *password, const char *new_password)
{
	struct wr w;

	if (!may_ask(s))
		return SSH_E_NOT_NOW;
	request_begin(s, &w, user, "password");
	wr_bool(&w, new_password != NULL);
	wr_cstr(&w, password);
	if (new_password != NULL)
		wr_cstr(&w, new_password);
	return request_end(s, &w, R_PASSWORD);
}

int ssh_auth_key_query(struct ssh *s, const char *user, const char *alg, struct view blob)
{
	struct buf *key;
	struct wr w;
	int r;

	if (!may_ask(s))
		return SSH_E_NOT_NOW;
	key = &s->auth->key;
	buf_truncate(key, 0);
	w = wr_to(key);
	wr_cstr(&w, alg);
	wr_view(&w, blob);
	TRY(wr_done(&w));
	request_begin(s, &w, user, "publickey");
	wr_bool(&w, 0);
	wr_raw(&w, buf_head(key), buf_len(key));
	return request_end(s, &w, R_KEY_QUERY);
}

int ssh_auth_key_data(struct ssh *s, const char *user, const char *alg, struct view blob, struct buf *b)
{
	return ssh_auth_key_text(b, ssh_session_id(s), view_str(user), view_str("ssh-connection"), view_str(alg), blob, view_of(NULL, 0));
}

int ssh_auth_key(struct ssh *s, const char *user, const char *alg, struct view blob, struct view sig)
{
	struct wr w;

	if (!may_ask(s))
		return SSH_E_NOT_NOW;
	request_begin(s, &w, user, "publickey");
	wr_bool(&w, 1);
	wr_cstr(&w, alg);
	wr_view(&w, blob);
	wr_view(&w, sig);
	return request_end(s, &w, R_KEY);
}

int ssh_auth_interactive(struct ssh *s, const char *user)
{
	struct wr w;

	if (!may_ask(s))
		return SSH_E_NOT_NOW;
	request_begin(s, &w, user, "keyboard-interactive");
	wr_cstr(&w, "");
	wr_cstr(&w, "");
	return request_end(s, &w, R_INTERACTIVE);
}

int ssh_auth_reply(struct ssh *s, const struct view *answers, unsigned count)
{
	struct wr w;

	if (!may_ask(s) || s->auth->open != R_PROMPTED || count != s->auth->prompts)
		return SSH_E_NOT_NOW;
	msg_begin(s, &w, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wr_u32(&w, count);
	for (unsigned i = 0; i < count; i++)
		wr_view(&w, answers[i]);
	return request_end(s, &w, R_INTERACTIVE);
}

/* ---- moving */

int userauth_client_export(const struct ssh *s, struct wr *w)
{
	wr_u8(w, (uint8_t)s->auth->open);
	wr_u32(w, s->auth->prompts);
	wr_string(w, buf_head(&s->auth->key), buf_len(&s->auth->key));
	return wr_done(w);
}

int userauth_client_import(struct ssh *s, struct rd *in)
{
	struct view key;
	uint8_t request;
	int r;

	if (s->auth == NULL)
		TRY(userauth_client_new(s));
	request = rd_u8(in);
	s->auth->prompts = rd_u32(in);
	key = rd_string(in, SSH_BLOB_MAX + SSH_ALG_NAME_MAX + 8);
	if (in->bad || request > R_PROMPTED || s->auth->prompts > SSH_PROMPTS_MAX)
		return SSH_E_STATE;
	s->auth->open = (enum request)request;
	return buf_append(&s->auth->key, key.p, key.len);
}
