#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/effects.h"
#include "supervisor/halt.h"
#include "supervisor/listen.h"

/* listen_reload - another set of addresses: new ones are bound on trial, and listened on or closed when it is decided. */

static struct listener *find(struct daemon *d, const struct addr *a)
{
	LIST_EACH(l, &d->listeners) {
		struct listener *at = LIST_OF(l, struct listener, link);

		if (listen_same(&at->asked, a) && !at->keep)
			return at;
	}
	return NULL;
}

static int was_wanted(const struct daemon *d, const struct addr *a)
{
	for (size_t i = 0; i < d->addrs; i++)
		if (listen_same(&d->addr[i], a))
			return 1;
	return 0;
}

/* 0.0.0.0 gives way to 127.0.0.1 on the same port: both are open for a moment, which the kernel allows only to those who say so. */
static int bind_beside(struct daemon *d, const struct addr *a)
{
	int shared = 0;

	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (!l->keep && l->fd >= 0 && l->asked.family == a->family && l->local.port == a->port) {
			listen_share(l->fd, 1);
			l->shared = shared = 1;
		}
	}
	errno = EADDRINUSE;
	return shared ? listen_bind(a, 1) : -1;
}

static int prepare_one(struct daemon *d, const struct addr *a, char *why, size_t size)
{
	struct listener *l;
	int fd = listen_bind(a, 0);

	if (fd < 0 && errno == EADDRINUSE)
		fd = bind_beside(d, a);
	if (fd < 0) {
		listen_trouble(why, size, a);
		if (!was_wanted(d, a))
			return SSH_E_CONFIG;
		log_ev(LOGL_ERROR, "%s", why);	/* as at start: no worse than it was */
		return SSH_OK;
	}
	if ((l = listen_new(d, a, fd)) == NULL) {
		close(fd);
		return SSH_E_NOMEM;
	}
	list_add_tail(&d->listeners_next, &l->link);
	return SSH_OK;
}

static int is_kept(const struct daemon *d, const struct addr *a)
{
	LIST_EACH(l, &d->listeners)
		if (LIST_OF(l, struct listener, link)->keep && listen_same(&LIST_OF(l, struct listener, link)->asked, a))
			return 1;
	return 0;
}

int listen_prepare(struct daemon *d, const struct addr *addr, size_t n, char *why, size_t size)
{
	int kept = 0, r;

	if (listen_keep_passed(d))
		return SSH_OK;
	LIST_EACH(l, &d->listeners)
		LIST_OF(l, struct listener, link)->keep = 0;
	for (size_t i = 0; i < n; i++) {
		struct listener *l = find(d, &addr[i]);

		if (l != NULL)
			l->keep = 1;
		kept += l != NULL;
	}
	snprintf(why, size, "%s", err_text(SSH_E_NOMEM));
	for (size_t i = 0; i < n; i++)
		if (!is_kept(d, &addr[i]) && (r = prepare_one(d, &addr[i], why, size)) < 0) {
			listen_cancel(d);
			return r;
		}
	if (kept == 0 && list_empty(&d->listeners_next)) {
		snprintf(why, size, "Cannot bind any address.");
		return SSH_E_CONFIG;
	}
	return SSH_OK;
}

static void all_keep(struct daemon *d)
{
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (l->shared)
			listen_share(l->fd, 0);
		l->keep = 1;
		l->shared = 0;
	}
}

void listen_cancel(struct daemon *d)
{
	while (!list_empty(&d->listeners_next))
		listen_forget(LIST_OF(d->listeners_next.next, struct listener, link));
	all_keep(d);
}

/* Stopping a node may change the list: from the start again after each. */
static int remove_one(struct daemon *d)
{
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (l->keep || (l->kid != NULL && l->kid->node->removing))
			continue;
		if (halt_drop(l))
			return 1;
		listen_tell(l, 0);
		fx_stop(l->kid);
		return 1;
	}
	return 0;
}

void listen_commit(struct daemon *d)
{
	char why[200];

	while (!list_empty(&d->listeners_next)) {
		struct listener *l = LIST_OF(d->listeners_next.next, struct listener, link);

		list_remove(&l->link);
		if (listen(l->fd, SOMAXCONN) < 0) {	/* somebody was quicker since we bound it */
			log_ev(LOGL_ERROR, "%s", listen_trouble(why, sizeof why, &l->asked));
			listen_forget(l);
			continue;
		}
		listen_share(l->fd, 0);
		listen_enlist(l);
	}
	if (listen_plant(d, 1) < 0)
		log_ev(LOGL_ERROR, "listener: %s", err_text(SSH_E_NOMEM));
	while (!d->obeying && remove_one(d))	/* no event comes here while the tree obeys */
		;
}
