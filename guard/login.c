#include "guard/login.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "guard/authd.h"
#include "guard/banner.h"
#include "guard/grant.h"
#include "guard/helper.h"
#include "guard/lookup.h"
#include "guard/password.h"
#include "guard/policy.h"
#include "guard/report.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/permits.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"

#define ID_WAIT_MS    5000u	/* keysign's SESSION_ID and the connection's AUTH_KEY come over two sockets */
#define NOLOGIN       "/etc/nologin"
#define PASSWD_PROG   "/usr/bin/passwd"	/* all that a password past its time is good for, as in sshd */
#define SERVICE       "ssh-connection"

enum login_state {
	L_NEW,		/* no user yet */
	L_ACCOUNT,	/* the account is looked up */
	L_IDLE,		/* waits for a question */
	L_PROMPTING,	/* waits for the client's answer, or another question */
	L_WAIT_ID,	/* signature here, session id not */
	L_KEY,		/* the helper works */
	L_PASSWORD,	/* a password child works */
	L_DELAYED,	/* a failure waits for its time */
	L_OVER		/* granted, or no more tries: every word is one too many */
};

struct login {
	struct authd *authd;
	struct authd_conf *conf;
	struct link *link;
	struct event *timer;
	uint64_t conn;
	struct addr peer, local;
	enum login_state state;
	uint8_t id[SSH_HASH_MAX];
	size_t id_len;
	int log_level;				/* coppicectl wants to know more (or less) about this one; -1: no */
	/* from AUTH_BEGIN on */
	char user[SSH_USER_MAX * 4 + 1];	/* what logs and patterns see */
	int valid;				/* may log in, if the proof is right */
	struct lookup *lookup;
	struct account *account;
	int service_ok;
	struct conf_values *values;
	unsigned methods;
	uint32_t jitter;
	struct policy_tries tries;
	uint64_t born_ms;
	struct helper *helper;
	struct password *password;
	/* the question of now */
	uint32_t req;
	uint64_t since;				/* us */
	enum policy_method method;
	int query, counted;
	char alg[SSH_ALG_NAME_MAX + 1];
	struct buf blob, sig;
};

static void set_timer(struct login *l, uint64_t us)
{
	struct timeval t = { .tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000) };

	/* From now, not from when the loop woke: what was done since must not show. */
	event_base_update_cache_time(l->authd->self->base);
	evtimer_add(l->timer, &t);
}

/* The line, and what it says as named values. */
static void tell(const struct login *l, enum happening kind, enum log_level level, const char *line, const struct report *r)
{
	char ip[ADDR_TEXT_MAX], key[REPORT_KEY_MAX], user[4 * SSH_USER_MAX + 1];
	struct tell fields[] = {
		TELL_NUMBER("session", l->conn), TELL_TEXT("user", log_escape(user, sizeof user, l->user, strlen(l->user))),
		TELL_TEXT("peer", addr_text(&l->peer, ip)), TELL_TEXT("method", policy_method_name(l->method)),
		TELL_TEXT("key", report_key_text(r, key)), TELL_BOOL("valid", l->valid),
		TELL_NUMBER("login_ms", clock_ms() - l->born_ms), TELL_END,
	};

	child_tell(kind, level, line, fields);
}

static struct view all(const struct buf *b)
{
	return view_of(b->v == NULL ? NULL : buf_head(b), buf_len(b));
}

static struct report report_of(const struct login *l)
{
	return (struct report){ .user = l->user, .valid = l->valid, .peer = l->peer, .method = l->method,
		.alg = view_str(l->alg), .blob = all(&l->blob) };
}

static int violation(const struct login *l, const char *what)
{
	char ip[ADDR_TEXT_MAX];

	log_ev(LOGL_WARN, "ev=violation conn=%llu peer=%s: %s", (unsigned long long)l->conn, addr_text(&l->peer, ip), what);
	return SSH_E_RULE;
}

