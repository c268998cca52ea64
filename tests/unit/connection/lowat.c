/* A client in bulk: its socket wakes us for much at a time, and for the last byte within a moment. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "connection/conn.h"
#include "connection/lowat.h"

#define LONG (32 * 1024)

struct near {
	struct conn conn;
	int client;		/* its end */
	struct event *readable;
	size_t there;		/* bytes, when the socket woke us */
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[4 * LONG];
	struct near *w = arg;
	ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

	(void)what;
	cr_assert(n > 0);
	w->there = (size_t)n;
	event_base_loopbreak(w->conn.base);
}

static void tcp_pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(bind(l, (struct sockaddr *)&a, sizeof a) == 0 && listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&a, &len) == 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(fd[0], (struct sockaddr *)&a, sizeof a), 0);
	fd[1] = accept(l, NULL, NULL);
	cr_assert_geq(fd[1], 0);
	close(l);
}

static void begin(struct near *w)
{
	int fd[2];

	memset(w, 0, sizeof *w);
	tcp_pair(fd);
	w->client = fd[0];
	w->conn.base = event_base_new();
	w->conn.loop.in = w->conn.loop.out = fd[1];
	cr_assert_eq(lowat_start(&w->conn), SSH_OK);
	w->readable = event_new(w->conn.base, fd[1], EV_READ | EV_PERSIST, on_readable, w);
	event_add(w->readable, NULL);
}

static void end(struct near *w)
{
	event_free(w->readable);
	lowat_drop(&w->conn.loop.lowat);
	event_base_free(w->conn.base);
	close(w->client);
	close(w->conn.loop.in);
}

static int mark(const struct near *w)
{
	int v = -1;
	socklen_t len = sizeof v;

	cr_assert_eq(getsockopt(w->conn.loop.in, SOL_SOCKET, SO_RCVLOWAT, &v, &len), 0);
	return v;
}

/* How many long reads it takes, at most 5,000. */
static unsigned until_raised(struct near *w)
{
	unsigned n = 0;

	while (mark(w) == 1 && n < 5000) {
		lowat_read(&w->conn, LONG);
		n++;
	}
	return n;
}

/* The size of the next read, waiting for it. */
static size_t next(struct near *w)
{
	struct timeval late = { 10, 0 };

	w->there = 0;
	event_base_loopexit(w->conn.base, &late);
	event_base_dispatch(w->conn.base);
	return w->there;
}

Test(lowat, rises_after_a_row_of_long_reads)
{
	struct near w;

	begin(&w);
	for (int i = 0; i < 5000; i++) {	/* a download's window adjusts, a login, a typist */
		lowat_read(&w.conn, i % 5 == 4 ? 100 : LONG);
		cr_assert_eq(mark(&w), 1);
	}
	lowat_read(&w.conn, 1);
	cr_assert_eq(until_raised(&w), 8);
	cr_assert_eq(mark(&w), 4 * LONG);
	lowat_read(&w.conn, 100);
	cr_assert_eq(mark(&w), 1, "whoever sends little is in no bulk");
	cr_assert_eq(until_raised(&w), 8);
	end(&w);
}

Test(lowat, the_rest_comes_within_a_moment)
{
	struct near w;

	begin(&w);
	until_raised(&w);
	cr_assert_eq(send(w.client, "x", 1, 0), 1);
	cr_assert_eq(next(&w), 1, "one byte, and no more follows");
	cr_assert_eq(mark(&w), 1);
	cr_assert_eq(until_raised(&w), 16, "it was in vain, so the next attempt comes later");
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(send(w.client, "x", 1, 0), 1);
		cr_assert_eq(next(&w), 1);
		until_raised(&w);
	}
	cr_assert_eq(send(w.client, "x", 1, 0), 1);
	next(&w);
	cr_assert_eq(until_raised(&w), 1024, "but not never");
	end(&w);
}

Test(lowat, the_end_is_told_at_once_and_a_successor_begins_afresh)
{
	struct near w;

	begin(&w);
	until_raised(&w);
	lowat_drop(&w.conn.loop.lowat);		/* killed: the socket remembers */
	memset(&w.conn.loop.lowat, 0, sizeof w.conn.loop.lowat);
	cr_assert_eq(mark(&w), 4 * LONG);
	cr_assert_eq(lowat_start(&w.conn), SSH_OK);
	cr_assert_eq(mark(&w), 1);
	until_raised(&w);
	lowat_lower(&w.conn);			/* moves in good order */
	cr_assert_eq(mark(&w), 1);
	end(&w);
}

Test(lowat, two_pipes_are_let_be)
{
	struct conn c = { .base = event_base_new() };
	int fd[2];

	cr_assert_eq(pipe(fd), 0);
	c.loop.in = fd[0];
	cr_assert_eq(lowat_start(&c), SSH_OK);
	for (int i = 0; i < 100; i++)
		lowat_read(&c, LONG);
	cr_assert_eq(c.loop.lowat.raised, 0);
	lowat_drop(&c.loop.lowat);
	event_base_free(c.base);
	close(fd[0]);
	close(fd[1]);
}
