#include "acceptor/accept.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/values.h"

#define ACCEPTS_PER_WAKE 16	/* then the supervisor's messages have their turn */
#define ACCEPTS_AT_END 512	/* a queue can hold more, but not for long (SOMAXCONN) */
#define REST_MS 100		/* without descriptors: as long as others may need to close some */
#define UNTOLD_MOST 1000000u
#define DRAIN_MS 10		/* until we look again whether the supervisor took what we sent */

struct listener {
	struct list link;
	struct acceptor *acceptor;
	struct event *readable;
	int fd;
	uint32_t id;
};

static uint32_t random_u32(void)
{
	uint32_t v = 0;

	while (getrandom(&v, sizeof v, 0) != sizeof v)
		;
	return v;
}

static void addr_from(struct addr *a, const struct sockaddr_storage *from)
{
	memset(a, 0, sizeof *a);
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof in);
		a->family = ADDR_IPV4;
		a->port = ntohs(in.sin_port);
		memcpy(a->ip, &in.sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, from, sizeof in6);
		a->family = ADDR_IPV6;
		a->port = ntohs(in6.sin6_port);
		a->scope = in6.sin6_scope_id;
		memcpy(a->ip, &in6.sin6_addr, 16);
		addr_unmap(a);
	}
}

/* ---- when to accept ---- */

/* Whoever the supervisor has not taken yet would wait here unseen; better in the kernel's queue. */
static int wanted(const struct acceptor *a)
{
	return !a->resting && link_queued(a->self->sup) == 0;
}

/* The only place that turns listening events on and off. */
static void rearm(struct acceptor *a)
{
	int on = wanted(a), ms = a->resting ? REST_MS : DRAIN_MS;
	struct timeval again = { 0, ms * 1000 };

	LIST_EACH(at, &a->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (on)
			event_add(l->readable, NULL);
		else
			event_del(l->readable);
	}
	if (!on && !event_pending(a->resume, EV_TIMEOUT, NULL))
		event_add(a->resume, &again);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd, (void)what;
	a->resting = 0;
	rearm(a);
}

/* ---- one connection ---- */

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd, (void)what;
	link_send(a->self->sup, IPC_COUNT, &(struct ipc_COUNT){ .counter = COUNT_DROPPED_STARTUPS, .by = a->untold });
	a->untold = 0;
}

/* A flood is told once a second, whatever its size. */
static void count_drop(struct acceptor *a)
{
	static const struct timeval second = { 1, 0 };

	if (a->untold < UNTOLD_MOST)
		a->untold++;
	if (!event_pending(a->tell, EV_TIMEOUT, NULL))
		event_add(a->tell, &second);
}

static void turn_away(struct acceptor *a, int fd, const struct addr *peer, const struct addr *local)
{
	static const char words[] = "Not allowed at this time\r\n";
	char from[ADDR_TEXT_MAX], on[ADDR_TEXT_MAX], line[300], at[ADDR_TEXT_MAX];
	struct tell fields[] = { TELL_TEXT("peer", addr_text(peer, at)), TELL_TEXT("reason", "max_startups"), TELL_END };
	unsigned hidden;

	(void)!send(fd, words, sizeof words - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	count_drop(a);
	if (!limits_count_drop(&a->limits, clock_ms(), &hidden))
		return;
	if (hidden > 0)
		log_ev(LOGL_INFO, "%u more connections were dropped past MaxStartups", hidden);
	snprintf(line, sizeof line, "drop connection #%u from [%s]:%u on [%s]:%u past MaxStartups", limits_held(&a->limits),
	    addr_ip_text(peer, from), addr_port(peer), addr_ip_text(local, on), addr_port(local));
	child_tell(HAPPENS_DROP, LOGL_INFO, line, fields);
}

/* The socket leaves this process. */
static void pass_on(struct acceptor *a, int fd, const struct addr *peer, const struct addr *local)
{
	struct ipc_CONN_NEW m = { .peer = *peer, .local = *local };
	int r = limits_take(&a->limits, &m.slot), one = 1;

	if (r < 0) {
		log_ev(LOGL_ERROR, "connection dropped: %s", err_text(r));
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	if ((r = link_send_fds(a->self->sup, IPC_CONN_NEW, &m, &fd, 1)) < 0) {
		limits_release(&a->limits, m.slot);
		log_ev(LOGL_ERROR, "connection dropped: %s", err_text(r));
	}
}

static void handle(struct acceptor *a, int fd, const struct sockaddr_storage *from)
{
	struct sockaddr_storage to = { .ss_family = AF_UNSPEC };
	struct addr peer, local;
	socklen_t len = sizeof to;

	if (getsockname(fd, (struct sockaddr *)&to, &len) != 0)
		to.ss_family = AF_UNSPEC;
	addr_from(&peer, from);
	addr_from(&local, &to);
	if (limits_admit(&a->limits, random_u32()))
		pass_on(a, fd, &peer, &local);
	else
		turn_away(a, fd, &peer, &local);
}

/*
 * No descriptors left. The one in reserve is given up to take a client and hang up on it, so that it learns
 * of it now; then a rest, because the next accept would only fail again.
 */
static void out_of_descriptors(struct acceptor *a, int listener)
{
	int why = errno, fd;

	if (a->reserve >= 0) {
		close(a->reserve);
		if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
			close(fd);
	}
	a->reserve = fcntl(link_fd(a->self->sup), F_DUPFD_CLOEXEC, 0);
	a->resting = 1;
	if (a->told_ms == 0 || clock_ms() - a->told_ms >= LIMITS_WINDOW_MS) {
		a->told_ms = clock_ms();
		log_ev(LOGL_ERROR, "accept: %s", strerror(why));
	}
}

/* 1: there may be more; 0: not now. */
static int accept_one(struct acceptor *a, int listener)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof from;
	int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		handle(a, fd, &from);
		return 1;
	}
	switch (errno) {
	case EAGAIN:
		return 0;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		out_of_descriptors(a, listener);
		return 0;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
		log_ev(LOGL_ERROR, "accept: %s", strerror(errno));
		_exit(1);	/* not a listening socket: a fresh process gets a fresh one */
	default:
		return 1;	/* that client is gone already (accept(2), error handling) */
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_WAKE && wanted(l->acceptor); i++)
		if (!accept_one(l->acceptor, fd))
			break;
	rearm(l->acceptor);
}

