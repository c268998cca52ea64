#include "ipc/link.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/reserve.h"
#include "base/secret.h"
#include "ipc/datagram.h"

#define MESSAGES_PER_WAKE 64	/* then the loop serves the others */

/* A message that did not fit the socket; the descriptors are ours. */
struct queued {
	struct list link;
	int nfds, fds[IPC_FDS_MAX];
	size_t len;
	uint8_t bytes[];
};

struct link {
	int fd;
	enum ipc_role me, peer;
	enum ipc_when when;
	const struct link_ops *ops;
	void *ctx;
	struct event *readable, *writable;
	struct list queue;
	unsigned queue_count;
	size_t queue_bytes;
	struct list held;	/* link_hold() */
	unsigned held_count;
	size_t held_bytes;
	int busy;		/* inside a callback: free later */
	int freed, ended, paused, finished, draining, hold;
	int careful;
	int lost;		/* why a message could not be kept: it ends with the next turn of the loop */
};

/* One buffer for all links of the process: a message lives only until its handler returns. */
static uint8_t storage[IPC_MESSAGE_MAX];
/* And one for what is sent: an answer must not depend on memory. */
static uint8_t outgoing[IPC_MESSAGE_MAX];

static void drop_queue(struct list *queue)
{
	LIST_EACH_SAFE(at, next, queue) {
		struct queued *q = LIST_OF(at, struct queued, link);

		for (int i = 0; i < q->nfds; i++)
			close(q->fds[i]);
		secret_wipe(q->bytes, q->len);
		reserve_free(q);
	}
	list_init(queue);
}

static void destroy(struct link *l)
{
	drop_queue(&l->queue);
	drop_queue(&l->held);
	if (l->readable != NULL)
		event_free(l->readable);
	if (l->writable != NULL)
		event_free(l->writable);
	if (l->fd >= 0)
		close(l->fd);
	reserve_free(l);
}

void link_free(struct link *l)
{
	if (l == NULL)
		return;
	l->freed = 1;
	if (l->readable != NULL)
		event_del(l->readable);
	if (l->writable != NULL)
		event_del(l->writable);
	if (!l->busy)
		destroy(l);
}

/* Tells the owner once; after it the link is silent. */
static void end(struct link *l, int error)
{
	if (l->ended || l->freed || l->draining)
		return;
	l->ended = 1;
	event_del(l->readable);
	event_del(l->writable);
	if (error == SSH_E_RULE || error == SSH_E_FORMAT)
		log_ev(LOGL_WARN, "ev=protocol from=%s to=%s: %s", ipc_role_name(l->peer), ipc_role_name(l->me),
		    err_text(error));
	l->ops->gone(l, error == SSH_E_GONE ? 0 : error, l->ctx);
}

/* What was only looked at so far. A far end that died meanwhile with something unread leaves an error, which the next call tells first. */
static void take_away(struct link *l)
{
	ssize_t n;

	do
		n = recv(l->fd, NULL, 0, MSG_DONTWAIT);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
}

/* SSH_OK to go on, anything else to stop reading. */
static int receive_one(struct link *l)
{
	struct ipc_msg m;
	const struct ipc_rule *rule;
	size_t n;
	int r;

	if ((r = datagram_recv(l->fd, storage, sizeof storage, &n, &m, MSG_DONTWAIT | (l->careful ? MSG_PEEK : 0))) == SSH_E_NOT_NOW)
		return r;
	if (r == SSH_OK)
		r = datagram_accept(&m, storage, n, l->peer, l->me, l->when);
	if (r == SSH_OK) {
		log_note(NOTE_LINK_IN, m.type, n);
		r = l->ops->message(l, &m, l->ctx);
		ipc_close_fds(&m);
		if ((rule = ipc_rule(m.type)) != NULL && rule->secret)
			secret_wipe(storage, n);
	}
	if (l->careful && r != SSH_E_GONE)
		take_away(l);
	if (r < 0)
		end(l, r);
	return r;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	(void)fd, (void)what;
	l->busy++;
	if (l->lost < 0)
		end(l, l->lost);
	for (int i = 0; i < MESSAGES_PER_WAKE && !l->freed && !l->ended && !l->paused; i++)
		if (receive_one(l) < 0)
			break;
	if (--l->busy == 0 && l->freed)
		destroy(l);
}

