#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "ipc/box.h"
#include "ipc/tell.h"
#include "reporter/crashes.h"
#include "reporter/metrics.h"
#include "reporter/render.h"
#include "reporter/stream.h"

static struct buf fields_buf;

static struct record event(enum happening kind, const char *line, const struct tell *t)
{
	struct record r = { .level = LOGL_INFO, .role = ROLE_AUTH, .trusted = 1, .pid = 42, .line = line, .kind = kind, .sec = 1000000000,
		.usec = 123456 };

	buf_drop(&fields_buf);
	buf_init(&fields_buf, TELL_FIELDS_MAX, NULL);
	cr_assert_eq(tell_fields(&fields_buf, t), 0);
	r.fields = view_of(buf_head(&fields_buf), buf_len(&fields_buf));
	r.box = view_of("", 0);
	return r;
}

static const char *text_of(struct buf *b)
{
	cr_assert_eq(buf_append(b, "", 1), 0);
	return (const char *)buf_head(b);
}

static const struct tell login[] = { TELL_NUMBER("session", 7), TELL_TEXT("user", "ada \"q\" \\ \n\x1b[31m\xff"), TELL_BOOL("valid", 1), TELL_END };

Test(render, json_is_one_line_whatever_is_inside)
{
	struct record r = event(HAPPENS_LOGIN, "Accepted \"x\"", login);
	struct buf b;

	buf_init(&b, RENDER_MAX, NULL);
	cr_assert_eq(render_json(&b, &r, 0, 1), 0);
	cr_assert_str_eq(text_of(&b), "{\"time\":\"2001-09-09T01:46:40.123Z\",\"event\":\"login\",\"level\":\"info\",\"from\":\"coppiced\",\"from_pid\":42,"
	    "\"message\":\"Accepted \\\"x\\\"\",\"session\":7,\"user\":\"ada \\\"q\\\" \\\\ \\\\012\\\\033[31m\\\\377\",\"valid\":true}\n");
	buf_drop(&b);
}

Test(render, the_journal_byte_for_byte)
{
	struct record r = event(HAPPENS_LOGIN, "Accepted password for ada", login);
	char want[600];
	struct buf b;

	buf_init(&b, RENDER_MAX, NULL);
	cr_assert_eq(render_journal(&b, &r, LOG_AUTHPRIV), 0);
	snprintf(want, sizeof want, "MESSAGE=Accepted password for ada\nMESSAGE_ID=%s\nPRIORITY=6\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=coppiced\n"
	    "SYSLOG_PID=42\nCOPPICE_EVENT=login\nROLE=auth\nSSH_CONN_ID=7\nSSH_USER=ada \"q\" \\ \\012\\033[31m\\377\nCOPPICE_VALID=yes\n",
	    happening_id(HAPPENS_LOGIN));
	cr_assert_str_eq(text_of(&b), want);
	buf_drop(&b);
}

Test(render, a_report_of_several_lines_in_the_journal)
{
	static const struct tell t[] = { TELL_TEXT("node", "guards/auth"), TELL_TEXT("how", "signal:SEGV"), TELL_END };
	static const char text[] = "=CRASH REPORT==== 2001-09-09T01:46:40.123Z ====\n    node:           guards/auth\n    how:            signal:SEGV";
	struct record r = event(HAPPENS_CRASH, "ev=crash", t);
	const uint8_t *p;
	struct buf b;

	buf_init(&b, RENDER_MAX, NULL);
	cr_assert_eq(render_journal(&b, &r, LOG_AUTH), 0);
	p = buf_head(&b);
	cr_assert_eq(memcmp(p, "SUMMARY=ev=crash\nMESSAGE\n", 25), 0);
	cr_assert_eq(p[25] | p[26] << 8, (int)sizeof text - 1);
	cr_assert_eq(memcmp(p + 25 + 8, text, sizeof text - 1), 0);
	cr_assert_eq(p[25 + 8 + sizeof text - 1], '\n');
	cr_assert_not_null(strstr(text_of(&b) + 25 + 8, "\nNODE=guards/auth\nHOW=signal:SEGV\n"));
	buf_drop(&b);
}