/* Lines from here to speak_of_all() are as loud as was asked for this client, and name it. */
static enum log_level speak_of(const struct login *l)
{
	enum log_level was = log_get_level();

	if (l->log_level >= 0) {
		log_set_level((enum log_level)l->log_level);
		log_about(l->conn);
	}
	return was;
}

static void speak_of_all(enum log_level was)
{
	log_set_level(was);
	log_about(0);
}

static void count(const struct login *l, enum counter counter)
{
	link_send(l->authd->self->sup, IPC_COUNT, &(struct ipc_COUNT){ .counter = (uint8_t)counter, .by = 1 });
}

static enum counter failure_of(enum policy_method m)
{
	return m == METHOD_KEY ? COUNT_FAILED_KEY : m == METHOD_PASSWORD ? COUNT_FAILED_PASSWORD :
	    m == METHOD_INTERACTIVE ? COUNT_FAILED_INTERACTIVE : COUNT_FAILED_NONE;
}

/* ---- answers ------------------------------------------------------------------------ */

static int say_verdict(struct login *l, int verdict, const char *banner)
{
	char methods[SSH_METHODS_MAX], text[REPORT_MAX];
	int last = verdict == VERDICT_NO && policy_tries_over(&l->tries);
	struct ipc_AUTH_VERDICT m = {
		.req = l->req, .verdict = (uint8_t)verdict, .counted = (uint8_t)l->counted, .last = (uint8_t)last,
		.unknown = !l->valid, .methods = view_str(policy_methods_text(l->methods, methods)), .banner = view_str(banner),
	};
	struct report r = report_of(l);

	if (last) {
		log_ev(LOGL_ERROR, "%s", report_tries_text(&r, text));
		count(l, COUNT_TRIES_EXCEEDED);
	}
	l->state = last || verdict == VERDICT_YES ? L_OVER : L_IDLE;
	l->counted = 0;
	return link_send(l->link, IPC_AUTH_VERDICT, &m);
}

/* For answers outside the link's own callback: a link that cannot be answered ends. */
static void finish(struct login *l, int r)
{
	if (r < 0)
		login_free(l);
}

/* The answer is no; it is told when its time has come. */
static void fail(struct login *l)
{
	struct report r = report_of(l);
	char text[REPORT_MAX];

	l->counted = policy_tries_count(&l->tries, TRY_FAILED);
	count(l, failure_of(l->method));
	tell(l, HAPPENS_LOGIN_FAILED, report_result_level(&r, 0, policy_tries_half(&l->tries)), report_result_text(&r, 0, text), &r);
	l->state = L_DELAYED;
	set_timer(l, delay_left(clock_us() - l->since, l->jitter));
}

/* The proof was right: is this a way in for this account? */
static int way_in(const struct login *l, int forced)
{
	struct report r = report_of(l);
	char text[REPORT_MAX];

	if (!l->valid || l->account->uid != 0 || policy_root_allowed(l->values->PermitRootLogin, l->method, forced))
		return l->valid;
	log_ev(LOGL_INFO, "%s", report_root_text(&r, text));
	return 0;
}

static int send_grant(struct login *l, struct grant *g)
{
	struct report r = report_of(l);
	char text[REPORT_MAX];
	int e;

	/* The supervisor first: SPAWN must not overtake it. */
	if ((e = link_send(l->authd->self->sup, IPC_AUTH_GRANTED, &g->granted)) < 0)
		return e;
	tell(l, HAPPENS_LOGIN, LOGL_INFO, report_result_text(&r, 1, text), &r);
	if ((e = link_send(l->link, IPC_AUTH_POLICY, &g->policy)) < 0)
		return e;
	return say_verdict(l, VERDICT_YES, NULL);
}

