#include "supervisor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/effects.h"
#include "supervisor/proc.h"

/* ---- addresses ------------------------------------------------------------------ */

union socket_address { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; };

static socklen_t to_sockaddr(union socket_address *out, const struct addr *a)
{
	memset(out, 0, sizeof *out);
	if (a->family == ADDR_IPV4) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(a->port);
		memcpy(&out->in.sin_addr, a->ip, 4);
		return sizeof out->in;
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(a->port);
	out->in6.sin6_scope_id = a->scope;
	memcpy(&out->in6.sin6_addr, a->ip, 16);
	return sizeof out->in6;
}

static void from_sockaddr(struct addr *a, const union socket_address *in)
{
	memset(a, 0, sizeof *a);
	if (in->sa.sa_family == AF_INET) {
		a->family = ADDR_IPV4;
		a->port = ntohs(in->in.sin_port);
		memcpy(a->ip, &in->in.sin_addr, 4);
	} else if (in->sa.sa_family == AF_INET6) {
		a->family = ADDR_IPV6;
		a->port = ntohs(in->in6.sin6_port);
		a->scope = in->in6.sin6_scope_id;
		memcpy(a->ip, &in->in6.sin6_addr, 16);
	}
}

static void local_address(int fd, struct addr *a)
{
	union socket_address sa = { 0 };
	socklen_t len = sizeof sa;

	if (getsockname(fd, &sa.sa, &len) < 0)
		memset(&sa, 0, sizeof sa);
	from_sockaddr(a, &sa);
}

void listen_addresses(int fd, struct addr *peer, struct addr *local)
{
	union socket_address sa = { 0 };
	socklen_t len = sizeof sa;

	local_address(fd, local);
	if (getpeername(fd, &sa.sa, &len) < 0)
		memset(&sa, 0, sizeof sa);
	from_sockaddr(peer, &sa);
}

static int same(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope && addr_same_ip(a, b);
}

/* ---- sockets -------------------------------------------------------------------- */

