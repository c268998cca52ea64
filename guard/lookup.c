#include "guard/lookup.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "guard/proc.h"

#define NAME_ROOM (SSH_USER_MAX * 4 + 1)
#define CPU_S     3600u		/* it lives long; a loop without end is ended by the wall clock */

/* One resident process. */
struct child {
	struct list at;			/* in lookups.children */
	struct lookups *pool;
	struct proc proc;
	struct event *readable;
	struct lookup *work;		/* NULL: idle */
};

struct lookup {
	struct list at;			/* in lookups.queue, or alone */
	struct lookups *pool;
	struct child *child;		/* who works on it */
	char user[NAME_ROOM];
	lookup_done *done;
	void *ctx;
};

struct lookups {
	struct event_base *base;
	int shadow;
	struct account_nobody nobody;
	struct list children, queue;
	unsigned nchildren, nqueue;
	struct event *soon;		/* questions that met no child */
};

/* ---- the child ------------------------------------------------------------------------ */

static int serve_one(int fd, const struct lookups *pool)
{
	char user[NAME_ROOM];
	ssize_t n = recv(fd, user, sizeof user, 0), sent = -1;
	struct account *a;
	struct buf b;

	if (n <= 0 || user[n - 1] != '\0' || account_find(&a, user, pool->shadow, &pool->nobody) < 0)
		return 0;
	buf_init(&b, LOOKUP_ANSWER_MAX, NULL);
	if (account_encode(&b, a) == SSH_OK)
		sent = send(fd, buf_head(&b), buf_len(&b), MSG_NOSIGNAL);
	buf_drop(&b);
	account_free(a);
	return sent > 0;
}

static void child_main(int fd, void *ctx)
{
	while (serve_one(fd, ctx))
		;
}

/* ---- the parent --------------------------------------------------------------------------- */

static void child_free(struct child *c)
{
	list_remove(&c->at);
	c->pool->nchildren--;
	if (c->readable != NULL)
		event_free(c->readable);
	proc_stop(&c->proc);
	free(c);
}

static void finish(struct lookup *l, struct account *a)
{
	lookup_done *done = l->done;
	void *ctx = l->ctx;

	if (l->child != NULL)
		l->child->work = NULL;
	list_remove(&l->at);
	free(l);
	if (done != NULL)
		done(ctx, a);
	else
		account_free(a);	/* who asked has left */
}

