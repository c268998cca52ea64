#include "guard/authd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "guard/again.h"
#include "guard/helper.h"
#include "guard/login.h"
#include "guard/lookup.h"
#include "ipc/child.h"
#include "ssh/crypto/crypto.h"

#define NOBODY 65534

/* ---- configuration --------------------------------------------------------------- */

struct authd_conf *authd_conf_hold(struct authd *a)
{
	a->conf->users++;
	return a->conf;
}

void authd_conf_release(struct authd_conf *c)
{
	if (c != NULL && --c->users == 0) {
		conf_values_free(c->values);
		conf_free(c->conf);
		free(c);
	}
}

/* Parses and tries it on, so that no client is the first to find a fault. *res: yours. */
static int read_slice(struct view slice, struct authd_conf **res, struct conf_error *e)
{
	struct authd_conf *c = calloc(1, sizeof *c);
	struct conf_values *v = NULL;
	int r = SSH_E_NOMEM;

	if (c == NULL || (r = conf_parse(&c->conf, slice, "auth", e)) < 0) {
		free(c);
		return r;
	}
	c->users = 1;
	if ((r = conf_resolve(c->conf, NULL, &v, e)) < 0) {
		authd_conf_release(c);
		return r;
	}
	c->level = v->LogLevel;
	if (conf_is_for_all(c->conf))
		c->values = v;
	else
		conf_values_free(v);
	*res = c;
	return SSH_OK;
}

int authd_prepare(struct child *self, const char *slice, size_t len, char *why, size_t size)
{
	struct authd *a = self->ctx;
	struct conf_error e = { "out of memory" };
	int r = read_slice(view_of(slice, len), &a->next, &e);

	if (r < 0)
		snprintf(why, size, "%s", e.text);
	return r;
}

void authd_commit(struct child *self)
{
	struct authd *a = self->ctx;

	authd_conf_release(a->conf);	/* logins under way hold it still */
	a->conf = a->next;
	a->next = NULL;
	log_set_level(a->conf->level);
}

void authd_forget(struct child *self)
{
	struct authd *a = self->ctx;

	authd_conf_release(a->next);
	a->next = NULL;
}

int authd_init(struct authd *a, struct child *self)
{
	struct conf_error e = { "out of memory" };
	int r;

	memset(a, 0, sizeof *a);
	a->self = self;
	a->privileged = (self->flags & CHILD_PRIVILEGED) != 0;
	a->uid = geteuid();
	a->nobody.uid = self->uid != 0 ? self->uid : NOBODY;
	a->nobody.gid = self->gid != 0 ? self->gid : NOBODY;
	table_init(&a->logins);
	idbook_init(&a->early);
	if ((r = crypto_init()) < 0) {
		log_ev(LOGL_ERROR, "auth: %s", err_text(r));
		return r;
	}
	crypto_random(NULL, a->secret, sizeof a->secret);
	if ((r = read_slice(view_of(self->conf, self->conf_len), &a->conf, &e)) < 0)
		log_ev(LOGL_ERROR, "auth: %s", e.text);
	else {
		log_set_level(a->conf->level);
		r = lookups_new(&a->lookups, self->base, a->privileged, &a->nobody);
	}
	return r;
}

void authd_drop(struct authd *a)
{
	size_t at = 0;
	struct login *l;

	while ((l = table_next(&a->logins, &at)) != NULL) {
		login_free(l);	/* takes itself out of the table: start again */
		at = 0;
	}
	table_drop(&a->logins);
	helpers_end();
	lookups_free(a->lookups);
	a->lookups = NULL;
	idbook_drop(&a->early);
	link_free(a->key);
	a->key = NULL;
	authd_conf_release(a->conf);
	authd_conf_release(a->next);
	a->conf = a->next = NULL;
	secret_wipe(a->secret, sizeof a->secret);
}

/* ---- keysign's link ----------------------------------------------------------------- */

static int on_session_id(struct authd *a, const struct ipc_msg *m)
{
	struct first_exchange first;
	struct login *login;

	if (first_exchange(&first, m->u.SESSION_ID.hash, m->u.SESSION_ID.hostkey) < 0)
		return SSH_E_RULE;
	if ((login = table_get(&a->logins, m->u.SESSION_ID.conn)) != NULL)
		login_session_id(login, &first);
	else if (idbook_put(&a->early, m->u.SESSION_ID.conn, &first) < 0)
		again(a->self, m->u.SESSION_ID.conn, SSH_E_NOMEM);	/* the supervisor has it, too, and tells it then */
	return SSH_OK;
}

static int on_key_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	(void)l;
	return m->type == IPC_SESSION_ID ? on_session_id(ctx, m) : SSH_E_RULE;
}

static void on_key_gone(struct link *l, int error, void *ctx)
{
	struct authd *a = ctx;

	(void)error;
	link_free(l);
	if (a->key == l)
		a->key = NULL;
}

static int set_key(struct authd *a, int fd)
{
	static const struct link_ops ops = { on_key_message, on_key_gone };
	struct link *l;
	int r;

	TRY(link_new(&l, a->self->base, fd, ROLE_AUTH, ROLE_KEY, &ops, a));
	link_free(a->key);
	a->key = l;
	link_enter(l, W_UP);
	return SSH_OK;
}

/* ---- connections ----------------------------------------------------------------------- */

static int add_login(struct authd *a, int fd, const struct ipc_PEER_LINK *m)
{
	struct first_exchange first;
	struct login *l;
	struct login *before = table_get(&a->logins, m->conn);
	int known = login_told_id(before, &first);	/* introduced again after the supervisor's death: keysign tells it once */
	int r;

	login_free(before);
	if ((r = login_new(&l, a, fd, m->conn, &m->peer, &m->local)) < 0) {
		log_ev(LOGL_ERROR, "connection %llu cannot log in: %s", (unsigned long long)m->conn, err_text(r));
		again(a->self, m->conn, r);
		return SSH_OK;
	}
	if (known || idbook_take(&a->early, m->conn, &first))
		login_session_id(l, &first);
	return SSH_OK;
}

/* A client that has logged in meanwhile, or left, has no more lines here. */
static int on_log_level(struct authd *a, const struct ipc_LOGLEVEL *m)
{
	struct login *l = table_get(&a->logins, m->conn);

	if (l != NULL)
		login_log_level(l, m->level);
	return SSH_OK;
}

int authd_message(struct child *self, struct ipc_msg *m)
{
	struct authd *a = self->ctx;

	if (m->type == IPC_PEER_GONE)
		return SSH_OK;	/* the socket says so itself */
	if (m->type == IPC_SESSION_ID)
		return on_session_id(a, m);
	if (m->type == IPC_LOGLEVEL)
		return on_log_level(a, &m->u.LOGLEVEL);
	if (m->type != IPC_PEER_LINK)
		return SSH_E_RULE;
	switch (m->u.PEER_LINK.peer_role) {
	case ROLE_CONN:
		return add_login(a, ipc_take_fd(m, 0), &m->u.PEER_LINK);
	case ROLE_KEY:
		return set_key(a, ipc_take_fd(m, 0));
	default:
		return SSH_E_RULE;
	}
}
