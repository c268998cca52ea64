#include "connection/notice.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/permits.h"
#include "world.h"

static void shows(const char *text, const char *want)
{
	uint8_t out[NOTICE_MAX];
	size_t n = notice_text(out, view_str(text));

	cr_assert(n == strlen(want) && memcmp(out, want, n) == 0, "\"%.*s\"", (int)n, (char *)out);
}

Test(notice, a_line_of_its_own)
{
	shows("hello", "\r\nhello\r\n");
	shows("", "\r\n\r\n");
	shows("gr\xc3\xbc\xc3\x9f", "\r\ngr\xc3\xbc\xc3\x9f\r\n");
}

Test(notice, nothing_in_it_steers_the_terminal)
{
	shows("a\x1b[2Jb\rc\nd\x07", "\r\na?[2Jb?c?d?\r\n");
	shows("\xc2\x9b" "2J\xff\xe2\x80\xae", "\r\n?2J??\r\n");
}

Test(notice, a_long_one_is_cut)
{
	uint8_t out[NOTICE_MAX];
	static char text[2 * NOTICE_MAX];
	size_t n;

	for (size_t i = 0; i + 2 < sizeof text; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	n = notice_text(out, view_str(text));
	cr_assert_leq(n, NOTICE_MAX);
	cr_assert(memcmp(out + n - 4, "\xc3\xa9\r\n", 4) == 0, "cut inside a character");
}

static struct world w;
static void up(void) { world_init(&w); }
static void down(void) { world_drop(&w); }

TestSuite(notice_world, .init = up, .fini = down);

static void tell(enum ipc_type type, const void *body)
{
	cr_assert_eq(link_say(w.sup, ROLE_SUP, ROLE_CONN, w.sup_when, type, body, NULL, 0), SSH_OK);
	world_run(&w);
}

Test(notice_world, on_the_terminal_and_nowhere_else)
{
	uint32_t chan;
	int slave, ours[3];

	world_login(&w);
	chan = world_session(&w);
	world_pty(&w, chan);
	world_exec(&w, chan, "true");
	world_run(&w);
	world_spawned_pty(&w, 5, &slave);
	chan = world_session(&w);
	world_exec(&w, chan, "true");
	world_run(&w);
	world_spawned(&w, 6, ours);
	world_run(&w);
	w.data_in = 0;
	world_forget(&w);
	tell(IPC_CONN_NOTICE, &(struct ipc_CONN_NOTICE){ .req = 9, .text = view_str("hello") });
	cr_assert_str_eq(w.sup_heard, "NOTICE:9:1:1 ");
	cr_assert_eq(w.data_in, strlen("\r\nhello\r\n"));
	close(slave);
	for (int i = 0; i < 3; i++)
		close(ours[i]);
}

Test(notice_world, statistics_are_told_when_asked)
{
	uint32_t chan;
	int ours[3];

	world_run(&w);
	tell(IPC_STATS_ASK, &(struct ipc_STATS_ASK){ .req = 1 });
	cr_assert(strstr(w.sup_heard, "CONN_STATS:1:") != NULL, "%s", w.sup_heard);
	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "true");
	world_run(&w);
	world_spawned(&w, 7, ours);
	world_run(&w);
	cr_assert_eq(write(ours[1], "12345", 5), 5);
	world_until(&w, w.heard, "out:12345");
	world_forget(&w);
	tell(IPC_STATS_ASK, &(struct ipc_STATS_ASK){ .req = 2 });
	cr_assert_str_eq(w.sup_heard, "CHAN_STATS:2:7:0:5 CONN_STATS:2:3 ");
	for (int i = 0; i < 3; i++)
		close(ours[i]);
}

/* The operator's word is the last one, and the client hears it. */
Test(notice_world, an_end_with_a_reason)
{
	world_login(&w);
	world_forget(&w);
	cr_assert_eq(link_say(w.sup, ROLE_SUP, ROLE_CONN, w.sup_when, IPC_CONN_END,
	    &(struct ipc_CONN_END){ .reason = 11, .text = view_str("back at noon") }, NULL, 0), SSH_OK);
	world_until(&w, w.heard, "bye:11:back at noon");
	cr_assert(w.conn.over);
}
