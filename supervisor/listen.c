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
#include "supervisor/activation.h"
#include "supervisor/effects.h"
#include "supervisor/keep.h"
#include "supervisor/halt.h"
#include "supervisor/health.h"
#include "supervisor/proc.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/reports.h"

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

int listen_same(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope && addr_same_ip(a, b);
}

/* ---- sockets -------------------------------------------------------------------- */

void listen_share(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

int listen_bind(const struct addr *a, int shared)
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
		listen_share(fd, 1);
	if (bind(fd, &sa.sa, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

const char *listen_trouble(char *why, size_t size, const struct addr *a)
{
	char ip[ADDR_TEXT_MAX];

	snprintf(why, size, "Bind to port %u on %s failed: %s.", addr_port(a), addr_ip_text(a, ip), strerror(errno));
	return why;
}

int listen_open(const struct addr *a)
{
	int fd = listen_bind(a, 0), saved;

	if (fd < 0 || listen(fd, SOMAXCONN) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int listen_bind_one(const struct addr *a)
{
	char why[200];
	int fd = listen_open(a);

	if (fd < 0)
		log_ev(LOGL_ERROR, "%s", listen_trouble(why, sizeof why, a));
	return fd;
}

struct listener *listen_new(struct daemon *d, const struct addr *a, int fd)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->d = d;
	l->fd = fd;
	l->id = ++d->last_listener;
	l->keep = 1;
	local_address(fd, &l->local);
	l->asked = a != NULL ? *a : l->local;
	list_init(&l->link);
	return l;
}

struct listener *listen_restore(struct daemon *d, uint32_t id, const struct saved_LISTENER *m, int fd)
{
	struct listener *l = listen_new(d, &m->asked, fd);

	if (l == NULL) {
		close(fd);
		return NULL;
	}
	l->id = id;
	l->announced = m->announced;
	l->activated = l->keep = m->activated;
	snprintf(l->name, sizeof l->name, "%.*s", (int)m->name.len, (const char *)m->name.p);
	snprintf(l->path, sizeof l->path, "%.*s", (int)m->path.len, (const char *)m->path.p);
	list_add_tail(&d->listeners, &l->link);
	return l;
}

void listen_enlist(struct listener *l)
{
	list_add_tail(&l->d->listeners, &l->link);
	keep_listener(l);
	state_listener(l);
	store_touch(l->d, 0);
}

struct listener *listen_take(struct daemon *d, int fd, const char *name, const char *path)
{
	struct listener *l = listen_new(d, NULL, fd);

	if (l == NULL)
		return NULL;
	l->activated = 1;
	snprintf(l->name, sizeof l->name, "%s", name);
	snprintf(l->path, sizeof l->path, "%s", path);
	listen_enlist(l);
	return l;
}

int listen_is_activated(const struct daemon *d)
{
	LIST_EACH(l, &d->listeners)
		if (LIST_OF(l, struct listener, link)->activated)
			return 1;
	return 0;
}

int listen_intact(const struct daemon *d)
{
	LIST_EACH(l, &d->listeners) {
		int on = 0;
		socklen_t len = sizeof on;

		if (LIST_OF(l, struct listener, link)->halt != LISTEN_ON)
			continue;
		if (getsockopt(LIST_OF(l, struct listener, link)->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) < 0 || !on)
			return 0;
	}
	return 1;
}

/* Open since another supervisor bound it. */
static struct listener *taken_over(struct daemon *d, const struct addr *a)
{
	LIST_EACH(l, &d->listeners) {
		struct listener *at = LIST_OF(l, struct listener, link);

		if (!at->keep && listen_same(&at->asked, a))
			return at;
	}
	return NULL;
}

int listen_keep_passed(struct daemon *d)
{
	if (!listen_is_activated(d))
		return 0;
	LIST_EACH(l, &d->listeners)
		LIST_OF(l, struct listener, link)->keep = LIST_OF(l, struct listener, link)->activated;
	return 1;
}

int listen_bind_all(struct daemon *d)
{
	int count = 0;

	if (listen_keep_passed(d))
		return SSH_OK;
	for (size_t i = 0; i < d->addrs; i++) {
		int fd;
		struct listener *l = taken_over(d, &d->addr[i]);

		if (l != NULL) {
			l->keep = 1;
			count++;
			continue;
		}
		fd = activation_take_listening(&d->addr[i]);
		if (fd < 0 && (fd = listen_bind_one(&d->addr[i])) < 0)
			continue;
		if ((l = listen_new(d, &d->addr[i], fd)) == NULL) {
			close(fd);
		} else {
			listen_enlist(l);
			count++;
		}
	}
	if (count == 0)
		log_ev(LOGL_ERROR, "Cannot bind any address.");
	return count > 0 ? SSH_OK : SSH_E_CONFIG;
}

/* ---- nodes ------------------------------------------------------------------------ */

int listen_plant_one(struct listener *l, int dynamic)
{
	struct daemon *d = l->d;
	char text[ADDR_TEXT_MAX], name[100];
	struct kid *acceptor;

	if (l->place != NULL)
		snprintf(name, sizeof name, "health %s", l->place);
	else
		snprintf(name, sizeof name, "listener %.80s", l->name[0] != '\0' ? l->name : addr_text(&l->local, text));
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
	state_listener(l);
	return SSH_OK;
}

struct listener *listen_at(struct daemon *d, const struct addr *a)
{
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (listen_same(&l->asked, a) || listen_same(&l->local, a))
			return l;
	}
	return NULL;
}

int listen_add(struct daemon *d, const struct addr *a, struct listener **res)
{
	int fd = listen_open(a);
	struct listener *l;

	*res = NULL;
	if (fd < 0)
		return SSH_E_SYS;
	if ((l = listen_new(d, a, fd)) == NULL) {
		close(fd);
		return SSH_E_NOMEM;
	}
	listen_enlist(l);
	if (listen_plant_one(l, 1) < 0) {
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

		if (l->kid != NULL || halt_holds(l, start))
			continue;
		/* Not dynamic: a configured address that cannot be served yet is tried again. */
		if (listen_plant_one(l, 0) < 0 || (start && fx_start(l->kid) < 0))
			r = SSH_E_NOMEM;
	}
	return r;
}

/* "Server listening on 192.0.2.1 port 22." for people, the same as named values. */
void listen_tell(const struct listener *l, int open)
{
	char ip[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX], line[200];
	struct tell fields[] = { TELL_TEXT("local", l->path[0] != '\0' ? l->path : addr_text(&l->local, at)), TELL_TEXT("action", open ? "open" : "close"), TELL_END };

	if (l->path[0] != '\0')
		snprintf(line, sizeof line, "Server %slistening on %s.", open ? "" : "no longer ", l->path);
	else
		snprintf(line, sizeof line, "Server %slistening on %s port %u.", open ? "" : "no longer ", addr_ip_text(&l->local, ip), addr_port(&l->local));
	reports_tell(l->d, HAPPENS_LISTENER, LOGL_INFO, line, fields);
}

int listen_give(struct proc *p)
{
	const struct kid *k = p->kid != NULL ? p->kid : p->heir_of;
	struct listener *l = k != NULL ? k->listener : NULL;
	struct ipc_LISTEN m;
	int fd;

	if (l == NULL || (fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return SSH_E_SYS;
	if (l->place != NULL)
		return health_give(p, fd);
	m = (struct ipc_LISTEN){ .listener = l->id, .local = l->local };
	return link_send_fds(p->link, IPC_LISTEN, &m, &fd, 1);
}

void listen_announce(struct listener *l)
{
	if (l == NULL || l->announced)
		return;
	l->announced = 1;
	state_listener(l);
	if (l->place != NULL)
		log_ev(LOGL_INFO, "Health is told on %s.", l->place);
	else
		listen_tell(l, 1);
}

void listen_forget(struct listener *l)
{
	if (l == NULL || halt_keeps(l))
		return;
	if (!l->d->stopping)	/* at the end of the daemon the next one may want it */
		store_forget_listener(l);
	list_remove(&l->link);
	state_forget_listener(l);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

void listen_drop(struct daemon *d)
{
	listen_cancel(d);
	while (!list_empty(&d->listeners))
		listen_forget(LIST_OF(d->listeners.next, struct listener, link));
}
