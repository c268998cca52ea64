#include "connection/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "connection/events.h"
#include "ipc/clock.h"

#define LAST_FLUSH_MS 2000
#define PAUSE_MS 5		/* short for a person, long for a pipe */
#define HURRY_READS 32		/* more than a login and the start of a session take */
#define REST_MS 1000		/* this long without a byte, and free memory goes back to the system */

void loop_init(struct loop *l)
{
	*l = (struct loop){ .in = -1, .out = -1, .timer_at = UINT64_MAX };
}

/* ---- reading and writing ------------------------------------------------------------ */

/*
 * Until its session begins a client sends small packets with Nagle's algorithm on, each waiting for our
 * acknowledgement of the one before; a delayed one costs it 40 ms a step. The option does not last (tcp(7)).
 */
static void hurry(struct loop *l)
{
	int on = 1;

	if (l->reads >= HURRY_READS)
		return;
	l->reads++;
	setsockopt(l->in, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);	/* two pipes refuse; so be it */
}

static void read_some(struct conn *c)
{
	ssize_t n = survive_read_client(c);

	if (n > 0) {
		c->loop.active = 1;
		hurry(&c->loop);
		lowat_read(c, (size_t)n);
	} else if (n == 0) {
		conn_end(c, BYE_CLOSED, 0, view_of(NULL, 0));
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_end(c, BYE_ERRNO, errno, view_of(NULL, 0));
	}
}

/* SSH_OK when all output left, SSH_E_NOT_NOW when the socket is full, SSH_E_GONE with errno. */
static int write_some(struct conn *c)
{
	const uint8_t *p;
	size_t len;

	while ((p = ssh_output(c->ssh, &len)) != NULL && len > 0) {
		ssize_t n = survive_write(c, BOOK_WRITE_CLIENT, 0, c->loop.out, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? SSH_E_NOT_NOW : SSH_E_GONE;
		ssh_sent(c->ssh, (size_t)n);
		c->loop.active = 1;
		if ((size_t)n < len)
			return SSH_E_NOT_NOW;
	}
	return SSH_OK;
}

static void end_by_core(struct conn *c)
{
	char words[LOG_LINE_MAX], offer[LOG_LINE_MAX - 100];
	struct view list, text = view_of(NULL, 0);
	const char *what = ssh_mismatch(c->ssh, &list);

	if (what != NULL) {	/* sshd's words */
		snprintf(words, sizeof words, "%s. Their offer: %s", what, log_escape(offer, sizeof offer, list.p, list.len));
		text = view_str(words);
	}
	conn_end(c, BYE_ERROR, ssh_error(c->ssh), text);
}

static void take_events(struct conn *c)
{
	struct ssh_event ev;
	struct view text;
	unsigned reason;

	while (!c->over && !c->loop.paused && ssh_next(c->ssh, &ev) > 0)
		events_take(c, &ev);
	relay_flush(c);
	if (c->over || ssh_error(c->ssh) == SSH_OK)
		return;
	reason = ssh_disconnect_reason(c->ssh, &text);
	if (ssh_error(c->ssh) == SSH_E_CLOSED)
		conn_end(c, BYE_RECEIVED, (int)reason, text);
	else
		end_by_core(c);
}

/* ---- what to wait for ------------------------------------------------------------------ */

static void arm(struct event *e, int *armed, int want)
{
	if (*armed == want)
		return;
	*armed = want;
	if (want)
		event_add(e, NULL);
	else
		event_del(e);
}

static void arm_timer(struct conn *c)
{
	uint64_t at = ssh_deadline(c->ssh), now;
	struct timeval tv;

	/* A deadline that moved away is looked at again when the old one comes: traffic moves it all the time. */
	if (at >= c->loop.timer_at)
		return;
	c->loop.timer_at = at;
	now = clock_ms();
	at = at > now ? at - now : 0;
	tv.tv_sec = (time_t)(at / 1000);
	tv.tv_usec = (suseconds_t)(at % 1000 * 1000);
	event_add(c->loop.timer, &tv);
}

static void arm_rest(struct conn *c)
{
	static const struct timeval tv = { REST_MS / 1000, REST_MS % 1000 * 1000 };

	if (c->loop.rest_armed || !c->loop.active)
		return;
	c->loop.rest_armed = 1;
	c->loop.active = 0;
	event_add(c->loop.rest, &tv);
}

void loop_pause(struct conn *c)
{
	static const struct timeval tv = { 0, PAUSE_MS * 1000 };

	if (c->loop.paused || c->session_count != 1)
		return;		/* the other channels are not to wait */
	c->loop.paused = 1;
	event_add(c->loop.pause, &tv);
}

void loop_resume(struct conn *c)
{
	if (!c->loop.paused)
		return;
	c->loop.paused = 0;
	event_del(c->loop.pause);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	survive_cause(c, BOOK_PAUSE_OVER, 0, 0);
	c->loop.paused = 0;
	loop_turn(c);
}

void loop_turn(struct conn *c)
{
	int full = 0;

	if (c->ssh == NULL || c->over || c->still)
		return;
	if (proxy_holds(c)) {
		arm(c->loop.readable, &c->loop.reading, 1);
		return;
	}
	survive_step(c);
	/* Writing makes room, room lets programs' output in, and that is to be written again. */
	for (int i = 0; i < 4 && !c->over && !full; i++) {
		take_events(c);
		if (survive_step(c)) {
			i = -1;
			continue;
		}
		session_pump_all(c);
		if (c->over || ssh_output_len(c->ssh) == 0)
			break;
		switch (write_some(c)) {
		case SSH_E_NOT_NOW:
			full = 1;
			break;
		case SSH_E_GONE:
			conn_end(c, BYE_ERRNO, errno, view_of(NULL, 0));
		}
	}
	take_events(c);
	if (c->over)
		return;
	arm(c->loop.readable, &c->loop.reading, !c->loop.paused && (proxy_awaited(c) || ssh_want_read(c->ssh) != 0));
	arm(c->loop.writable, &c->loop.writing, ssh_output_len(c->ssh) > 0);
	session_rearm_all(c);
	arm_timer(c);
	arm_rest(c);
	survive_turn(c);
}

/* ---- callbacks ----------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	survive_cause(c, BOOK_READABLE, 0, 0);
	if (proxy_awaited(c))
		proxy_read(c);
	else
		read_some(c);
	loop_turn(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	survive_cause(arg, BOOK_WRITABLE, 0, 0);
	loop_turn(arg);
}

static void tick(struct conn *c)
{
	ssh_tick(c->ssh, survive_cause(c, BOOK_TIMER, 0, 0));
	loop_turn(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->loop.timer_at = UINT64_MAX;
	if (clock_ms() >= ssh_deadline(c->ssh))
		tick(c);
	else
		arm_timer(c);
}

/* Nothing moved for a while: a session that waits for its user should weigh little. */
static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->loop.rest_armed = 0;
	if (!c->loop.active) {
		session_shrink_all(c);
		malloc_trim(0);
	}
	arm_rest(c);
}

