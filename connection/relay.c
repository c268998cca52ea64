#include "connection/relay.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "ipc/clock.h"
#include "ipc/values.h"

#define SMALL 4096		/* one pty read; keystrokes should not make the output grow */
#define OUTPUT_PIPE (256 * 1024)	/* as much as one read takes */
#define INPUT_PIPE (1024 * 1024)	/* half a window: measured, less has to be copied to pending */
#define PENDING_MAX (CHAN_WINDOW_LIMIT + CHAN_WINDOW)

static void stream_init(struct stream *s, struct relay *r, uint32_t ext)
{
	*s = (struct stream){ .relay = r, .fd = -1, .ext = ext };
}

static void stream_close(struct stream *s)
{
	if (s->armed)
		event_del(&s->event);
	s->armed = 0;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void stream_arm(struct stream *s, int want)
{
	if (!s->ready || s->armed == want)
		return;
	s->armed = want;
	if (want)
		event_add(&s->event, NULL);
	else
		event_del(&s->event);
}

void relay_init(struct relay *r, struct conn *c, struct session *session, uint32_t chan)
{
	memset(r, 0, sizeof *r);
	r->c = c;
	r->session = session;
	r->chan = chan;
	buf_init(&r->pending, PENDING_MAX, NULL);
	stream_init(&r->in, r, 0);
	stream_init(&r->out, r, 0);
	stream_init(&r->err, r, 1);
}

/* ---- client to program ------------------------------------------------------------- */

void relay_close_input(struct relay *r)
{
	size_t n = buf_len(&r->pending);

	buf_drop(&r->pending);
	stream_close(&r->in);
	loop_resume(r->c);
	if (n > 0)
		ssh_chan_consumed(r->c->ssh, r->chan, n);
}

/* The program closed its stdin: OpenSSH's client stops sending when it is told (PROTOCOL 2.1). */
static void input_refused(struct relay *r)
{
	relay_close_input(r);
	if (r->c->openssh && !r->eof)
		ssh_chan_request(r->c->ssh, r->chan, "eow@openssh.com", 0, view_of(NULL, 0));
}

/* Once, when the program is behind: a wider pipe lets both sides work longer at a time. 1 when it is worth another try. */
static int widen(struct relay *r)
{
	int worth;

	if (r->pty || r->widened)
		return 0;
	r->widened = 1;
	if (survive_known(r->c, &worth))
		return worth;
	/* Refused when the user has many pipes already (fs.pipe-user-pages-soft). */
	worth = fcntl(r->in.fd, F_SETPIPE_SZ, INPUT_PIPE) > 0 || fcntl(r->in.fd, F_SETPIPE_SZ, INPUT_PIPE / 4) > 0;
	survive_value(r->c, worth);
	return worth;
}

/* Some places with bytes, n together. */
struct pieces { struct iovec *iov; int count; size_t n; };

/* Without the first k bytes. */
static void advance(struct pieces *p, size_t k)
{
	p->n -= k;
	for (; p->count > 0 && k >= p->iov->iov_len; p->count--)
		k -= p->iov++->iov_len;
	if (p->count > 0) {
		p->iov->iov_base = (uint8_t *)p->iov->iov_base + k;
		p->iov->iov_len -= k;
	}
}

/* How many bytes went; the rest is left in *p and has to wait. All of them when stdin is closed. */
static size_t put(struct relay *r, struct pieces *p)
{
	size_t n = p->n, done = 0;

	while (done < n && r->in.fd >= 0) {
		ssize_t k = survive_writev(r->c, r->chan, r->in.fd, p->iov, p->count);

		if (k >= 0) {
			done += (size_t)k;
			advance(p, (size_t)k);
		} else if (errno == EAGAIN) {
			if (!widen(r))
				return done;
		} else if (errno != EINTR) {
			input_refused(r);
		}
	}
	return n;
}

static void finish_input(struct relay *r)
{
	/* A terminal has no end of input but the one that is typed. */
	if (r->eof && r->started && !r->pty && buf_len(&r->pending) == 0)
		stream_close(&r->in);
}

/* What does not go now is copied, and the client has to wait for it. */
static void take_in(struct relay *r, struct pieces p)
{
	size_t n = p.n, done = 0;

	if (r->started && buf_len(&r->pending) == 0) {
		done = put(r, &p);
		if (done < n)
			loop_pause(r->c);
	}
	if (r->started && r->in.fd < 0)
		done = n;
	if (done > 0)
		ssh_chan_consumed(r->c->ssh, r->chan, done);
	for (; done < n && p.count > 0; p.count--, p.iov++)
		if (buf_append(&r->pending, p.iov->iov_base, p.iov->iov_len) < 0) {
			conn_disconnect(r->c, 2, "out of memory");
			return;
		}
}

void relay_flush(struct conn *c)
{
	struct gather *g = &c->gather;
	struct relay *r = g->relay;

	if (r == NULL)
		return;
	g->relay = NULL;
	take_in(r, (struct pieces){ g->iov, g->count, g->bytes });
	session_settle(r->session);
}

void relay_input(struct relay *r, struct view data, int stays)
{
	struct iovec iov = { (void *)(uintptr_t)data.p, data.len };
	struct gather *g = &r->c->gather;

	r->bytes_in += data.len;
	r->c->input_ms = clock_ms();
	if (!stays || !r->started || r->in.fd < 0 || buf_len(&r->pending) > 0) {
		relay_flush(r->c);
		take_in(r, (struct pieces){ &iov, 1, data.len });
		return;
	}
	if (g->relay == NULL) {
		g->relay = r;
		g->count = 0;
		g->bytes = 0;
	}
	g->iov[g->count++] = iov;
	g->bytes += data.len;
	if (g->count == RELAY_GATHER_MAX)
		relay_flush(r->c);
}

void relay_input_eof(struct relay *r)
{
	r->eof = 1;
	finish_input(r);
}

static void write_pending(struct relay *r)
{
	size_t n = buf_len(&r->pending), done;
	struct iovec iov = { buf_head(&r->pending), n };

	if (n == 0)
		return;
	done = put(r, &(struct pieces){ &iov, 1, n });
	if (r->in.fd < 0)
		return;		/* closed meanwhile; the window has been told */
	buf_consume(&r->pending, done);
	if (buf_len(&r->pending) == 0)
		loop_resume(r->c);
	if (done > 0)
		ssh_chan_consumed(r->c->ssh, r->chan, done);
	finish_input(r);
}

/* ---- program to client ----------------------------------------------------------------- */

/* -1 with errno, else what came. */
static ssize_t small_read(struct stream *s, size_t room)
{
	struct relay *r = s->relay;
	uint8_t bytes[SMALL];
	ssize_t n = survive_read(r->c, r->chan, s->ext, s->fd, bytes, room < sizeof bytes ? room : sizeof bytes);

	if (n > 0)
		ssh_chan_write(r->c->ssh, r->chan, s->ext, bytes, (size_t)n);
	if (n == SMALL && !r->pty)
		s->iovecs = 2;
	return n;
}

/* Straight into the output, where it is encrypted in place; or into the books, and encrypted from there. */
static ssize_t bulk_read(struct stream *s)
{
	struct relay *r = s->relay;
	struct iovec iov[RELAY_IOVECS_MAX];
	int count = ssh_chan_fill(r->c->ssh, r->chan, s->ext, iov, s->iovecs);
	size_t asked = 0;
	ssize_t n;

	if (count <= 0) {
		errno = EAGAIN;
		return -1;
	}
	for (int i = 0; i < count; i++)
		asked += iov[i].iov_len;
	n = survive_fill(r->c, r->chan, s->ext, s->fd, iov, count);
	if (n > 0 && (size_t)n == asked && s->iovecs < RELAY_IOVECS_MAX) {
		s->iovecs *= 2;
		if (s->iovecs == RELAY_IOVECS_MAX)
			fcntl(s->fd, F_SETPIPE_SZ, OUTPUT_PIPE);	/* fewer turns; refused is fine */
	} else if (n > 0 && n < SMALL) {
		s->iovecs = 0;
	}
	return n;
}

/* One read. 1: something came; 0: nothing to do now. An end closes the stream. */
static int read_stream(struct stream *s)
{
	struct relay *r = s->relay;
	size_t room = s->fd >= 0 ? ssh_chan_room(r->c->ssh, r->chan) : 0;
	ssize_t n;

	if (room == 0)
		return 0;
	n = s->iovecs > 0 ? bulk_read(s) : small_read(s, room);
	if (n > 0) {
		r->c->loop.active = 1;
		r->bytes_out += (uint64_t)n;
		return 1;
	}
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN && !r->draining)
		return 0;
	stream_close(s);	/* end of file, EIO of a pty without a slave, or a drained one */
	if (r->pty)
		stream_close(&r->in);
	return 0;
}