Test(render, names_of_values_are_not_believed)
{
	static const struct tell t[] = { TELL_TEXT("a\"b\nC=d", "x"), TELL_END };
	struct record r = event(HAPPENS_LOGIN, "", t);
	struct buf b;

	buf_init(&b, RENDER_MAX, NULL);
	cr_assert_eq(render_journal(&b, &r, LOG_AUTH), 0);
	cr_assert_not_null(strstr(text_of(&b), "\nCOPPICE_A_B___D=x\n"));
	buf_drop(&b);
}

/* ---- the box -------------------------------------------------------------------------- */

Test(box, what_a_dead_process_did)
{
	int fd = memfd_create("box", 0);
	struct box_event e[32];
	uint8_t page[BOX_SIZE];
	struct record r;
	struct buf b;
	size_t n;

	cr_assert_eq(ftruncate(fd, 3 * BOX_SIZE), 0);
	box_enter(box_map(fd, 3), 3, 1);
	log_set_level(LOGL_ERROR);
	log_ev(LOGL_DEBUG, "below the level, user %s", "ada");
	log_private(LOGL_DEBUG, "what a peer sent");
	log_ev(LOGL_TRACE, "too much");
	for (int i = 0; i < 5; i++)
		log_note(NOTE_SSH_IN, 94, 100);
	log_note(NOTE_LINK_OUT, IPC_SPAWN, 60);
	box_leave(NULL, 0);
	log_ev(LOGL_ERROR, "after the end");
	cr_assert_eq(pread(fd, page, BOX_SIZE, BOX_SIZE), (ssize_t)BOX_SIZE);
	n = box_read(view_of(page, BOX_SIZE), e, 32);
	cr_assert_eq(n, 3);
	cr_assert_str_eq(e[0].text, "below the level, user ada");
	cr_assert(e[1].kind == NOTE_SSH_IN && e[1].number == 94 && e[1].count == 5 && e[1].bytes == 500);
	cr_assert(e[2].kind == NOTE_LINK_OUT && e[2].number == IPC_SPAWN && e[2].count == 1);
	r = event(HAPPENS_CRASH, "x", (struct tell[]){ TELL_END });
	r.box = view_of(page, BOX_SIZE);
	buf_init(&b, RENDER_MAX, NULL);
	cr_assert_eq(render_report(&b, &r), 0);
	cr_assert_not_null(strstr(text_of(&b), "ssh in   CHANNEL_DATA x5, 500 bytes\n"));
	buf_drop(&b);
	close(fd);
}

Test(box, more_than_fits_keeps_the_last)
{
	int fd = memfd_create("box", 0);
	struct box_event e[32];
	uint8_t page[BOX_SIZE];
	size_t n;

	cr_assert_eq(ftruncate(fd, BOX_SIZE), 0);
	box_enter(box_map(fd, 1), 1, 0);
	for (int i = 0; i < 1000; i++) {
		log_ev(LOGL_INFO, "line %d", i);
		log_note(NOTE_SSH_OUT, (unsigned)i % 7, 1);
	}
	box_leave(NULL, 0);
	cr_assert_eq(pread(fd, page, BOX_SIZE, 0), (ssize_t)BOX_SIZE);
	n = box_read(view_of(page, BOX_SIZE), e, 32);
	cr_assert_eq(n, 32);
	for (size_t i = 1; i < n; i++)
		cr_assert_gt(e[i].seq, e[i - 1].seq);
	cr_assert_str_eq(e[30].text, "line 999");
	close(fd);
}

