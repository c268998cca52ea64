#include "connection/chan_session.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ipc/permits.h"
#include "ipc/values.h"
#include "world.h"

static void expect(const char *what, const char *is, const char *should)
{
	cr_assert_str_eq(is, should, "%s heard \"%s\", not \"%s\"", what, is, should);
}
#define CLIENT(text) expect("client", w.heard, text)
#define SUP(text) expect("supervisor", w.sup_heard, text)

/* All ends of worker the supervisor was told to close, and nothing else but that was said. */
static int ends_shut(const struct world *w, int worker)
{
	int all = 0, who, ends, n;

	for (const char *p = w->sup_heard; *p != '\0'; p += n) {
		cr_assert_eq(sscanf(p, "SHUT:%d:%d %n", &who, &ends, &n), 2, "supervisor heard \"%s\"", w->sup_heard);
		cr_assert_eq(who, worker);
		cr_assert_eq(all & ends, 0, "said twice: \"%s\"", w->sup_heard);
		all |= ends;
	}
	return all;
}

/* A session with a running command; ours: the program's ends. */
static uint32_t running(struct world *w, int ours[3])
{
	uint32_t chan;

	world_login(w);
	chan = world_session(w);
	world_exec(w, chan, "true");
	world_run(w);
	world_spawned(w, 5, ours);
	world_run(w);
	cr_assert_str_eq(w->heard, "opened ok ");
	world_forget(w);
	return chan;
}

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

Test(session, exec_with_status)
{
	struct world w;
	int p[3];
	char buf[16];
	uint32_t chan = running(&w, p);

	cr_assert(view_is(w.spawn.command, "true") && w.spawn.kind == 1 && w.spawn.pty == 0);
	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"in", 2);
	world_run(&w);
	cr_assert_eq(read(p[0], buf, sizeof buf), 2);
	cr_assert_eq(write(p[1], "one", 3), 3);
	world_run(&w);
	cr_assert_eq(write(p[2], "two", 3), 3);
	world_run(&w);
	close_all(p);
	world_run(&w);
	CLIENT("out:one err:two eof ");
	world_exit(&w, 5, 0, 3, 0);
	world_run(&w);
	CLIENT("out:one err:two eof status:3 close ");
	cr_assert_eq(w.conn.session_count, 0);
	world_drop(&w);
}

/* Both outputs of a program that ended in one message; one alone at once. */
Test(session, ends_of_output_are_told_together)
{
	struct world w;
	int p[3];

	running(&w, p);
	close(p[1]);
	close(p[2]);
	world_run(&w);
	SUP("SHUT:5:6 ");
	world_drop(&w);
	running(&w, p);
	cr_assert_eq(write(p[1], "on", 2), 2);
	close(p[2]);
	world_run(&w);
	SUP("SHUT:5:4 ");
	CLIENT("out:on ");
	world_drop(&w);
}

/* OpenSSH's order too: the status as soon as it is known, EOF and CLOSE when nobody holds the pipes any more. */
Test(session, status_before_eof_of_a_background_program)
{
	struct world w;
	int p[3];

	running(&w, p);
	world_exit(&w, 5, 0, 0, 0);
	world_run(&w);
	CLIENT("status:0 ");
	cr_assert_eq(write(p[1], "late", 4), 4);
	world_run(&w);
	close_all(p);
	world_run(&w);
	CLIENT("status:0 out:late eof close ");
	cr_assert_eq(ends_shut(&w, 5), END_STDIN | END_STDOUT | END_STDERR);
	world_drop(&w);
}

Test(session, exit_signal)
{
	struct world w;
	int p[3];

	running(&w, p);
	close_all(p);
	world_exit(&w, 5, 1, 11, 1);
	world_run(&w);
	cr_assert_not_null(strstr(w.heard, "signal:SEGV+core "), "%s", w.heard);
	cr_assert_null(strstr(w.heard, "status:"), "%s", w.heard);
	world_drop(&w);
}