/* What only a login in progress needs; a session may last for weeks. */
static void forget_question(struct login *l)
{
	helper_free(l->helper);
	l->helper = NULL;
	password_cancel(l->password);
	l->password = NULL;
	event_del(l->timer);
	lookup_cancel(l->lookup);
	l->lookup = NULL;
	account_free(l->account);
	l->account = NULL;
	conf_values_free(l->values);
	l->values = NULL;
	authd_conf_release(l->conf);
	l->conf = NULL;
	buf_drop(&l->blob);
	buf_drop(&l->sig);
}

static void grant(struct login *l, uint32_t permits, const char *forced)
{
	struct report who = report_of(l);
	char key[REPORT_KEY_MAX];
	struct grant g;
	int r;

	report_key_text(&who, key);
	if ((r = grant_fill(&g, l->conn, l->account, l->values, permits, forced)) == SSH_OK) {
		g.granted.method = view_str(policy_method_name(l->method));
		g.granted.key = view_str(key);
		r = send_grant(l, &g);
	}
	grant_drop(&g);
	if (r < 0) {
		log_ev(LOGL_ERROR, "login of connection %llu cannot be granted: %s", (unsigned long long)l->conn, err_text(r));
		login_free(l);
		return;
	}
	forget_question(l);
}

/* ---- keys ------------------------------------------------------------------------------- */

static void take_key_answer(void *ctx, int error, const struct helper_answer *a)
{
	struct login *l = ctx;
	char text[HELPER_LINE_MAX * 4 + 1], command[AUTHOPTS_TEXT_MAX + 1];

	if (error < 0) {
		helper_free(l->helper);
		l->helper = NULL;
		if (l->state != L_KEY)
			return;		/* idle: another is forked when it is needed */
		log_ev(LOGL_WARN, "key helper of connection %llu failed: %s", (unsigned long long)l->conn, err_text(error));
		fail(l);
		return;
	}
	for (unsigned i = 0; i < a->nlines; i++)
		log_ev(a->lines[i].level, "%s", log_escape(text, sizeof text, a->lines[i].text.p, a->lines[i].text.len));
	if (a->verdict != HELPER_YES || !way_in(l, a->has_command)) {
		fail(l);
	} else if (l->query) {
		l->counted = policy_tries_count(&l->tries, TRY_KEY_OK);
		finish(l, policy_tries_over(&l->tries) ? say_verdict(l, VERDICT_NO, NULL) : say_verdict(l, VERDICT_KEY_OK, NULL));
	} else {
		memcpy(command, a->command.p, a->command.len);
		command[a->command.len] = '\0';
		grant(l, a->permits, a->has_command ? command : NULL);
	}
}

static void on_key_answer(void *ctx, int error, const struct helper_answer *a)
{
	enum log_level was = speak_of(ctx);

	take_key_answer(ctx, error, a);
	speak_of_all(was);
}

static int new_helper(struct login *l)
{
	const struct account *a = l->account;
	struct helper_person p = {
		.find = { .user = a->user, .home = a->home, .uid = a->uid,
			.files = (const char *const *)l->values->AuthorizedKeysFile.v, .nfiles = l->values->AuthorizedKeysFile.n,
			.strict = l->values->StrictModes, .peer = l->peer },
		.become = l->authd->privileged, .uid = a->uid, .gid = a->gid, .groups = a->groups, .ngroups = a->ngroups,
	};

	return helper_new(&l->helper, l->authd->self->base, &p, on_key_answer, l);
}

static void ask_helper(struct login *l)
{
	struct helper_ask q = {
		.what = l->query ? HELPER_QUERY : HELPER_VERIFY, .alg = view_str(l->alg), .blob = all(&l->blob),
		.sig = all(&l->sig), .session_id = view_of(l->id, l->id_len), .service = view_str(SERVICE),
	};
	int r = l->helper == NULL ? new_helper(l) : SSH_OK;

	if (r == SSH_OK && (r = helper_ask(l->helper, &q)) == SSH_OK) {
		l->state = L_KEY;
		return;
	}
	log_ev(LOGL_ERROR, "no key helper for connection %llu: %s", (unsigned long long)l->conn, err_text(r));
	helper_free(l->helper);
	l->helper = NULL;
	fail(l);
}

