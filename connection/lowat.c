#include "connection/lowat.h"

#include <event2/event.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "connection/conn.h"

#define LOWAT_BYTES (128 * 1024)
#define LOWAT_MOMENT_US 1000
#define LONG_READ (16 * 1024)	/* half of what clients put into a packet */
#define ROW_MIN 8
#define ROW_MAX 1024

static int set(struct conn *c, int bytes)
{
	return setsockopt(c->loop.in, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

void lowat_lower(struct conn *c)
{
	struct lowat *l = &c->loop.lowat;

	l->row = 0;
	if (!l->raised)
		return;
	l->raised = 0;
	event_del(l->over);
	set(c, 1);	/* what is there now is told at once, tcp_set_rcvlowat() */
}

static void on_over(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct lowat *l = &c->loop.lowat;

	(void)fd, (void)what;
	if (l->wanted < ROW_MAX)
		l->wanted *= 2;
	lowat_lower(c);
}

int lowat_start(struct conn *c)
{
	struct lowat *l = &c->loop.lowat;

	l->wanted = ROW_MIN;
	l->over = event_new(c->base, -1, 0, on_over, c);
	set(c, 1);	/* a predecessor may have died with it raised */
	return l->over != NULL ? SSH_OK : SSH_E_NOMEM;
}

void lowat_read(struct conn *c, size_t n)
{
	static const struct timeval moment = { 0, LOWAT_MOMENT_US };
	struct lowat *l = &c->loop.lowat;

	if (n < LONG_READ) {
		lowat_lower(c);
		return;
	}
	if (++l->row < l->wanted)
		return;
	if (!l->raised && set(c, LOWAT_BYTES) < 0) {
		l->row = 0;
		return;
	}
	l->raised = 1;
	event_add(l->over, &moment);
}

void lowat_drop(struct lowat *l)
{
	if (l->over != NULL)
		event_free(l->over);
}