static void share(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

/* A bound socket, not listening yet, or -1. shared: beside one of ours on the same port that is about to go. */
static int bind_one(const struct addr *a, int shared)
{
	union socket_address sa;
	socklen_t len = to_sockaddr(&sa, a);
	int fd, on = 1, saved;

	fd = socket(sa.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->family == ADDR_IPV6)	/* 0.0.0.0 has a socket of its own */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (shared)
		share(fd, 1);
	if (bind(fd, &sa.sa, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static struct listener *listener_new(struct daemon *d, const struct addr *a, int fd)
{
	static uint32_t last;
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL) {
		close(fd);
		return NULL;
	}
	l->d = d;
	l->fd = fd;
	l->id = ++last;
	l->asked = *a;
	l->keep = 1;
	local_address(fd, &l->local);
	list_init(&l->link);
	return l;
}

static void complain(char *why, size_t size, const struct addr *a)
{
	char ip[ADDR_TEXT_MAX];

	snprintf(why, size, "Bind to port %u on %s failed: %s.", addr_port(a), addr_ip_text(a, ip), strerror(errno));
}

int listen_bind_all(struct daemon *d)
{
	char why[200];
	int count = 0;

	for (size_t i = 0; i < d->addrs; i++) {
		int fd = bind_one(&d->addr[i], 0);
		struct listener *l;

		if (fd < 0 || listen(fd, SOMAXCONN) < 0) {
			complain(why, sizeof why, &d->addr[i]);
			log_ev(LOGL_ERROR, "%s", why);
			if (fd >= 0)
				close(fd);
		} else if ((l = listener_new(d, &d->addr[i], fd)) != NULL) {
			list_add_tail(&d->listeners, &l->link);
			count++;
		}
	}
	if (count == 0)
		log_ev(LOGL_ERROR, "Cannot bind any address.");
	return count > 0 ? SSH_OK : SSH_E_CONFIG;
}

/* ---- reload ------------------------------------------------------------------------ */

static struct listener *find(struct daemon *d, const struct addr *a)
{
	LIST_EACH(l, &d->listeners) {
		struct listener *at = LIST_OF(l, struct listener, link);

		if (same(&at->asked, a) && !at->keep)
			return at;
	}
	return NULL;
}

static int was_wanted(const struct daemon *d, const struct addr *a)
{
	for (size_t i = 0; i < d->addrs; i++)
		if (same(&d->addr[i], a))
			return 1;
	return 0;
}

/* 0.0.0.0 gives way to 127.0.0.1 on the same port: both are open for a moment, which the kernel allows only to those who say so. */
static int bind_beside(struct daemon *d, const struct addr *a)
{
	int shared = 0;

	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (!l->keep && l->asked.family == a->family && l->local.port == a->port) {
			share(l->fd, 1);
			l->shared = shared = 1;
		}
	}
	errno = EADDRINUSE;
	return shared ? bind_one(a, 1) : -1;
}

static int prepare_one(struct daemon *d, const struct addr *a, char *why, size_t size)
{
	struct listener *l;
	int fd = bind_one(a, 0);

	if (fd < 0 && errno == EADDRINUSE)
		fd = bind_beside(d, a);
	if (fd < 0) {
		complain(why, size, a);
		if (!was_wanted(d, a))
			return SSH_E_CONFIG;
		log_ev(LOGL_ERROR, "%s", why);	/* as at start: no worse than it was */
		return SSH_OK;
	}
	if ((l = listener_new(d, a, fd)) == NULL)
		return SSH_E_NOMEM;
	list_add_tail(&d->listeners_next, &l->link);
	return SSH_OK;
}

int listen_prepare(struct daemon *d, const struct addr *addr, size_t n, char *why, size_t size)
{
	int kept = 0, r;

	LIST_EACH(l, &d->listeners)
		LIST_OF(l, struct listener, link)->keep = 0;
	for (size_t i = 0; i < n; i++) {
		struct listener *l = find(d, &addr[i]);

		if (l != NULL)
			l->keep = 1;
		kept += l != NULL;
	}
	snprintf(why, size, "%s", err_text(SSH_E_NOMEM));
	for (size_t i = 0; i < n; i++) {
		int there = 0;

		LIST_EACH(l, &d->listeners)
			there |= LIST_OF(l, struct listener, link)->keep && same(&LIST_OF(l, struct listener, link)->asked, &addr[i]);
		if (!there && (r = prepare_one(d, &addr[i], why, size)) < 0) {
			listen_cancel(d);
			return r;
		}
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
			share(l->fd, 0);
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
		char ip[ADDR_TEXT_MAX];

		if (l->keep || l->kid == NULL || l->kid->node->removing)
			continue;
		log_ev(LOGL_INFO, "Server no longer listening on %s port %u.", addr_ip_text(&l->local, ip), addr_port(&l->local));
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
		list_init(&l->link);
		if (listen(l->fd, SOMAXCONN) < 0) {	/* somebody was quicker since we bound it */
			complain(why, sizeof why, &l->asked);
			log_ev(LOGL_ERROR, "%s", why);
			listen_forget(l);
			continue;
		}
		share(l->fd, 0);
		list_add_tail(&d->listeners, &l->link);
	}
	if (listen_plant(d, 1) < 0)
		log_ev(LOGL_ERROR, "listener: %s", err_text(SSH_E_NOMEM));
	while (!d->obeying && remove_one(d))	/* no event comes here while the tree obeys */
		;
}

/* ---- nodes ------------------------------------------------------------------------ */

/* dynamic: its first start may fail, and then it is gone. */
static int plant(struct listener *l, int dynamic)
{
	struct daemon *d = l->d;
	char text[ADDR_TEXT_MAX], name[100];
	struct kid *acceptor;

	snprintf(name, sizeof name, "listener %s", addr_text(&l->local, text));
	if ((l->kid = fx_add(d, d->kids[KID_ROOT], KID_LISTENER, name, dynamic)) == NULL)
		return SSH_E_NOMEM;
	l->kid->listener = l;
	if ((acceptor = fx_add(d, l->kid, KID_ACCEPTOR, "acceptor", 0)) == NULL) {
		l->kid->listener = NULL;
		fx_stop(l->kid);
		l->kid = NULL;
		return SSH_E_NOMEM;
	}
	acceptor->listener = l;
	return SSH_OK;
}

struct listener *listen_at(struct daemon *d, const struct addr *a)
{
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (same(&l->asked, a) || same(&l->local, a))
			return l;
	}
	return NULL;
}

int listen_add(struct daemon *d, const struct addr *a, struct listener **res)
{
	int fd = bind_one(a, 0), saved;
	struct listener *l;

	*res = NULL;
	if (fd < 0)
		return SSH_E_SYS;
	if (listen(fd, SOMAXCONN) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return SSH_E_SYS;
	}
	if ((l = listener_new(d, a, fd)) == NULL)
		return SSH_E_NOMEM;
	list_add_tail(&d->listeners, &l->link);
	if (plant(l, 1) < 0) {
		listen_forget(l);
		return SSH_E_NOMEM;
	}
	*res = l;
	return SSH_OK;
}

int listen_plant(struct daemon *d, int start)
{
	int r = SSH_OK;

	LIST_EACH_SAFE(at, next, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (l->kid != NULL)
			continue;
		/* Not dynamic: a configured address that cannot be served yet is tried again. */
		if (plant(l, 0) < 0 || (start && fx_start(l->kid) < 0))
			r = SSH_E_NOMEM;
	}
	return r;
}

int listen_give(struct proc *p)
{
	struct listener *l = p->kid != NULL ? p->kid->listener : NULL;
	struct ipc_LISTEN m;
	int fd;

	if (l == NULL || (fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return SSH_E_SYS;
	m = (struct ipc_LISTEN){ .listener = l->id, .local = l->local };
	return link_send_fds(p->link, IPC_LISTEN, &m, &fd, 1);
}

void listen_announce(struct listener *l)
{
	char ip[ADDR_TEXT_MAX];

	if (l == NULL || l->announced)
		return;
	l->announced = 1;
	log_ev(LOGL_INFO, "Server listening on %s port %u.", addr_ip_text(&l->local, ip), addr_port(&l->local));
}

void listen_forget(struct listener *l)
{
	if (l == NULL)
		return;
	list_remove(&l->link);
	close(l->fd);
	free(l);
}

void listen_drop(struct daemon *d)
{
	listen_cancel(d);
	while (!list_empty(&d->listeners))
		listen_forget(LIST_OF(d->listeners.next, struct listener, link));
}