static int alg_accepted(const struct login *l)
{
	const char *list = l->values->PubkeyAcceptedAlgorithms;

	if (list == NULL || list[0] == '\0')
		list = alg_defaults(ALG_SIG);
	return sig_alg_find(view_str(l->alg)) != NULL && policy_alg_listed(list, view_str(l->alg));
}

/* Keeps copies: the message is gone when the answer comes. */
static int take_key(struct login *l, struct view alg, struct view blob, struct view sig)
{
	int r;

	buf_consume(&l->blob, buf_len(&l->blob));
	buf_consume(&l->sig, buf_len(&l->sig));
	memset(l->alg, 0, sizeof l->alg);
	if (alg.len > SSH_ALG_NAME_MAX)
		return SSH_E_FORMAT;
	if (alg.len > 0 && memchr(alg.p, '\0', alg.len) == NULL)
		memcpy(l->alg, alg.p, alg.len);
	TRY(buf_append(&l->blob, blob.p, blob.len));
	return buf_append(&l->sig, sig.p, sig.len);
}

static int on_key(struct login *l, struct view alg, struct view blob, struct view sig)
{
	int r;

	TRY(take_key(l, alg, blob, sig));
	if (!(l->methods & METHOD_KEY) || !alg_accepted(l)) {
		fail(l);
	} else if (!l->query && l->id_len == 0) {
		l->state = L_WAIT_ID;
		set_timer(l, ID_WAIT_MS * UINT64_C(1000));
	} else {
		ask_helper(l);
	}
	return SSH_OK;
}

unsigned login_told_id(const struct login *l, uint8_t out[SSH_HASH_MAX])
{
	if (l != NULL)
		memcpy(out, l->id, l->id_len);
	return l != NULL ? (unsigned)l->id_len : 0;
}

void login_session_id(struct login *l, struct view id)
{
	if (l->id_len > 0 || id.len == 0 || id.len > sizeof l->id)
		return;		/* a rekey's hash is no session id */
	memcpy(l->id, id.p, id.len);
	l->id_len = id.len;
	if (l->state == L_WAIT_ID) {
		event_del(l->timer);
		ask_helper(l);
	}
}

/* ---- passwords ---------------------------------------------------------------------------- */

static void take_password_result(void *ctx, enum password_result result)
{
	struct login *l = ctx;

	l->password = NULL;
	if (result == PASSWORD_NO || !way_in(l, 0)) {
		fail(l);
	} else if (result == PASSWORD_EXPIRED) {
		log_ev(LOGL_INFO, "User %s password has expired (password aged)", l->user);
		grant(l, PERMIT_PTY, PASSWD_PROG);
	} else {
		grant(l, PERMIT_ALL, NULL);
	}
}

static void on_password_result(void *ctx, enum password_result result)
{
	enum log_level was = speak_of(ctx);

	take_password_result(ctx, result);
	speak_of_all(was);
}

static void check_password(struct login *l, struct view password)
{
	int r;

	if (!(l->methods & (unsigned)l->method)) {
		fail(l);
		return;
	}
	l->state = L_PASSWORD;
	r = password_start(&l->password, l->authd->self->base, l->valid ? l->account->user : NULL, password,
	    l->values->PermitEmptyPasswords, on_password_result, l);
	if (r < 0) {
		log_ev(LOGL_ERROR, "no password check for connection %llu: %s", (unsigned long long)l->conn, err_text(r));
		fail(l);
	}
}

static int on_interact(struct login *l)
{
	struct ipc_AUTH_PROMPT m = { .req = l->req, .echo = 0, .text = view_str("Password: ") };

	if (!(l->methods & METHOD_INTERACTIVE)) {
		fail(l);
		return SSH_OK;
	}
	l->state = L_PROMPTING;
	return link_send(l->link, IPC_AUTH_PROMPT, &m);
}

/* ---- the user's name ----------------------------------------------------------------------- */

