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
#include "guard/again.h"
#include "guard/authd.h"
#include "guard/banner.h"
#include "guard/grant.h"
#include "guard/helper.h"
#include "guard/login_internal.h"
#include "guard/lookup.h"
#include "guard/password.h"
#include "guard/policy.h"
#include "guard/report.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/permits.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"

#define NOLOGIN       "/etc/nologin"
#define PASSWD_PROG   "/usr/bin/passwd"	/* all that a password past its time is good for, as in sshd */

void login_timer(struct login *l, uint64_t us)
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

static struct report report_of(const struct login *l)
{
	return (struct report){ .user = l->user, .valid = l->valid, .peer = l->peer, .method = l->method,
		.alg = view_str(l->alg), .blob = login_bytes(&l->blob) };
}

static int violation(const struct login *l, const char *what)
{
	char ip[ADDR_TEXT_MAX];

	log_ev(LOGL_WARN, "ev=violation conn=%llu peer=%s: %s", (unsigned long long)l->conn, addr_text(&l->peer, ip), what);
	return SSH_E_RULE;
}

enum log_level login_speak(const struct login *l)
{
	enum log_level was = log_get_level();

	if (l->log_level >= 0) {
		log_set_level((enum log_level)l->log_level);
		log_about(l->conn);
	}
	return was;
}

void login_spoke(enum log_level was)
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

int login_verdict(struct login *l, int verdict, const char *banner)
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

void login_finish(struct login *l, int r)
{
	if (r == SSH_OK)
		return;
	again(l->authd->self, l->conn, r);
	login_free(l);
}

void login_fail(struct login *l)
{
	struct report r = report_of(l);
	char text[REPORT_MAX];

	l->counted = policy_tries_count(&l->tries, TRY_FAILED);
	count(l, failure_of(l->method));
	tell(l, HAPPENS_LOGIN_FAILED, report_result_level(&r, 0, policy_tries_half(&l->tries)), report_result_text(&r, 0, text), &r);
	l->state = L_DELAYED;
	login_timer(l, delay_left(clock_us() - l->since, l->jitter));
}

int login_way_in(const struct login *l, int forced)
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
	return login_verdict(l, VERDICT_YES, NULL);
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
	if (l->conf != NULL && l->values != l->conf->values)
		conf_values_free(l->values);
	l->values = NULL;
	authd_conf_release(l->conf);
	l->conf = NULL;
	buf_drop(&l->blob);
	buf_drop(&l->sig);
	buf_drop(&l->hostkey);
}

void login_grant(struct login *l, uint32_t permits, const char *forced)
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
		login_finish(l, r);
		return;
	}
	helper_keep(l->helper);
	l->helper = NULL;
	forget_question(l);
}

int login_told_id(const struct login *l, struct first_exchange *out)
{
	if (l == NULL || l->first.id_len == 0)
		return 0;
	*out = l->first;
	return 1;
}

/* ---- passwords ---------------------------------------------------------------------------- */

static void take_password_result(void *ctx, enum password_result result)
{
	struct login *l = ctx;

	l->password = NULL;
	if (result == PASSWORD_NO || !login_way_in(l, 0)) {
		login_fail(l);
	} else if (result == PASSWORD_EXPIRED) {
		log_ev(LOGL_INFO, "User %s password has expired (password aged)", l->user);
		login_grant(l, PERMIT_PTY, PASSWD_PROG);
	} else {
		login_grant(l, PERMIT_ALL, NULL);
	}
}

static void on_password_result(void *ctx, enum password_result result)
{
	enum log_level was = login_speak(ctx);

	take_password_result(ctx, result);
	login_spoke(was);
}

static void check_password(struct login *l, struct view password)
{
	int r;

	if (!(l->methods & (unsigned)l->method)) {
		login_fail(l);
		return;
	}
	l->state = L_PASSWORD;
	r = password_start(&l->password, l->authd->self->base, l->valid ? l->account->user : NULL, password,
	    l->values->PermitEmptyPasswords, on_password_result, l);
	if (r < 0) {
		log_ev(LOGL_ERROR, "no password check for connection %llu: %s", (unsigned long long)l->conn, err_text(r));
		login_fail(l);
	}
}

static int on_interact(struct login *l)
{
	struct ipc_AUTH_PROMPT m = { .req = l->req, .echo = 0, .text = view_str("Password: ") };

	if (!(l->methods & METHOD_INTERACTIVE)) {
		login_fail(l);
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

	if (l->conf->values != NULL) {
		l->values = l->conf->values;
	} else if ((r = conf_resolve(l->conf->conf, &who, &l->values, &e)) < 0) {
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
	return login_verdict(l, VERDICT_NO, banner);
}

/* No answer is taken for "nobody has this name": the login goes on, and fails as such a login does. */
static void take_account(void *ctx, struct account *account)
{
	struct login *l = ctx;
	int r = SSH_OK;

	l->lookup = NULL;
	if ((l->account = account) == NULL)
		r = account_unknown(&l->account, l->user, &l->authd->nobody);
	login_finish(l, r < 0 ? r : settle(l));
}

static void on_account(void *ctx, struct account *account)
{
	enum log_level was = login_speak(ctx);

	take_account(ctx, account);
	login_spoke(was);
}

static int begin(struct login *l, struct view user, struct view service)
{
	if (user.len > 0 && memchr(user.p, '\0', user.len) == NULL) {
		memcpy(l->user, user.p, user.len);
		l->user[user.len] = '\0';
	} else {
		log_escape(l->user, sizeof l->user, user.p, user.len);	/* a name nobody can have */
	}
	l->service_ok = view_is(service, LOGIN_SERVICE);
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
	login_fail(l);	/* "none" again */
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
		return login_key(l, m->u.AUTH_KEY_OK.alg, m->u.AUTH_KEY_OK.blob, view_of(NULL, 0), view_of(NULL, 0));
	case IPC_AUTH_KEY:
		ask(l, m->u.AUTH_KEY.req, METHOD_KEY, 0);
		return login_key(l, m->u.AUTH_KEY.alg, m->u.AUTH_KEY.blob, m->u.AUTH_KEY.sig, m->u.AUTH_KEY.hostkey);
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
			login_fail(l);
		return SSH_OK;
	default:
		return violation(l, "not a question");
	}
}

static int on_message(struct link *link, struct ipc_msg *m, void *ctx)
{
	enum log_level was = login_speak(ctx);
	int r = take_message(link, m, ctx);

	login_spoke(was);
	return r;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;
	enum log_level was = login_speak(l);

	(void)fd, (void)what;
	if (l->state == L_DELAYED) {
		login_finish(l, login_verdict(l, VERDICT_NO, NULL));
	} else if (l->state == L_WAIT_ID) {
		log_ev(LOGL_ERROR, "no session id for connection %llu", (unsigned long long)l->conn);
		login_fail(l);
	}
	login_spoke(was);
}

static void on_gone(struct link *link, int error, void *ctx)
{
	(void)link;
	login_finish(ctx, error < 0 ? error : SSH_E_GONE);
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
	buf_init(&l->hostkey, SSH_BLOB_MAX, NULL);
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