static int ask(struct child *c, struct lookup *l)
{
	struct timeval wall = { LOOKUP_WALL_S, 0 };

	if (send(c->proc.fd, l->user, strlen(l->user) + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return SSH_E_GONE;
	c->work = l;
	l->child = c;
	event_add(c->readable, &wall);
	return SSH_OK;
}

/* Nothing to do: it may end after a while. */
static void rest(struct child *c)
{
	struct timeval idle = { LOOKUP_IDLE_S, 0 };
	struct lookups *pool = c->pool;

	event_add(c->readable, &idle);
	while (c->work == NULL && !list_empty(&pool->queue)) {
		struct lookup *l = LIST_OF(pool->queue.next, struct lookup, at);

		list_remove(&l->at);
		pool->nqueue--;
		if (ask(c, l) < 0)
			finish(l, NULL);
	}
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t in[LOOKUP_ANSWER_MAX];
	struct child *c = arg;
	struct lookups *pool = c->pool;
	struct lookup *l = c->work;
	struct account *a = NULL;
	ssize_t n = 0;

	if (!(what & EV_TIMEOUT) && (n = recv(fd, in, sizeof in, MSG_DONTWAIT)) < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || l == NULL || account_decode(&a, view_of(in, (size_t)n)) < 0 || strcmp(a->user, l->user) != 0) {
		if (l != NULL)
			log_ev(LOGL_ERROR, "account look-up %s", what & EV_TIMEOUT ? "takes too long: the name service does not answer" : "failed");
		account_free(a);
		c->work = NULL;
		child_free(c);
		a = NULL;
	} else {
		c->work = NULL;
		rest(c);
	}
	if (l != NULL) {
		l->child = NULL;
		finish(l, a);
	}
	if (!list_empty(&pool->queue))
		event_active(pool->soon, EV_TIMEOUT, 0);
}

static struct child *child_new(struct lookups *pool)
{
	struct child *c = pool->nchildren < LOOKUP_CHILDREN ? calloc(1, sizeof *c) : NULL;

	if (c == NULL)
		return NULL;
	if (proc_start(&c->proc, CPU_S, child_main, pool) < 0) {
		free(c);
		return NULL;
	}
	c->pool = pool;
	list_add_tail(&pool->children, &c->at);
	pool->nchildren++;
	if ((c->readable = event_new(pool->base, c->proc.fd, EV_READ | EV_PERSIST, on_answer, c)) == NULL) {
		child_free(c);
		return NULL;
	}
	return c;
}

static struct child *idle_child(struct lookups *pool)
{
	LIST_EACH(at, &pool->children)
		if (LIST_OF(at, struct child, at)->work == NULL)
			return LIST_OF(at, struct child, at);
	return child_new(pool);
}

static void serve(struct lookups *pool)
{
	struct child *c;

	while (!list_empty(&pool->queue) && (c = idle_child(pool)) != NULL)
		rest(c);
}

/* Questions that no child could be found for, because none could be forked: an answer they must have. */
static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct lookups *pool = arg;

	(void)fd, (void)what;
	serve(pool);
	while (!list_empty(&pool->queue) && pool->nchildren == 0) {
		struct lookup *l = LIST_OF(pool->queue.next, struct lookup, at);

		list_remove(&l->at);
		pool->nqueue--;
		log_ev(LOGL_ERROR, "account look-up: no process can be started");
		finish(l, NULL);
	}
}

int lookups_new(struct lookups **res, struct event_base *base, int shadow, const struct account_nobody *nobody)
{
	struct lookups *pool = calloc(1, sizeof *pool);

	*res = NULL;
	if (pool == NULL || (pool->soon = evtimer_new(base, on_soon, pool)) == NULL) {
		free(pool);
		return SSH_E_NOMEM;
	}
	pool->base = base;
	pool->shadow = shadow;
	pool->nobody = *nobody;
	list_init(&pool->children);
	list_init(&pool->queue);
	*res = pool;
	return SSH_OK;
}

void lookups_free(struct lookups *pool)
{
	if (pool == NULL)
		return;
	while (!list_empty(&pool->queue)) {
		struct lookup *l = LIST_OF(pool->queue.next, struct lookup, at);

		list_remove(&l->at);
		free(l);
	}
	while (!list_empty(&pool->children)) {
		struct child *c = LIST_OF(pool->children.next, struct child, at);

		free(c->work);
		child_free(c);
	}
	event_free(pool->soon);
	free(pool);
}

int lookup_start(struct lookup **res, struct lookups *pool, const char *user, lookup_done *done, void *ctx)
{
	struct lookup *l;

	*res = NULL;
	if (strlen(user) >= NAME_ROOM || pool->nqueue >= LOOKUP_QUEUE)
		return SSH_E_FULL;
	if ((l = calloc(1, sizeof *l)) == NULL)
		return SSH_E_NOMEM;
	l->pool = pool;
	l->done = done;
	l->ctx = ctx;
	strcpy(l->user, user);
	list_add_tail(&pool->queue, &l->at);
	pool->nqueue++;
	*res = l;
	serve(pool);
	if (l->child == NULL && pool->nchildren == 0)
		event_active(pool->soon, EV_TIMEOUT, 0);
	return SSH_OK;
}

void lookup_cancel(struct lookup *l)
{
	if (l == NULL)
		return;
	if (l->child != NULL) {		/* it works on, for nobody; else its answer would be taken for the next one's */
		l->done = NULL;
		return;
	}
	l->pool->nqueue--;
	list_remove(&l->at);
	free(l);
}