static void judge_account(struct login *l)
{
	const struct account *a = l->account;
	struct policy_user u = { .name = l->user, .uid = a->uid, .groups = (const char *const *)a->group_names,
		.ngroups = a->nnames, .peer = l->peer };
	struct report r = report_of(l);
	char why[REPORT_MAX];

	if (!a->exists)
		log_ev(LOGL_INFO, "%s", report_invalid_text(&r, why));
	else if (account_refused(a, time(NULL), NOLOGIN, why, sizeof why) ||
	    (!l->authd->privileged && !policy_own_user(&u, l->authd->uid, why, sizeof why)) ||
	    !policy_user_allowed(l->values, &u, why, sizeof why))
		log_ev(LOGL_INFO, "%s", why);
	else
		l->valid = l->service_ok;
	if (l->valid)
		return;
	account_disown(l->account, &l->authd->nobody);
	count(l, COUNT_INVALID_USERS);
}

/* The name's account is known: what applies to it, and the answer to method none. */
static int settle(struct login *l)
{
	struct conf_client who = { .user = l->user, .peer = l->peer, .local = l->local,
		.groups = (const char *const *)l->account->group_names, .ngroups = l->account->nnames };
	struct conf_error e = { "" };
	char banner[BANNER_MAX + 1];
	int r;

	if ((r = conf_resolve(l->conf->conf, &who, &l->values, &e)) < 0) {
		log_ev(LOGL_ERROR, "%s", e.text);
		return r;
	}
	policy_tries_init(&l->tries, l->values->MaxAuthTries);
	l->methods = policy_methods(l->values, l->authd->privileged);
	judge_account(l);
	if (l->account->home == NULL)
		return SSH_E_NOMEM;
	policy_tries_count(&l->tries, TRY_NONE);
	banner_read(l->values->Banner, banner);
	return say_verdict(l, VERDICT_NO, banner);
}

/* No answer is taken for "nobody has this name": the login goes on, and fails as such a login does. */
static void take_account(void *ctx, struct account *account)
{
	struct login *l = ctx;
	int r = SSH_OK;

	l->lookup = NULL;
	if ((l->account = account) == NULL)
		r = account_unknown(&l->account, l->user, &l->authd->nobody);
	finish(l, r < 0 ? r : settle(l));
}

static void on_account(void *ctx, struct account *account)
{
	enum log_level was = speak_of(ctx);

	take_account(ctx, account);
	speak_of_all(was);
}

static int begin(struct login *l, struct view user, struct view service)
{
	if (user.len > 0 && memchr(user.p, '\0', user.len) == NULL) {
		memcpy(l->user, user.p, user.len);
		l->user[user.len] = '\0';
	} else {
		log_escape(l->user, sizeof l->user, user.p, user.len);	/* a name nobody can have */
	}
	l->service_ok = view_is(service, SERVICE);
	l->jitter = delay_jitter(l->authd->secret, user);
	l->state = L_ACCOUNT;
	return lookup_start(&l->lookup, l->authd->lookups, l->user, on_account, l);
}

static int on_begin(struct login *l, const struct ipc_AUTH_BEGIN *m)
{
	if (l->state == L_NEW)
		return begin(l, m->user, m->service);
	if (!view_is(m->user, l->user))
		return violation(l, "another user name (RFC 4252 5)");
	fail(l);	/* "none" again */
	return SSH_OK;
}

/* ---- the link --------------------------------------------------------------------------------- */

static void ask(struct login *l, uint32_t req, enum policy_method method, int query)
{
	l->req = req;
	l->since = clock_us();
	l->method = method;
	l->query = query;
	l->counted = 0;
}

