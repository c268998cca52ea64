#include "reporter/scrape.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "ipc/clock.h"
#include "reporter/http.h"
#include "reporter/metrics.h"
#include "reporter/stream.h"

struct client {
	struct list link;
	int fd, waits;			/* for the supervisor */
	int drains;			/* answered; what is still on its way is read and thrown away, or a reset would overtake the answer */
	struct http_request q;
	char head[HTTP_REQUEST_MAX];
	size_t n;
	struct buf answer;
	struct event *readable, *writable, *timeout;
};

static struct {
	struct child *self;
	const struct sink *sink;
	const struct crashes *crashes;
	const struct streams *streams;
	struct event *accepts, *patience;
	struct list clients;
	unsigned count;
	uint32_t asked;			/* number of the last question */
	uint64_t fresh_ms;		/* when samples came; 0: never */
	struct buf samples;
} scrape;

static void client_free(struct client *c)
{
	list_remove(&c->link);
	scrape.count--;
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	if (c->timeout != NULL)
		event_free(c->timeout);
	buf_drop(&c->answer);
	close(c->fd);
	free(c);
	if (scrape.count == SCRAPE_CLIENTS_MAX - 1)
		event_add(scrape.accepts, NULL);	/* there is room again */
}

static void send_rest(struct client *c)
{
	while (buf_len(&c->answer) > 0) {
		ssize_t n = send(c->fd, buf_head(&c->answer), buf_len(&c->answer), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && event_add(c->writable, NULL) == 0)
			return;
		if (n < 0)
			break;
		buf_consume(&c->answer, (size_t)n);
	}
	if (buf_len(&c->answer) == 0 && shutdown(c->fd, SHUT_WR) == 0 && event_add(c->readable, NULL) == 0)
		c->drains = 1;
	else
		client_free(c);
}

static int write_answer(struct client *c, int status, struct buf *page, const char *type)
{
	char head[300];
	int n, r;

	if (status != 200)
		TRY(buf_append(page, http_reason(status), strlen(http_reason(status))));
	n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n", status,
	    http_reason(status), status == 200 ? type : "text/plain; charset=utf-8", buf_len(page), status == 405 ? "Allow: GET, HEAD\r\n" : "");
	TRY(buf_append(&c->answer, head, (size_t)n));
	return c->q.head && status == 200 ? SSH_OK : buf_append(&c->answer, buf_head(page), buf_len(page));
}

static void answer(struct client *c, int status)
{
	struct buf page;
	int r = SSH_OK;

	buf_init(&page, METRICS_MAX, NULL);
	event_del(c->readable);
	c->waits = 0;
	if (status == 200)
		r = metrics_page(&page, c->q.openmetrics, view_of(buf_head(&scrape.samples), buf_len(&scrape.samples)), scrape.sink, scrape.crashes,
		    streams_count(scrape.streams));
	if (r == SSH_OK)
		r = write_answer(c, status, &page, metrics_type(c->q.openmetrics));
	buf_drop(&page);
	if (r < 0)
		client_free(c);
	else
		send_rest(c);
}

static void answer_waiting(void)
{
	LIST_EACH_SAFE(l, next, &scrape.clients) {
		struct client *c = LIST_OF(l, struct client, link);

		if (c->waits)
			answer(c, 200);
	}
}

void scrape_samples(const struct ipc_SAMPLES *m)
{
	if (scrape.patience == NULL || m->seq != scrape.asked)
		return;
	event_del(scrape.patience);
	buf_truncate(&scrape.samples, 0);
	if (buf_append(&scrape.samples, m->samples.p, m->samples.len) == SSH_OK)
		scrape.fresh_ms = clock_ms();
	answer_waiting();
}

/* The supervisor is busy or gone: yesterday's numbers would be wrong, our own are not. */
static void on_impatient(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	buf_truncate(&scrape.samples, 0);
	scrape.fresh_ms = 0;
	answer_waiting();
}

static void ask(struct client *c)
{
	struct timeval tv = { SCRAPE_WAIT_MS / 1000, SCRAPE_WAIT_MS % 1000 * 1000 };

	if (scrape.fresh_ms != 0 && clock_ms() - scrape.fresh_ms < SCRAPE_FRESH_MS) {
		answer(c, 200);
		return;
	}
	c->waits = 1;
	if (event_pending(scrape.patience, EV_TIMEOUT, NULL))
		return;			/* somebody has asked already */
	if (link_send(scrape.self->sup, IPC_SAMPLES_ASK, &(struct ipc_SAMPLES_ASK){ .seq = ++scrape.asked }) < 0
	    || event_add(scrape.patience, &tv) < 0)
		on_impatient(-1, 0, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	size_t at = c->drains ? 0 : c->n;
	ssize_t n = read(fd, c->head + at, sizeof c->head - at);
	int status;

	(void)what;
	if (c->drains && n > 0)
		return;
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			client_free(c);
		return;
	}
	c->n += (size_t)n;
	if ((status = http_parse(c->head, c->n, &c->q)) == 0)
		return;
	event_del(c->readable);
	if (status == 200)
		ask(c);
	else
		answer(c, status);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	send_rest(arg);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	client_free(arg);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { SCRAPE_TIME_MS / 1000, 0 };
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)what, (void)arg;
	if (s < 0)
		return;
	if ((c = calloc(1, sizeof *c)) == NULL) {
		close(s);
		return;
	}
	c->fd = s;
	buf_init(&c->answer, METRICS_MAX + 1024, NULL);
	list_add_tail(&scrape.clients, &c->link);
	if (++scrape.count == SCRAPE_CLIENTS_MAX)
		event_del(scrape.accepts);	/* the others wait in the socket's backlog */
	c->readable = event_new(scrape.self->base, s, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(scrape.self->base, s, EV_WRITE, on_writable, c);
	c->timeout = evtimer_new(scrape.self->base, on_timeout, c);
	if (c->readable == NULL || c->writable == NULL || c->timeout == NULL || event_add(c->readable, NULL) < 0
	    || event_add(c->timeout, &tv) < 0)
		client_free(c);
}

int scrape_open(struct child *self, int listener, const struct sink *sink, const struct crashes *crashes, const struct streams *streams)
{
	scrape.self = self;
	scrape.sink = sink;
	scrape.crashes = crashes;
	scrape.streams = streams;
	list_init(&scrape.clients);
	buf_init(&scrape.samples, 65536, NULL);
	if (listener < 0)
		return SSH_OK;
	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	scrape.patience = evtimer_new(self->base, on_impatient, NULL);
	scrape.accepts = event_new(self->base, listener, EV_READ | EV_PERSIST, on_connect, NULL);
	return scrape.patience == NULL || scrape.accepts == NULL || event_add(scrape.accepts, NULL) < 0 ? SSH_E_NOMEM : SSH_OK;
}
