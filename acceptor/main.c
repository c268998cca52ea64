/*
 * acceptor - takes connections from one listening address and passes them to the supervisor
 *
 * RUNS AS     coppice-net, empty root directory; accept, setsockopt, sendmsg, epoll_wait and little else
 * HEARS       LISTEN CONN_FATE ACCEPT_STOP HEALTH_LISTEN READINESS WELCOME CONFIG CONFIG_COMMIT PING LOGLEVEL (supervisor)
 * SAYS        CONN_NEW COUNT ACCEPT_STOPPED HELLO CONFIG_OK READY PONG (supervisor); LOG EVENT (reporter)
 * NEVER       reads a byte a client sent; holds a connection it has passed on
 * IF IT DIES  the supervisor restarts it; the listening socket stays open there, so clients wait in its queue
 */
#include <stdio.h>

#include "acceptor/accept.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"

/* What of a slice concerns us. */
struct settings { struct conf_startups max; enum log_level level; };

static struct settings next;	/* accepted, waiting for the word to switch */

/* SSH_OK, or an error and a sentence in e. */
static int read_slice(const char *slice, size_t len, struct settings *to, struct conf_error *e)
{
	struct conf_values *v = NULL;
	struct conf *c = NULL;
	int r;

	snprintf(e->text, sizeof e->text, "out of memory");
	TRY(conf_parse(&c, view_of(slice, len), "acceptor", e));
	r = conf_resolve(c, NULL, &v, e);
	conf_free(c);
	if (r < 0)
		return r;
	*to = (struct settings){ v->MaxStartups, v->LogLevel };
	conf_values_free(v);
	return SSH_OK;
}

static int prepare(struct child *self, const char *slice, size_t len, char *why, size_t size)
{
	struct conf_error e;
	int r = read_slice(slice, len, &next, &e);

	(void)self;
	if (r < 0)
		snprintf(why, size, "%s", e.text);
	return r;
}

/* Clients that are not logged in yet keep their slots: the limit changes, not the count. */
static void commit(struct child *self)
{
	struct acceptor *a = self->ctx;

	limits_set(&a->limits, &next.max);
	log_set_level(next.level);
}

static void forget(struct child *self)
{
	(void)self;
}

int main(void)
{
	static struct child self;
	static struct acceptor acceptor;
	struct settings now;
	struct conf_error e;

	child_begin(&self, ROLE_ACC);
	self.message = accept_message;
	self.prepare = prepare;
	self.commit = commit;
	self.forget = forget;
	self.ctx = &acceptor;
	if (read_slice(self.conf, self.conf_len, &now, &e) < 0 || accept_init(&acceptor, &self, &now.max) < 0) {
		log_ev(LOGL_ERROR, "acceptor: cannot start");
		return 1;
	}
	log_set_level(now.level);
	child_lock(&self, sandbox_acceptor);
	child_ready(&self);
	return child_run(&self);
}