/* The page of a process that somebody took over: any bytes at all. */
Test(box, a_page_full_of_lies)
{
	uint8_t page[BOX_SIZE];
	struct box_event e[32];
	struct record r = event(HAPPENS_CRASH, "x", (struct tell[]){ TELL_END });
	struct buf b;

	srandom(1);
	for (int round = 0; round < 300; round++) {
		uint32_t magic = BOX_MAGIC;

		for (size_t i = 0; i < sizeof page; i++)
			page[i] = (uint8_t)random();
		memcpy(page, &magic, sizeof magic);
		cr_assert_leq(box_read(view_of(page, sizeof page), e, 32), 32);
		r.box = view_of(page, sizeof page);
		buf_init(&b, RENDER_MAX, NULL);
		cr_assert_eq(render_json(&b, &r, 0, 1), 0);
		cr_assert_eq(memchr(buf_head(&b), '\n', buf_len(&b)), buf_head(&b) + buf_len(&b) - 1, "one line");
		for (size_t i = 0; i + 1 < buf_len(&b); i++)
			cr_assert(buf_head(&b)[i] >= 0x20 && buf_head(&b)[i] < 0x7f);
		buf_drop(&b);
	}
	cr_assert_eq(box_read(view_of(page, 100), e, 32), 0, "half a page");
}

/* ---- filters ------------------------------------------------------------------------------ */

Test(stream, filters)
{
	struct record r = event(HAPPENS_LOGIN, "x", (struct tell[]){ TELL_TEXT("user", "ada"), TELL_NUMBER("session", 7), TELL_END });

	cr_assert(stream_passes("", &r));
	cr_assert(stream_passes("login", &r));
	cr_assert(stream_passes("crash login", &r));
	cr_assert_not(stream_passes("crash", &r));
	cr_assert(stream_passes("user=ada", &r));
	cr_assert(stream_passes("login user=ada session=7", &r));
	cr_assert_not(stream_passes("login user=bob", &r));
	cr_assert_not(stream_passes("user=", &r));
	cr_assert(stream_passes("nosuch=", &r));
}

/* ---- kept reports ---------------------------------------------------------------------------- */