/*
 * What was not said leaves the far end waiting for ever, or us with a slot that never comes back. Such a link ends, as if the far end had
 * died: that is a case everybody is prepared for. Two helpers have nobody who would join them again: there the caller minds the result. Not now: whoever sends is in the middle of something.
 */
static void lose(struct link *l, int error)
{
	if (l->lost == SSH_OK)
		l->lost = error;
	event_active(l->readable, EV_READ, 0);
}

static void await(struct link *l, struct event *e)
{
	if (event_add(e, NULL) < 0)
		lose(l, SSH_E_NOMEM);
}

/* Sends from the head of the queue while the socket takes it. */
static int flush(struct link *l)
{
	while (!list_empty(&l->queue)) {
		struct queued *q = LIST_OF(l->queue.next, struct queued, link);
		int r = datagram_send(l->fd, q->bytes, q->len, q->fds, q->nfds, MSG_DONTWAIT);

		if (r < 0)
			return r;
		for (int i = 0; i < q->nfds; i++)
			close(q->fds[i]);
		list_remove(&q->link);
		l->queue_count--;
		l->queue_bytes -= q->len;
		secret_wipe(q->bytes, q->len);
		reserve_free(q);
	}
	return SSH_OK;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	int r;

	(void)fd, (void)what;
	l->busy++;
	r = flush(l);
	if (r == SSH_E_NOT_NOW)
		await(l, l->writable);
	else if (r < 0 && l->paused)
		end(l, r);	/* else the reader sees the end after what is still queued for it */
	if (--l->busy == 0 && l->freed)
		destroy(l);
}

int link_new(struct link **res, struct event_base *base, int fd, enum ipc_role me, enum ipc_role peer,
    const struct link_ops *ops, void *ctx)
{
	struct link *l = reserve_zalloc(sizeof *l);

	*res = NULL;
	if (l == NULL) {
		close(fd);
		return SSH_E_NOMEM;
	}
	l->fd = fd;
	l->me = me;
	l->peer = peer;
	l->when = W_NEW;
	l->ops = ops;
	l->ctx = ctx;
	list_init(&l->queue);
	list_init(&l->held);
	l->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(base, fd, EV_WRITE, on_writable, l);
	if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) < 0) {
		destroy(l);
		return SSH_E_NOMEM;
	}
	*res = l;
	return SSH_OK;
}

/* The descriptors move into it. NULL: no memory. */
static struct queued *queued_new(const struct buf *b, const int *fds, int nfds)
{
	struct queued *q = reserve_resize(NULL, sizeof *q + buf_len(b));

	if (q == NULL)
		return NULL;
	q->len = buf_len(b);
	memcpy(q->bytes, buf_head(b), q->len);
	q->nfds = nfds;
	if (nfds > 0)
		memcpy(q->fds, fds, sizeof(int) * (size_t)nfds);
	return q;
}

static void enqueue(struct link *l, struct queued *q)
{
	list_add_tail(&l->queue, &q->link);
	l->queue_count++;
	l->queue_bytes += q->len;
	await(l, l->writable);
}

/* copies: on failure the descriptors are closed. */
static int keep(struct link *l, const struct buf *b, const int *fds, int nfds, int copies)
{
	unsigned count = l->hold ? l->held_count : l->queue_count;
	size_t bytes = l->hold ? l->held_bytes : l->queue_bytes;
	int full = count >= IPC_QUEUE_MESSAGES || bytes + buf_len(b) > IPC_QUEUE_BYTES;
	struct queued *q = full ? NULL : queued_new(b, fds, nfds);

	if (q == NULL) {
		for (int i = 0; copies && i < nfds; i++)
			close(fds[i]);
		return full ? SSH_E_FULL : SSH_E_NOMEM;
	}
	if (l->hold) {
		list_add_tail(&l->held, &q->link);
		l->held_count++;
		l->held_bytes += q->len;
	} else {
		enqueue(l, q);
	}
	return SSH_OK;
}

static int duplicate(const int *from, int *to, int n)
{
	for (int i = 0; i < n; i++)
		if ((to[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3)) < 0) {
			while (i-- > 0)
				close(to[i]);
			return SSH_E_SYS;
		}
	return SSH_OK;
}

