/*
 * acceptor - takes connections from one listening address and passes them to the supervisor
 *
 * RUNS AS     coppice-net, empty root directory; accept, setsockopt, sendmsg, epoll_wait and little else
 * HEARS       LISTEN CONN_FATE ACCEPT_STOP HEALTH_LISTEN READINESS WELCOME CONFIG PING LOGLEVEL (supervisor)
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

/* What of a slice concerns us. SSH_OK, or an error and a sentence in e. */
static int read_slice(const char *slice, size_t len, struct conf_startups *max, struct conf_error *e)
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
	*max = v->MaxStartups;
	log_set_level(v->LogLevel);
	conf_values_free(v);
	return SSH_OK;
}

static int reconfigure(struct child *self, const char *slice, size_t len, char *why, size_t size)
{
	struct acceptor *a = self->ctx;
	struct conf_startups max;
	struct conf_error e;
	int r = read_slice(slice, len, &max, &e);

	if (r < 0) {
		snprintf(why, size, "%s", e.text);
		return r;
	}
	limits_set(&a->limits, &max);
	return SSH_OK;
}

int main(void)
{
	static struct child self;
	static struct acceptor acceptor;
	struct conf_startups max;
	struct conf_error e;

	child_begin(&self, ROLE_ACC);
	self.message = accept_message;
	self.reconfigure = reconfigure;
	self.ctx = &acceptor;
	if (read_slice(self.conf, self.conf_len, &max, &e) < 0 || accept_init(&acceptor, &self, &max) < 0) {
		log_ev(LOGL_ERROR, "acceptor: cannot start");
		return 1;
	}
	child_lock(&self, sandbox_acceptor);
	child_ready(&self);
	return child_run(&self);
}