void relay_close_output(struct relay *r)
{
	if (!r->pty)
		stream_close(&r->out);
}

void relay_client_closed(struct relay *r)
{
	if (r->pty)
		relay_close_input(r);
	stream_close(&r->out);
	stream_close(&r->err);
	relay_input_eof(r);
}

void relay_worker_gone(struct relay *r)
{
	if (r->pty)
		r->draining = 1;
	relay_close_input(r);
}

int relay_output_ended(const struct relay *r)
{
	return r->started && r->out.fd < 0 && r->err.fd < 0;
}

unsigned relay_closed_ends(const struct relay *r)
{
	if (!r->started)
		return 0;
	if (r->pty)
		return r->out.fd < 0 ? END_PTY : 0;
	return (r->in.fd < 0 ? END_STDIN : 0) | (r->out.fd < 0 ? END_STDOUT : 0) | (r->err.fd < 0 ? END_STDERR : 0);
}

void relay_pump(struct relay *r)
{
	while (r->started && r->draining && read_stream(&r->out) > 0)
		;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_output(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	struct relay *r = s->relay;
	struct conn *c = r->c;

	(void)fd, (void)what;
	survive_cause(c, BOOK_OUTPUT, r->chan, s->ext);
	read_stream(s);
	if (s->fd < 0 && !r->pty)	/* a program that ends closes both: one word to the supervisor instead of two */
		read_stream(s == &r->out ? &r->err : &r->out);
	session_settle(r->session);
	loop_turn(c);
}

static void on_input_room(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	struct relay *r = s->relay;
	struct conn *c = r->c;

	(void)fd, (void)what;
	survive_cause(c, BOOK_INPUT_ROOM, r->chan, 0);
	write_pending(r);
	session_settle(r->session);
	loop_turn(c);
}

void relay_replay(struct relay *r, enum memory_kind kind, unsigned which)
{
	if (kind == BOOK_OUTPUT)
		on_output(-1, 0, which ? &r->err : &r->out);
	else
		on_input_room(-1, 0, &r->in);
}

/* The only place that decides what is waited for. */
void relay_rearm(struct relay *r)
{
	int room = r->started && ssh_chan_room(r->c->ssh, r->chan) > 0;

	stream_arm(&r->in, r->in.fd >= 0 && buf_len(&r->pending) > 0);
	stream_arm(&r->out, r->out.fd >= 0 && room && !r->draining);
	stream_arm(&r->err, r->err.fd >= 0 && room);
}

static int stream_open(struct stream *s, int fd, short what)
{
	s->fd = fd;
	if (fd < 0)
		return SSH_E_SYS;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	event_assign(&s->event, s->relay->c->base, fd, (short)(what | EV_PERSIST), what == EV_WRITE ? on_input_room : on_output, s);
	s->ready = 1;
	return SSH_OK;
}

int relay_start(struct relay *r, const int *fds, int n)
{
	int result;

	r->started = 1;
	if (n == 1) {
		r->pty = 1;
		result = stream_open(&r->out, fds[0], EV_READ);
		if (result == SSH_OK)	/* one descriptor each, or the loop could not tell the two interests apart */
			result = stream_open(&r->in, fcntl(fds[0], F_DUPFD_CLOEXEC, 0), EV_WRITE);
	} else {
		stream_open(&r->in, fds[0], EV_WRITE);
		stream_open(&r->out, fds[1], EV_READ);
		result = stream_open(&r->err, fds[2], EV_READ);
	}
	if (result == SSH_OK) {
		write_pending(r);
		finish_input(r);
	}
	return result;
}

int relay_adopt(struct relay *r, const int fds[3])
{
	int ok = 1;

	if (fds[0] >= 0)
		ok &= stream_open(&r->in, fds[0], EV_WRITE) == SSH_OK;
	if (fds[1] >= 0)
		ok &= stream_open(&r->out, fds[1], EV_READ) == SSH_OK;
	if (fds[2] >= 0)
		ok &= stream_open(&r->err, fds[2], EV_READ) == SSH_OK;
	return ok ? SSH_OK : SSH_E_SYS;
}

void relay_still(struct relay *r)
{
	stream_arm(&r->in, 0);
	stream_arm(&r->out, 0);
	stream_arm(&r->err, 0);
}

int relay_resize(struct relay *r, uint32_t cols, uint32_t rows, uint32_t xpixel, uint32_t ypixel)
{
	struct winsize w = {
		.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows,
		.ws_xpixel = (unsigned short)xpixel, .ws_ypixel = (unsigned short)ypixel,
	};

	int done;

	if (!r->pty || r->out.fd < 0)
		return -1;
	if (survive_known(r->c, &done))		/* or the program would hear of it once more */
		return done;
	done = ioctl(r->out.fd, TIOCSWINSZ, &w);
	survive_value(r->c, done);
	return done;
}

int relay_break(struct relay *r)
{
	int done;

	if (!r->pty || r->out.fd < 0)
		return -1;
	if (survive_known(r->c, &done))
		return done;
	done = tcsendbreak(r->out.fd, 0);
	survive_value(r->c, done);
	return done;
}

void relay_shrink(struct relay *r)
{
	buf_shrink(&r->pending);
}

void relay_drop(struct relay *r)
{
	stream_close(&r->in);
	stream_close(&r->out);
	stream_close(&r->err);
	buf_drop(&r->pending);
}