/* ---- messages ---- */

static int on_listen(struct acceptor *a, struct ipc_msg *m)
{
	struct listener *l;
	char text[ADDR_TEXT_MAX];

	LIST_EACH(at, &a->listeners)
		if (LIST_OF(at, struct listener, link)->id == m->u.LISTEN.listener)
			return SSH_OK;
	if ((l = calloc(1, sizeof *l)) == NULL)
		return SSH_E_NOMEM;
	l->acceptor = a;
	l->id = m->u.LISTEN.listener;
	l->fd = ipc_take_fd(m, 0);
	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    (l->readable = event_new(a->self->base, l->fd, EV_READ | EV_PERSIST, on_readable, l)) == NULL) {
		close(l->fd);
		free(l);
		return SSH_E_SYS;
	}
	list_add_tail(&a->listeners, &l->link);
	rearm(a);
	log_ev(LOGL_DEBUG, "accepting on %s", addr_text(&m->u.LISTEN.local, text));
	return SSH_OK;
}

/* Whoever came before this word is served; the supervisor's own copy is closed after our answer. */
static int on_stop(struct acceptor *a, uint32_t id)
{
	struct ipc_ACCEPT_STOPPED done = { .listener = id };

	LIST_EACH_SAFE(at, next, &a->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (l->id != id)
			continue;
		for (int i = 0; i < ACCEPTS_AT_END && accept_one(a, l->fd); i++)
			;
		list_remove(&l->link);
		event_free(l->readable);
		close(l->fd);
		free(l);
	}
	return link_send(a->self->sup, IPC_ACCEPT_STOPPED, &done);
}

int accept_message(struct child *self, struct ipc_msg *m)
{
	struct acceptor *a = self->ctx;

	switch (m->type) {
	case IPC_LISTEN:
		return on_listen(a, m);
	case IPC_ACCEPT_STOP:
		return on_stop(a, m->u.ACCEPT_STOP.listener);
	case IPC_HEALTH_LISTEN:
		return health_listen(&a->health, self, m);
	case IPC_READINESS:
		a->health.word = m->u.READINESS.word;
		return SSH_OK;
	case IPC_CONN_FATE:
		limits_release(&a->limits, m->u.CONN_FATE.slot);
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}

int accept_init(struct acceptor *a, struct child *self, const struct conf_startups *max)
{
	a->self = self;
	limits_init(&a->limits, max, random_u32());
	list_init(&a->listeners);
	a->resting = 0;
	a->told_ms = 0;
	a->reserve = fcntl(link_fd(a->self->sup), F_DUPFD_CLOEXEC, 0);
	a->resume = event_new(self->base, -1, 0, on_resume, a);
	a->tell = event_new(self->base, -1, 0, on_tell, a);
	a->untold = 0;
	if (a->resume == NULL || a->tell == NULL)
		return SSH_E_NOMEM;
	return a->reserve >= 0 ? SSH_OK : SSH_E_SYS;
}
