#include "connection/proxy.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "connection/conn.h"
#include "ipc/clock.h"
#include "ipc/values.h"

int proxy_awaited(const struct conn *c)
{
	return c->proxy.header != HEADER_NEVER;
}

int proxy_holds(const struct conn *c)
{
	return c->proxy.header == HEADER_MUST;
}

static void refuse(struct conn *c, const char *why)
{
	conn_end(c, BYE_PROXY, 0, view_str(why));
}

/* ---- the verdict --------------------------------------------------------------------- */

/* What came behind the header is the client's. */
static void feed_core(struct conn *c, const uint8_t *p, size_t n)
{
	size_t room;
	uint8_t *to = ssh_input_space(c->ssh, &room);

	if (to == NULL || room < n) {
		conn_end(c, BYE_ERROR, SSH_E_BUG, view_of(NULL, 0));
		return;
	}
	if (n > 0)
		memcpy(to, p, n);
	ssh_input_done(c->ssh, n, clock_ms());
}

/* h NULL: there is none. */
static void settle(struct conn *c, const struct proxy_header *h)
{
	struct proxy *p = &c->proxy;
	struct ipc_CONN_PEER m = { .peer = c->peer, .local = c->local };
	struct addr via = c->peer;
	size_t skip = h != NULL ? h->len : 0;
	char ip[ADDR_TEXT_MAX];

	p->header = HEADER_NEVER;
	event_del(p->deadline);
	p->own = h == NULL || h->own;
	if (!p->own) {
		m.proxied = 1;
		m.peer = c->peer = h->peer;
		m.local = c->local = h->local;
	}
	if (link_send(c->sup, IPC_CONN_PEER, &m) < 0) {
		conn_end(c, BYE_ERROR, SSH_E_GONE, view_of(NULL, 0));
		return;
	}
	conn_log_start(c);
	if (h != NULL)
		log_ev(LOGL_VERBOSE, "PROXY header version %u from %s port %u%s", h->version, addr_ip_text(&via, ip), addr_port(&via),
		    p->own ? ": no client behind it" : "");
	feed_core(c, p->bytes + skip, p->n - skip);
}

static void arm_deadline(struct conn *c)
{
	static const struct timeval tv = { PROXY_WAIT_MS / 1000, PROXY_WAIT_MS % 1000 * 1000 };

	if (!event_pending(c->proxy.deadline, EV_TIMEOUT, NULL))
		event_add(c->proxy.deadline, &tv);
}

static void judge(struct conn *c)
{
	struct proxy *p = &c->proxy;
	struct proxy_header h;

	switch (proxy_header_parse(&h, p->bytes, p->n)) {
	case PROXY_MORE:
		arm_deadline(c);
		break;
	case PROXY_TAKEN:
		settle(c, &h);
		break;
	case PROXY_ABSENT:
		if (p->header == HEADER_MUST)
			refuse(c, "there is none");
		else
			settle(c, NULL);
		break;
	case PROXY_BAD:
		refuse(c, h.why);
		break;
	}
}

/* ---- events ----------------------------------------------------------------------------- */

void proxy_read(struct conn *c)
{
	struct proxy *p = &c->proxy;
	ssize_t n = read(c->loop.in, p->bytes + p->n, sizeof p->bytes - p->n);

	if (n > 0) {
		p->n += (size_t)n;
		judge(c);
	} else if (n == 0 && p->n > 0) {
		refuse(c, "cut short");
	} else if (n == 0) {
		p->own = 1;	/* connect and close: how balancers look whether a port answers */
		conn_end(c, BYE_CLOSED, 0, view_of(NULL, 0));
	} else if (errno != EAGAIN && errno != EINTR) {
		p->own = p->n == 0;
		conn_end(c, BYE_ERRNO, errno, view_of(NULL, 0));
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	if (!proxy_awaited(c))
		return;
	c->proxy.own = c->proxy.n == 0;
	refuse(c, "it does not come");
}

int proxy_start(struct conn *c, uint8_t header)
{
	struct proxy *p = &c->proxy;

	if (header == HEADER_NEVER)
		return SSH_OK;
	p->header = header;
	if ((p->deadline = evtimer_new(c->base, on_deadline, c)) == NULL)
		return SSH_E_NOMEM;
	if (header == HEADER_MUST)
		arm_deadline(c);
	return SSH_OK;
}

void proxy_drop(struct proxy *p)
{
	if (p->deadline != NULL)
		event_free(p->deadline);
	p->deadline = NULL;
}