/* SSH_OK; *queued: the descriptors (duplicates of them when lent) moved into the queue. */
static int try_send(struct link *l, enum ipc_type type, const void *body, const int *fds, int nfds, int lent, int *queued)
{
	struct buf b = { .v = outgoing, .size = sizeof outgoing, .max = sizeof outgoing };
	int mine[IPC_FDS_MAX], r;

	*queued = 0;
	if (l->ended || l->freed || l->finished)
		r = SSH_E_GONE;
	else if ((r = ipc_check(type, l->me, l->peer, l->when, nfds)) == SSH_OK)
		r = ipc_encode(&b, type, body);
	if (r == SSH_OK)
		log_note(NOTE_LINK_OUT, type, buf_len(&b));
	if (r == SSH_OK)
		r = list_empty(&l->queue) && !l->hold ? datagram_send(l->fd, buf_head(&b), buf_len(&b), fds, nfds, MSG_DONTWAIT)
		    : SSH_E_NOT_NOW;
	if (r == SSH_E_NOT_NOW) {
		if (!lent || (r = duplicate(fds, mine, nfds)) == SSH_OK)
			r = keep(l, &b, lent ? mine : fds, nfds, lent);
		*queued = r == SSH_OK;
		if (r < 0 && (l->me == ROLE_SUP || l->peer == ROLE_SUP))
			lose(l, r);
	}
	secret_wipe(outgoing, buf_len(&b));
	return r;
}

int link_lend_fds(struct link *l, enum ipc_type type, const void *body, const int *fds, int nfds)
{
	int queued;

	return try_send(l, type, body, fds, nfds, 1, &queued);
}

int link_send_fds(struct link *l, enum ipc_type type, const void *body, const int *fds, int nfds)
{
	int queued, r = try_send(l, type, body, fds, nfds, 0, &queued);

	for (int i = 0; i < nfds && !queued; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

int link_send(struct link *l, enum ipc_type type, const void *body)
{
	return link_send_fds(l, type, body, NULL, 0);
}

void link_careful(struct link *l)
{
	l->careful = 1;
}

int link_attest(struct link *l)
{
	int on = 1;

	return setsockopt(l->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 ? SSH_OK : SSH_E_SYS;
}

void link_hang_up(struct link *l)
{
	if (l != NULL && l->fd >= 0)
		shutdown(l->fd, SHUT_RDWR);
	link_free(l);
}

void link_finish(struct link *l)
{
	if (l->ended || l->freed || l->finished)
		return;
	flush(l);
	l->finished = 1;
	shutdown(l->fd, SHUT_WR);
}

int link_drain(struct link *l)
{
	int r = SSH_OK;

	if (l->ended || l->freed)
		return SSH_OK;
	l->busy++;
	l->draining = 1;
	while (!l->freed && (r = receive_one(l)) == SSH_OK)
		;
	l->draining = 0;
	if (--l->busy == 0 && l->freed)
		destroy(l);
	return r == SSH_E_NOT_NOW || r == SSH_E_GONE ? SSH_OK : r;
}

void link_hold(struct link *l, int hold)
{
	l->hold = hold;
}

void link_give(struct link *to, struct link *from)
{
	struct list held = from->held;

	if (list_empty(&from->held))
		return;
	held.next->prev = held.prev->next = &held;
	list_init(&from->held);
	from->held_count = 0;
	from->held_bytes = 0;
	if (to->ended || to->freed || to->finished) {
		drop_queue(&held);
		return;
	}
	while (!list_empty(&held)) {
		struct queued *q = LIST_OF(held.next, struct queued, link);

		list_remove(&q->link);
		enqueue(to, q);
	}
	flush(to);			/* an error is seen by on_writable(), too */
}

enum ipc_when link_state(const struct link *l)
{
	return l->when;
}

void link_enter(struct link *l, enum ipc_when when)
{
	l->when = when;
}

enum ipc_role link_peer(const struct link *l)
{
	return l->peer;
}

void *link_ctx(const struct link *l)
{
	return l->ctx;
}

int link_fd(const struct link *l)
{
	return l->fd;
}

unsigned link_queued(const struct link *l)
{
	return l->queue_count;
}

void link_pause(struct link *l, int paused)
{
	if (l->ended || l->freed || l->paused == paused)
		return;
	l->paused = paused;
	if (paused)
		event_del(l->readable);
	else
		await(l, l->readable);
}