static char *folder(int *fd)
{
	static char path[64];

	strcpy(path, "/tmp/coppice-crashes.XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	*fd = open(path, O_RDONLY | O_DIRECTORY);
	return path;
}

static void clean(const char *path)
{
	char command[200];

	snprintf(command, sizeof command, "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

Test(crashes, at_most_so_many_and_so_many_bytes)
{
	struct record r = event(HAPPENS_CRASH, "ev=crash", (struct tell[]){ TELL_TEXT("node", "guards/auth"), TELL_END });
	struct crashes c;
	struct buf b;
	int fd;
	char *path = folder(&fd);
	int again = dup(fd);	/* as the supervisor has it */

	crashes_open(&c, fd, 3, 1 << 20);
	for (uint64_t i = 1; i <= 10; i++)
		cr_assert_eq(crashes_keep(&c, &r), i);
	cr_assert_eq(c.n, 3);
	cr_assert_eq(c.v[0].number, 8);
	cr_assert_lt(faccessat(fd, "crash-000007", F_OK, 0), 0);
	crashes_limit(&c, 100, c.v[1].size + c.v[2].size);
	cr_assert_eq(c.n, 2);
	buf_init(&b, STREAM_ANSWER_MAX, NULL);
	cr_assert_eq(crashes_list(&c, 0, &b), 0);
	cr_assert_str_eq(text_of(&b), "    10  2001-09-09T01:46:40.123Z  guards/auth\n     9  2001-09-09T01:46:40.123Z  guards/auth\n");
	buf_drop(&b);
	crashes_close(&c);
	/* the next reporter goes on from what is there, and takes only what it wrote itself */
	fd = again;
	close(openat(fd, "crash-000099x", O_CREAT | O_WRONLY, 0600));
	close(openat(fd, "crash-1", O_CREAT | O_WRONLY, 0600));
	cr_assert_eq(symlinkat("/etc/passwd", fd, "crash-000077"), 0);
	crashes_open(&c, fd, 3, 1 << 20);
	cr_assert_eq(c.n, 2);
	cr_assert_eq(crashes_keep(&c, &r), 11);
	buf_init(&b, STREAM_ANSWER_MAX, NULL);
	cr_assert_lt(crashes_show(&c, 77, 0, &b), 0);
	cr_assert_eq(crashes_show(&c, 11, 0, &b), 0);
	cr_assert_eq(memcmp(buf_head(&b), "=CRASH REPORT====", 17), 0);
	buf_drop(&b);
	crashes_close(&c);
	clean(path);
}

Test(crashes, two_reporters_for_a_moment)
{
	struct record r = event(HAPPENS_CRASH, "ev=crash", (struct tell[]){ TELL_TEXT("node", "guards/auth"), TELL_END });
	struct crashes old, new;
	struct buf b;
	int fd;
	char *path = folder(&fd);

	crashes_open(&old, fd, 10, 1 << 20);
	crashes_open(&new, dup(fd), 10, 1 << 20);
	cr_assert_eq(crashes_keep(&old, &r), 1);
	cr_assert_eq(crashes_keep(&old, &r), 2);
	cr_assert_eq(crashes_keep(&new, &r), 3, "it does not write over what its predecessor wrote");
	cr_assert_eq(crashes_keep(&old, &r), 4);
	buf_init(&b, STREAM_ANSWER_MAX, NULL);
	cr_assert_eq(crashes_list(&new, 0, &b), 0);
	cr_assert_not_null(strstr(text_of(&b), "     4  "));
	cr_assert_not_null(strstr(text_of(&b), "     1  "));
	buf_drop(&b);
	crashes_close(&old);
	crashes_close(&new);
	clean(path);
}

Test(crashes, none_are_kept)
{
	struct record r = event(HAPPENS_CRASH, "ev=crash", (struct tell[]){ TELL_END });
	struct crashes c;
	struct buf b;

	crashes_open(&c, -1, 10, 1 << 20);
	cr_assert_eq(crashes_keep(&c, &r), 0);
	buf_init(&b, 1000, NULL);
	cr_assert_eq(crashes_list(&c, 1, &b), 0);
	cr_assert_str_eq(text_of(&b), "[\n\n]\n");
	buf_drop(&b);
	crashes_close(&c);
}

/* ---- metrics --------------------------------------------------------------------------------- */

Test(metrics, samples_become_families)
{
	struct sink s = { .lines = 5 };
	struct crashes c = { .dir = -1 };
	struct buf samples, page;
	struct wr w;
	const char *text;

	buf_init(&samples, 4096, NULL);
	w = wr_to(&samples);
	row_number(&w, "sessions phase=login", 1);
	row_number(&w, "process_cpu_seconds role=auth", 1500);
	row_number(&w, "sessions phase=op\"en", 2);
	row_number(&w, "sessionsx phase=open", 3);
	row_number(&w, "evil\n# TYPE x", 4);
	row_number(&w, "restarts role=auth", 6);
	cr_assert_eq(wr_done(&w), 0);
	buf_init(&page, METRICS_MAX, NULL);
	cr_assert_eq(metrics_page(&page, 0, view_of(buf_head(&samples), buf_len(&samples)), &s, &c, 0), 0);
	text = text_of(&page);
	cr_assert_not_null(strstr(text, "# HELP coppice_sessions clients that are connected\n# TYPE coppice_sessions gauge\n"
	    "coppice_sessions{phase=\"login\"} 1\ncoppice_sessions{phase=\"op_en\"} 2\n# "));
	cr_assert_not_null(strstr(text, "# TYPE coppice_process_cpu_seconds_total counter\ncoppice_process_cpu_seconds_total{role=\"auth\"} 1.500\n"));
	cr_assert_not_null(strstr(text, "coppice_restarts_total{role=\"auth\"} 6\n"));
	cr_assert_not_null(strstr(text, "coppice_log_lines_total 5\n"));
	cr_assert_null(strstr(text, "evil"));
	cr_assert_null(strstr(text, "EOF"));
	buf_truncate(&page, 0);
	cr_assert_eq(metrics_page(&page, 1, view_of("", 0), &s, &c, 0), 0);
	text = text_of(&page);
	cr_assert_not_null(strstr(text, "# TYPE coppice_log_lines counter\ncoppice_log_lines_total 5\n"));
	cr_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	buf_drop(&page);
	buf_drop(&samples);
}