Test(session, client_eof_closes_stdin)
{
	struct world w;
	int p[3];
	char c;
	uint32_t chan = running(&w, p);

	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"x", 1);
	ssh_chan_eof(w.client, chan);
	world_run(&w);
	cr_assert_eq(read(p[0], &c, 1), 1);
	cr_assert_eq(read(p[0], &c, 1), 0, "the program sees the end");
	SUP("SHUT:5:1 ");
	close_all(p);
	world_drop(&w);
}

/* The program loses its ends at once; our CLOSE waits for its status, which the client may still want. */
Test(session, client_close_waits_for_the_status)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);

	ssh_chan_eof(w.client, chan);
	ssh_chan_close(w.client, chan);
	world_run(&w);
	CLIENT("");
	cr_assert_eq(ends_shut(&w, 5), END_STDIN | END_STDOUT | END_STDERR);
	cr_assert_eq(write(p[1], "x", 1), -1, "nobody reads stdout");
	world_exit(&w, 5, 0, 4, 0);
	world_run(&w);
	CLIENT("close ");	/* the core hands a client that closed no requests; a real ssh sees the status */
	cr_assert_eq(w.conn.session_count, 0);
	close_all(p);
	world_drop(&w);
}

Test(session, closed_while_spawning)
{
	struct world w;
	int p[3];
	uint32_t chan;

	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "sleep 9");
	ssh_chan_close(w.client, chan);
	world_run(&w);
	world_forget(&w);
	world_spawned(&w, 6, p);
	world_run(&w);
	cr_assert_eq(ends_shut(&w, 6), END_STDIN | END_STDOUT | END_STDERR);
	cr_assert_eq(write(p[1], "x", 1), -1);
	world_exit(&w, 6, 1, 13, 0);
	world_run(&w);
	CLIENT("close ");
	cr_assert_eq(w.conn.session_count, 0);
	close_all(p);
	world_drop(&w);
}

Test(session, spawn_refused_then_another_try)
{
	struct world w;
	uint32_t chan;
	int p[3];

	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "a");
	world_run(&w);
	world_spawn_failed(&w);
	world_run(&w);
	CLIENT("opened fail ");
	world_exec(&w, chan, "b");
	world_run(&w);
	cr_assert(view_is(w.spawn.command, "b"));
	world_spawned(&w, 5, p);
	world_run(&w);
	CLIENT("opened fail ok ");
	close_all(p);
	world_drop(&w);
}

/* RFC 4254 5.4: replies come in the order of the requests, though a spawn takes its time. */
Test(session, replies_keep_their_order)
{
	struct world w;
	uint32_t chan;
	int p[3];

	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "a");
	world_exec(&w, chan, "second program");
	world_pty(&w, chan);
	world_run(&w);
	CLIENT("opened ");
	world_spawned(&w, 5, p);
	world_run(&w);
	CLIENT("opened ok fail fail ");
	close_all(p);
	world_drop(&w);
}

Test(session, data_before_the_program_is_there)
{
	struct world w;
	uint32_t chan;
	int p[3];
	char buf[16];

	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "cat");
	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"early", 5);
	ssh_chan_eof(w.client, chan);
	world_run(&w);
	world_spawned(&w, 5, p);
	world_run(&w);
	cr_assert_eq(read(p[0], buf, sizeof buf), 5);
	cr_assert_eq(read(p[0], buf, sizeof buf), 0);
	close_all(p);
	world_drop(&w);
}