void loop_replay(struct conn *c, enum memory_kind kind)
{
	switch (kind) {
	case BOOK_READABLE:
		on_readable(-1, 0, c);
		break;
	case BOOK_WRITABLE:
		on_writable(-1, 0, c);
		break;
	case BOOK_PAUSE_OVER:
		on_pause_over(-1, 0, c);
		break;
	case BOOK_TIMER:
		tick(c);
		break;
	default:	/* the caller sees that nothing went on */
		break;
	}
}

int loop_start(struct conn *c, int in, int out)
{
	struct loop *l = &c->loop;

	l->in = in;
	l->out = out;
	fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
	if (out != in)
		fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
	l->readable = event_new(c->base, in, EV_READ | EV_PERSIST, on_readable, c);
	l->writable = event_new(c->base, out, EV_WRITE | EV_PERSIST, on_writable, c);
	l->timer = event_new(c->base, -1, 0, on_timer, c);
	l->rest = event_new(c->base, -1, 0, on_rest, c);
	l->pause = event_new(c->base, -1, 0, on_pause_over, c);
	return l->readable && l->writable && l->timer && l->rest && l->pause ? lowat_start(c) : SSH_E_NOMEM;
}

void loop_still(struct conn *c)
{
	struct loop *l = &c->loop;

	c->still = 1;
	survive_close(c);	/* whoever goes on begins with a checkpoint */
	loop_resume(c);
	lowat_lower(c);
	arm(l->readable, &l->reading, 0);
	arm(l->writable, &l->writing, 0);
	event_del(l->timer);
	l->timer_at = UINT64_MAX;
	event_del(l->rest);
	l->rest_armed = 0;
	session_still_all(c);
}

void loop_flush_last(struct conn *c)
{
	uint64_t end = clock_ms() + LAST_FLUSH_MS, now;

	while (write_some(c) == SSH_E_NOT_NOW && (now = clock_ms()) < end) {
		struct pollfd p = { .fd = c->loop.out, .events = POLLOUT };

		if (poll(&p, 1, (int)(end - now)) <= 0 || (p.revents & (POLLERR | POLLHUP | POLLNVAL)))
			return;
	}
}

static void drop_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

void loop_drop(struct loop *l)
{
	drop_event(l->readable);
	drop_event(l->writable);
	drop_event(l->timer);
	drop_event(l->rest);
	drop_event(l->pause);
	lowat_drop(&l->lowat);
	if (l->in >= 0)
		close(l->in);
	if (l->out >= 0 && l->out != l->in)
		close(l->out);
	loop_init(l);
}
