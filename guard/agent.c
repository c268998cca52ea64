#include "guard/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"

enum { REQUEST_IDENTITIES = 11, IDENTITIES_ANSWER = 12, SIGN_REQUEST = 13, SIGN_RESPONSE = 14 };

struct ask { struct list at; agent_done *done; void *ctx; };

void agent_init(struct agent *a)
{
	memset(a, 0, sizeof *a);
	a->fd = -1;
	list_init(&a->asks);
	buf_init(&a->in, AGENT_MESSAGE_MAX + 8192, NULL);
	buf_init(&a->out, AGENT_MESSAGE_MAX + 4, NULL);
	buf_init(&a->keys, AGENT_MESSAGE_MAX, NULL);
}

int agent_here(const struct agent *a)
{
	return a->fd >= 0;
}

/* ---- messages ------------------------------------------------------------------ */

/*
 * The message at the head of in: 1 with type and body, which point into it; 0: it is not whole yet; SSH_E_FORMAT.
 */
static int message(const struct buf *in, uint8_t *type, struct view *body)
{
	struct rd r = rd_of(buf_head(in), buf_len(in));
	size_t n = rd_u32(&r);

	if (r.bad)
		return 0;
	if (n == 0 || n > AGENT_MESSAGE_MAX)
		return SSH_E_FORMAT;
	if (rd_left(&r) < n)
		return 0;
	*type = rd_u8(&r);
	*body = rd_raw(&r, n - 1);
	return 1;
}

/* uint32 number, then blob and comment of each. */
int agent_has(const struct agent *a, struct view blob)
{
	struct rd in = rd_of(buf_head(&a->keys), buf_len(&a->keys));
	uint32_t n = rd_u32(&in);

	while (n-- > 0 && !in.bad) {
		if (view_same(rd_string(&in, AGENT_MESSAGE_MAX), blob) && !in.bad)
			return 1;
		rd_string(&in, AGENT_MESSAGE_MAX);
	}
	return 0;
}

/* ---- the first words, blocking ------------------------------------------------------ */

static int complain(char *why, size_t size, const char *path, const char *what, int error)
{
	snprintf(why, size, "agent at %s: %s", path, what);
	return error;
}