Test(session, pty)
{
	struct world w;
	uint32_t chan;
	int slave;
	struct winsize ws;
	struct buf b;
	struct wr wr = wr_to(&b);

	world_login(&w);
	chan = world_session(&w);
	world_pty(&w, chan);
	world_pty(&w, chan);
	world_run(&w);
	CLIENT("opened ok fail ");
	world_request(&w, chan, "shell", view_of(NULL, 0));
	world_run(&w);
	cr_assert(w.spawn.pty && w.spawn.kind == 0 && w.spawn.cols == 80 && w.spawn.rows == 24 && w.spawn.xpixel == 640);
	cr_assert(view_is(w.spawn.term, "xterm") && w.spawn.modes.len == 1);
	world_spawned_pty(&w, 9, &slave);
	world_run(&w);
	world_forget(&w);
	buf_init(&b, 100, NULL);
	wr_u32(&wr, 132), wr_u32(&wr, 43), wr_u32(&wr, 0), wr_u32(&wr, 0);
	ssh_chan_request(w.client, chan, "window-change", 0, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
	world_run(&w);
	cr_assert_eq(ioctl(slave, TIOCGWINSZ, &ws), 0);
	cr_assert(ws.ws_col == 132 && ws.ws_row == 43);
	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"x", 1);
	world_until(&w, w.heard, "out:x ");		/* the terminal's echo */
	ssh_chan_eof(w.client, chan);
	world_run(&w);
	cr_assert_str_eq(w.sup_heard, "", "a client's EOF is no end for a terminal");
	world_drop(&w);
	close(slave);
}

/* A background program keeps the slave open: the session ends with its worker and what is left on the master. */
Test(session, pty_drains_when_the_worker_is_gone)
{
	struct world w;
	uint32_t chan;
	int slave;

	world_login(&w);
	chan = world_session(&w);
	world_pty(&w, chan);
	world_request(&w, chan, "shell", view_of(NULL, 0));
	world_run(&w);
	world_spawned_pty(&w, 9, &slave);
	world_run(&w);
	world_forget(&w);
	cr_assert_eq(write(slave, "last", 4), 4);
	world_exit(&w, 9, 0, 0, 0);
	world_run(&w);
	cr_assert_not_null(strstr(w.heard, "out:last "), "%s", w.heard);
	cr_assert_not_null(strstr(w.heard, "status:0 "), "%s", w.heard);
	cr_assert_not_null(strstr(w.heard, "eof close "), "%s", w.heard);
	cr_assert_eq(ends_shut(&w, 9), END_PTY);
	world_drop(&w);
	close(slave);
}

Test(session, pty_needs_its_permit)
{
	struct world w;
	uint32_t chan;

	world_init(&w);
	w.permits = 0;
	world_run(&w);
	world_forget(&w);
	chan = world_session(&w);
	world_pty(&w, chan);
	world_run(&w);
	CLIENT("opened fail ");
	world_drop(&w);
}

static void env(struct world *w, uint32_t chan, const char *name, const char *value)
{
	struct buf b;
	struct wr wr = wr_to(&b);

	buf_init(&b, 100000, NULL);
	wr_cstr(&wr, name);
	wr_cstr(&wr, value);
	world_request(w, chan, "env", view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
}

Test(session, environment)
{
	struct world w;
	uint32_t chan;
	static const char all[] = "LC_ALL=C\0LANG=de";

	world_login(&w);
	chan = world_session(&w);
	env(&w, chan, "LANG", "en");
	env(&w, chan, "LD_PRELOAD", "/tmp/x.so");
	env(&w, chan, "LC_ALL", "C");
	env(&w, chan, "LANG", "de");
	world_request(&w, chan, "shell", view_of(NULL, 0));
	world_run(&w);
	CLIENT("opened ok fail ok ok ");
	cr_assert_eq(w.spawn.env.len, sizeof all);
	cr_assert_eq(memcmp(w.spawn.env.p, all, sizeof all), 0);
	world_drop(&w);
}

Test(session, signals)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);

	world_request(&w, chan, "signal", view_of("\0\0\0\4TERM", 8));
	world_request(&w, chan, "signal", view_of("\0\0\0\5WINCH", 9));
	world_run(&w);
	SUP("SIGNAL:5:TERM ");
	CLIENT("ok fail ");
	close_all(p);
	world_drop(&w);
}

Test(session, max_sessions)
{
	struct world w;

	world_init(&w);
	w.max_sessions = 2;
	world_run(&w);
	world_forget(&w);
	world_session(&w);
	world_session(&w);
	world_session(&w);
	CLIENT("opened opened refused:2:open failed ");
	ssh_chan_close(w.client, 0);
	world_run(&w);
	world_session(&w);
	CLIENT("opened opened refused:2:open failed close opened ");
	world_drop(&w);
}