static int take_message(struct link *link, struct ipc_msg *m, void *ctx)
{
	struct login *l = ctx;

	(void)link;
	if (l->state != L_IDLE && l->state != L_PROMPTING && !(l->state == L_NEW && m->type == IPC_AUTH_BEGIN))
		return violation(l, "a question out of turn");
	switch (m->type) {
	case IPC_AUTH_BEGIN:
		ask(l, m->u.AUTH_BEGIN.req, METHOD_NONE, 0);
		return on_begin(l, &m->u.AUTH_BEGIN);
	case IPC_AUTH_KEY_OK:
		ask(l, m->u.AUTH_KEY_OK.req, METHOD_KEY, 1);
		return on_key(l, m->u.AUTH_KEY_OK.alg, m->u.AUTH_KEY_OK.blob, view_of(NULL, 0));
	case IPC_AUTH_KEY:
		ask(l, m->u.AUTH_KEY.req, METHOD_KEY, 0);
		return on_key(l, m->u.AUTH_KEY.alg, m->u.AUTH_KEY.blob, m->u.AUTH_KEY.sig);
	case IPC_AUTH_PASSWORD:
		ask(l, m->u.AUTH_PASSWORD.req, METHOD_PASSWORD, 0);
		check_password(l, m->u.AUTH_PASSWORD.password);
		return SSH_OK;
	case IPC_AUTH_INTERACT:
		ask(l, m->u.AUTH_INTERACT.req, METHOD_INTERACTIVE, 0);
		return on_interact(l);
	case IPC_AUTH_REPLY:	/* also without a prompt of ours: a replaced auth is told the open question again */
		ask(l, m->u.AUTH_REPLY.req, METHOD_INTERACTIVE, 0);
		if (m->u.AUTH_REPLY.count == 1)
			check_password(l, m->u.AUTH_REPLY.answer);
		else
			fail(l);
		return SSH_OK;
	default:
		return violation(l, "not a question");
	}
}

static int on_message(struct link *link, struct ipc_msg *m, void *ctx)
{
	enum log_level was = speak_of(ctx);
	int r = take_message(link, m, ctx);

	speak_of_all(was);
	return r;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;
	enum log_level was = speak_of(l);

	(void)fd, (void)what;
	if (l->state == L_DELAYED) {
		finish(l, say_verdict(l, VERDICT_NO, NULL));
	} else if (l->state == L_WAIT_ID) {
		log_ev(LOGL_ERROR, "no session id for connection %llu", (unsigned long long)l->conn);
		fail(l);
	}
	speak_of_all(was);
}

static void on_gone(struct link *link, int error, void *ctx)
{
	(void)link, (void)error;
	login_free(ctx);
}

void login_log_level(struct login *l, unsigned level)
{
	l->log_level = level <= LOGL_TRACE ? (int)level : -1;
}

int login_new(struct login **res, struct authd *a, int fd, uint64_t conn, const struct addr *peer, const struct addr *local)
{
	static const struct link_ops ops = { on_message, on_gone };
	struct login *l = calloc(1, sizeof *l);
	int r = SSH_E_NOMEM;

	*res = NULL;
	if (l == NULL || (l->timer = evtimer_new(a->self->base, on_timer, l)) == NULL) {
		free(l);
		close(fd);
		return r;
	}
	l->authd = a;
	l->conf = authd_conf_hold(a);
	l->born_ms = clock_ms();
	l->conn = conn;
	l->log_level = -1;
	l->peer = *peer;
	l->local = *local;
	buf_init(&l->blob, SSH_BLOB_MAX, NULL);
	buf_init(&l->sig, SSH_SIG_MAX, NULL);
	if ((r = link_new(&l->link, a->self->base, fd, ROLE_AUTH, ROLE_CONN, &ops, l)) < 0 ||
	    (r = table_put(&a->logins, conn, l)) < 0) {
		login_free(l);
		return r;
	}
	link_enter(l->link, W_UP);
	*res = l;
	return SSH_OK;
}

void login_free(struct login *l)
{
	if (l == NULL)
		return;
	if (table_get(&l->authd->logins, l->conn) == l)
		table_remove(&l->authd->logins, l->conn);
	forget_question(l);
	event_free(l->timer);
	link_free(l->link);
	free(l);
}