/* Some bytes; 0 or less: none will come. Not send(2), which keysign's filter does not know. */
static ssize_t put(int fd, const struct buf *b)
{
	struct iovec v = { buf_head(b), buf_len(b) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t get(int fd, struct buf *b)
{
	uint8_t *to = buf_reserve(b, 4096);
	ssize_t n;

	if (to == NULL)
		return 0;
	do
		n = read(fd, to, 4096);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		buf_commit(b, (size_t)n);
	return n;
}

static int list_keys(struct agent *a)
{
	static const uint8_t request[] = { 0, 0, 0, 1, REQUEST_IDENTITIES };
	struct view body;
	uint8_t type;
	int r;

	TRY(buf_append(&a->out, request, sizeof request));
	if (put(a->fd, &a->out) != (ssize_t)sizeof request)
		return SSH_E_SYS;
	buf_consume(&a->out, sizeof request);
	while ((r = message(&a->in, &type, &body)) == 0)
		if (get(a->fd, &a->in) <= 0)
			return SSH_E_SYS;
	if (r < 0 || type != IDENTITIES_ANSWER)
		return SSH_E_FORMAT;
	TRY(buf_append(&a->keys, body.p, body.len));
	buf_consume(&a->in, body.len + 5);
	return buf_len(&a->in) == 0 ? SSH_OK : SSH_E_FORMAT;
}

int agent_greet(struct agent *a, const char *path, char *why, size_t size)
{
	int r = list_keys(a);

	if (r < 0) {
		complain(why, size, path, r == SSH_E_SYS ? "it does not answer" : "its answer is no list of keys", r);
		agent_drop(a);
	}
	return r;
}

int agent_dial(struct agent *a, const char *path, char *why, size_t size)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct timeval limit = { AGENT_DIAL_S, 0 };

	if (strcmp(path, "SSH_AUTH_SOCK") == 0 && (path = getenv("SSH_AUTH_SOCK")) == NULL)
		return complain(why, size, "SSH_AUTH_SOCK", "no such variable", SSH_E_SYS);
	if (snprintf(to.sun_path, sizeof to.sun_path, "%s", path) >= (int)sizeof to.sun_path)
		return complain(why, size, path, "too long a path for a socket", SSH_E_TOO_BIG);
	if ((a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
	    setsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
	    connect(a->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
		complain(why, size, path, strerror(errno), SSH_E_SYS);
		agent_drop(a);
		return SSH_E_SYS;
	}
	return agent_greet(a, path, why, size);
}

/* ---- within the loop -------------------------------------------------------------------- */

static void tell(struct ask *q, struct view sig)
{
	list_remove(&q->at);
	if (q->done != NULL)
		q->done(q->ctx, sig);
	free(q);
}

static void hang_up(struct agent *a)
{
	struct event **events[] = { &a->readable, &a->writable, &a->late };

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		if (*events[i] != NULL)
			event_free(*events[i]);
		*events[i] = NULL;
	}
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

static void lost(struct agent *a, const char *why)
{
	log_ev(LOGL_ERROR, "HostKeyAgent: %s", why);
	hang_up(a);
	while (!list_empty(&a->asks))
		tell(LIST_OF(a->asks.next, struct ask, at), view_of(NULL, 0));
}

/* Somebody waits: not for ever. */
static void watch(struct agent *a)
{
	const struct timeval limit = { AGENT_SIGN_S, 0 };

	if (list_empty(&a->asks))
		event_del(a->late);
	else
		event_add(a->late, &limit);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	lost(arg, "no answer within 30 seconds");
}

static int answer(struct agent *a, uint8_t type, struct view body)
{
	struct rd in = rd_view(body);
	struct view sig = rd_string(&in, SSH_SIG_MAX);

	if (list_empty(&a->asks))
		return SSH_E_PROTOCOL;
	if (type != SIGN_RESPONSE || rd_done(&in) < 0)
		sig = view_of(NULL, 0);
	tell(LIST_OF(a->asks.next, struct ask, at), sig);
	return SSH_OK;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	struct view body;
	uint8_t type;
	ssize_t n = get((int)fd, &a->in);
	int r;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		lost(a, "the agent is gone");
		return;
	}
	while ((r = message(&a->in, &type, &body)) == 1 && (r = answer(a, type, body)) == SSH_OK && a->fd >= 0)
		buf_consume(&a->in, body.len + 5);
	if (r < 0)
		lost(a, "the agent says what nobody asked for");
	else if (a->fd >= 0)
		watch(a);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	ssize_t n = put((int)fd, &a->out);

	(void)what;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		lost(a, "the agent is gone");
		return;
	}
	if (n > 0)
		buf_consume(&a->out, (size_t)n);
	if (buf_len(&a->out) > 0)
		event_add(a->writable, NULL);
}

int agent_serve(struct agent *a, struct event_base *base)
{
	if (a->fd < 0)
		return SSH_OK;
	a->readable = event_new(base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
	a->writable = event_new(base, a->fd, EV_WRITE, on_writable, a);
	a->late = evtimer_new(base, on_late, a);
	if (a->readable == NULL || a->writable == NULL || a->late == NULL || evutil_make_socket_nonblocking(a->fd) != 0 ||
	    event_add(a->readable, NULL) != 0) {
		hang_up(a);
		return SSH_E_NOMEM;
	}
	return SSH_OK;
}

int agent_sign(struct agent *a, struct view blob, struct view data, uint32_t flags, agent_done *done, void *ctx)
{
	struct wr w = wr_to(&a->out);
	size_t before = buf_len(&a->out), mark;
	struct ask *q;
	int r;

	if (a->fd < 0)
		return SSH_E_GONE;
	if ((q = calloc(1, sizeof *q)) == NULL)
		return SSH_E_NOMEM;
	mark = wr_string_begin(&w);
	wr_u8(&w, SIGN_REQUEST);
	wr_view(&w, blob);
	wr_view(&w, data);
	wr_u32(&w, flags);
	wr_string_end(&w, mark);
	if ((r = wr_done(&w)) < 0 || event_add(a->writable, NULL) != 0) {
		buf_truncate(&a->out, before);
		free(q);
		return r < 0 ? r : SSH_E_NOMEM;
	}
	q->done = done;
	q->ctx = ctx;
	list_add_tail(&a->asks, &q->at);
	watch(a);
	return SSH_OK;
}

void agent_forget(struct agent *a, void *ctx)
{
	LIST_EACH(at, &a->asks) {
		struct ask *q = LIST_OF(at, struct ask, at);

		if (q->ctx == ctx)
			q->done = NULL;
	}
}

void agent_drop(struct agent *a)
{
	hang_up(a);
	while (!list_empty(&a->asks)) {
		struct ask *q = LIST_OF(a->asks.next, struct ask, at);

		q->done = NULL;
		tell(q, view_of(NULL, 0));
	}
	buf_drop(&a->in);
	buf_drop(&a->out);
	buf_drop(&a->keys);
}