Test(session, other_channels_and_requests)
{
	struct world w;
	uint32_t chan;

	world_login(&w);
	ssh_chan_open(w.client, "direct-tcpip", view_of(NULL, 0), &chan);
	ssh_chan_open(w.client, "x11", view_of(NULL, 0), &chan);
	ssh_global_request(w.client, "tcpip-forward", 1, view_of("\0\0\0\0\0\0\0\0", 8));
	ssh_global_request(w.client, "keepalive@openssh.com", 1, view_of(NULL, 0));
	ssh_global_request(w.client, "no-more-sessions@openssh.com", 1, view_of(NULL, 0));
	world_run(&w);
	CLIENT("refused:1:administratively prohibited refused:3:unknown channel type gfail gfail gok ");
	world_forget(&w);
	world_session(&w);
	CLIENT("refused:1:no more sessions ");
	world_drop(&w);
}

/* A program that does not read stops the client: what waits here is never more than a window. */
Test(session, slow_program_stops_the_client)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);
	size_t sent = 0, got = 0;
	uint8_t *block = calloc(1, 32768);
	ssize_t n;

	for (int i = 0; i < 400; i++) {
		int k = ssh_chan_write(w.client, chan, 0, block, 32768);

		sent += k > 0 ? (size_t)k : 0;
		world_run(&w);
	}
	cr_assert_gt(sent, CHAN_WINDOW / 2);
	cr_assert_leq(sent, CHAN_WINDOW + 1024 * 1024, "%zu bytes went into a pipe nobody reads", sent);
	cr_assert_eq(ssh_chan_room(w.client, chan), 0);
	ssh_chan_eof(w.client, chan);
	for (int idle = 0; idle < 100; idle++) {
		while ((n = read(p[0], block, 32768)) > 0)
			got += (size_t)n, idle = 0;
		world_run(&w);
	}
	cr_assert_eq(got, sent, "every byte came through");
	free(block);
	close_all(p);
	world_drop(&w);
}

/* A client that does not read stops the program. */
Test(session, slow_client_stops_the_program)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);
	size_t sent = 0;
	uint8_t *block = calloc(1, 65536);
	ssize_t n;

	w.hold_window = 1;
	for (int idle = 0; idle < 20; idle++) {
		while ((n = write(p[1], block, 65536)) > 0)
			sent += (size_t)n, idle = 0;
		world_run(&w);
	}
	cr_assert_geq(w.data_in, CHAN_WINDOW - 65536);
	cr_assert_leq(w.data_in, CHAN_WINDOW);
	cr_assert_leq(sent, CHAN_WINDOW + 2 * 1024 * 1024);
	close_all(p);
	w.hold_window = 0;
	ssh_chan_consumed(w.client, chan, w.unconsumed);
	world_exit(&w, 5, 0, 0, 0);
	world_run(&w);
	cr_assert_eq(w.data_in, sent, "%zu of %zu", w.data_in, sent);
	cr_assert_not_null(strstr(w.heard, "eof close "));
	free(block);
	world_drop(&w);
}

/* stdin closed by the program: OpenSSH is told, the window stays open for what is under way. */
Test(session, program_closes_stdin)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);
	uint8_t *block = calloc(1, 32768);

	close(p[0]);
	for (int i = 0; i < 200; i++) {
		ssh_chan_write(w.client, chan, 0, block, 32768);
		world_run(&w);
	}
	cr_assert_str_eq(w.heard, "eow ");
	SUP("SHUT:5:1 ");
	cr_assert_gt(ssh_chan_room(w.client, chan), 0);
	free(block);
	close(p[1]);
	close(p[2]);
	world_drop(&w);
}

Test(session, client_reads_no_more)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);

	ssh_chan_request(w.client, chan, "eow@openssh.com", 0, view_of(NULL, 0));
	world_run(&w);
	SUP("SHUT:5:2 ");
	cr_assert_eq(write(p[1], "x", 1), -1, "the program gets SIGPIPE");
	close_all(p);
	world_drop(&w);
}
