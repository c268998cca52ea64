#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ctl/model.h"
#include "ctl/procs.h"
#include "ctl/view.h"
#include "ctl/words.h"

/* ---- a /proc of our own ------------------------------------------------------------------- */

static char proc[] = "/tmp/coppice-proc.XXXXXX";

static void put(int pid, const char *file, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%d", proc, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/%d/%s", proc, pid, file);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void process(int pid, int parent, unsigned ticks, unsigned pages)
{
	char text[300];

	snprintf(text, sizeof text, "%d (a) (b) R %d 1 1 0 -1 4194304 100 0 0 0 %u %u 0 0 20 0 1 0 100 1000 50\n", pid, parent, ticks - ticks / 2,
	    ticks / 2);
	put(pid, "stat", text);
	snprintf(text, sizeof text, "1000 %u 10 1 0 100 0\n", pages + 10);
	put(pid, "statm", text);
}

static void up(void)
{
	cr_assert_not_null(mkdtemp(proc));
}

static void down(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -r %s", proc);
	cr_assert_eq(system(command), 0);
}

TestSuite(top, .init = up, .fini = down);

/* ---- a daemon's answer ---------------------------------------------------------------------- */

static void session(struct ctl_rows *rows, int64_t id, const char *user, int pid, int64_t in, int64_t out, int64_t idle)
{
	struct ipc_CTL_ROW m = { .kind = view_str("session") };
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_number(&w, "session", id);
	row_text(&w, "user", user);
	row_text(&w, "from", "192.0.2.7");
	row_text(&w, "what", "shell");
	row_text(&w, "tty", "pts/3");
	row_number(&w, "pid", pid);
	row_number(&w, "rtt_us", 1250);
	row_number(&w, "idle_ms", idle);
	row_number(&w, "in_bytes", in);
	row_number(&w, "out_bytes", out);
	m.fields = view_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(ctl_rows_add(rows, &m), SSH_OK);
	buf_drop(&b);
}

static void channel(struct ctl_rows *rows, int64_t id, int pid, int64_t in, int64_t out)
{
	struct ipc_CTL_ROW m = { .kind = view_str("channel") };
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_number(&w, "session", id);
	row_number(&w, "pid", pid);
	row_number(&w, "window_in_bytes", in);
	row_number(&w, "window_out_bytes", out);
	m.fields = view_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(ctl_rows_add(rows, &m), SSH_OK);
	buf_drop(&b);
}

/* Two looks, one second apart: ada is busy, li is not. */
static void two_looks(struct model *m)
{
	unsigned hz = (unsigned)sysconf(_SC_CLK_TCK);
	struct ctl_rows rows = { 0 };

	model_init(m, proc);
	process(100, 1, 10, 100);	/* ada's connection, her shell, its child */
	process(101, 1, 10, 100);
	process(102, 101, 10, 100);
	process(200, 1, 5, 50);
	process(300, 1, 999, 999);	/* nobody's */
	session(&rows, 12, "ada", 100, 1000, 2000, 0);
	channel(&rows, 12, 101, 4096, 1 << 20);
	channel(&rows, 12, 0, 8192, 0);
	session(&rows, 15, "li", 200, 0, 0, 3600000);
	cr_assert_eq(model_take(m, &rows, 5000), SSH_OK);
	cr_assert_lt(m->v[0].in_rate, 0);
	ctl_rows_free(&rows);
	process(102, 101, 10 + hz / 2, 100);
	session(&rows, 12, "ada", 100, 1000 + 1024, 2000 + 10 * 1024 * 1024, 0);
	channel(&rows, 12, 101, 4096, 1 << 20);
	channel(&rows, 12, 0, 8192, 0);
	session(&rows, 15, "li", 200, 0, 0, 3601000);
	cr_assert_eq(model_take(m, &rows, 6000), SSH_OK);
	ctl_rows_free(&rows);
}

Test(top, rates_memory_and_processors_of_a_session)
{
	struct model m;

	two_looks(&m);
	cr_assert_eq(m.n, 2);
	cr_assert_float_eq(m.v[0].in_rate, 1024, 1);
	cr_assert_float_eq(m.v[0].out_rate, 10 * 1024 * 1024, 1);
	cr_assert_float_eq(m.in_rate, 1024, 1);
	cr_assert_float_eq(m.v[0].cpu, 50, 1);
	cr_assert_eq(m.v[0].memory_kib, 300 * (uint64_t)sysconf(_SC_PAGESIZE) / 1024);
	cr_assert_eq(m.v[1].memory_kib, 50 * (uint64_t)sysconf(_SC_PAGESIZE) / 1024);
	cr_assert_eq(m.v[0].window_in, 4096);
	cr_assert_eq(m.v[0].window_out, 0);
	cr_assert_eq(m.v[1].window_in, -1);
	model_drop(&m);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static char page[20000];
static size_t page_width, page_lines;
static size_t chosen;

static void put_line(void *ctx, size_t y, enum view_look look, const char *text)
{
	size_t n = strlen(page);

	if (words_width(text) > page_width)
		page_width = words_width(text);
	if (look == LOOK_SELECTED)
		chosen = y;
	page_lines = y + 1;
	snprintf(page + n, sizeof page - n, "%zu|%s\n", y, text);
}

static void draw(const struct topview *v, const struct model *m, size_t width, size_t height)
{
	page[0] = '\0';
	page_width = page_lines = chosen = 0;
	view_draw(v, m, width, height, put_line, NULL);
}

Test(top, the_page_fits_80_by_24)
{
	struct topview v;
	struct model m;

	two_looks(&m);
	view_init(&v, 1);
	cr_assert_eq(view_arrange(&v, &m), SSH_OK);
	draw(&v, &m, 80, 24);
	cr_assert_leq(page_width, 80);
	cr_assert_eq(page_lines, 24);
	cr_assert_eq(chosen, 4);
	cr_assert_not_null(strstr(page, "4|    12 ada       192.0.2.7           0s  1.0K   10M 1.25ms 4.0K    0  1.2M 50.0\n"), "%s", page);
	cr_assert_not_null(strstr(page, "5|    15 li        192.0.2.7         1h0m     0     0 1.25ms    -    -  200K  0.0\n"), "%s", page);
	draw(&v, &m, 120, 24);
	cr_assert_not_null(strstr(page, " 50.0 shell pts/3\n"), "%s", page);
	for (size_t w = 1; w < 90; w += 7)
		for (size_t h = 1; h < 12; h++) {
			draw(&v, &m, w, h);
			cr_assert_leq(page_width, w);
		}
	view_drop(&v);
	model_drop(&m);
}

Test(top, the_selection_stays_with_its_session)
{
	struct topview v;
	struct model m;

	two_looks(&m);
	view_init(&v, 1);
	view_arrange(&v, &m);
	view_move(&v, &m, 1, 10);
	cr_assert_eq(v.selected, 15);
	v.sort = SORT_IDLE;
	v.reverse = 1;
	view_arrange(&v, &m);
	cr_assert_eq(v.selected, 15);
	draw(&v, &m, 80, 24);
	cr_assert_eq(chosen, 4, "li is idle for longer: first");
	view_move(&v, &m, 100, 10);
	cr_assert_eq(v.selected, 12);
	view_move(&v, &m, -100, 10);
	cr_assert_eq(v.selected, 15);
	m.n = 1;	/* li has gone */
	view_arrange(&v, &m);
	cr_assert_eq(v.selected, 12);
	m.n = 0;
	view_arrange(&v, &m);
	cr_assert_eq(v.selected, 0);
	view_move(&v, &m, 1, 10);
	draw(&v, &m, 80, 24);
	view_drop(&v);
	model_drop(&m);
}

Test(top, rows_scroll)
{
	struct ctl_rows rows = { 0 };
	struct topview v;
	struct model m;

	model_init(&m, proc);
	for (int i = 1; i <= 100; i++)
		session(&rows, i, "u", 0, 0, 0, 0);
	cr_assert_eq(model_take(&m, &rows, 1), SSH_OK);
	ctl_rows_free(&rows);
	view_init(&v, 1);
	view_arrange(&v, &m);
	view_move(&v, &m, 0, view_rows(24));
	for (int i = 0; i < 50; i++)
		view_move(&v, &m, 1, view_rows(24));
	cr_assert_eq(v.selected, 51);
	draw(&v, &m, 80, 24);
	cr_assert_eq(chosen, 4 + view_rows(24) - 1);
	cr_assert_eq(page_lines, 24);
	view_move(&v, &m, 1000, view_rows(24));
	cr_assert_eq(v.first, 100 - view_rows(24));
	draw(&v, &m, 80, 0);
	cr_assert_not_null(strstr(page, "   100 u"));
	view_drop(&v);
	model_drop(&m);
}

/* ---- /proc ---------------------------------------------------------------------------------- */

Test(top, a_process_may_be_called_anything)
{
	struct procs_one p;

	cr_assert_eq(procs_parse("7 (x) R 9 (y) S 3 7 7 0 -1 4194304 1 2 3 4 11 22 0 0 20", &p), SSH_OK);
	cr_assert(p.pid == 7 && p.parent == 3 && p.ticks == 33);
	cr_assert_str_eq(p.name, "x) R 9 (y");
	cr_assert_eq(procs_parse("", &p), SSH_E_FORMAT);
	cr_assert_eq(procs_parse("7 x", &p), SSH_E_FORMAT);
	cr_assert_eq(procs_parse(")( 7", &p), SSH_E_FORMAT);
	cr_assert_eq(procs_parse("7 (x) S 3", &p), SSH_E_FORMAT);
}

Test(top, a_ring_of_parents_ends)
{
	struct procs p = { 0 };

	process(10, 11, 1, 1);
	process(11, 10, 1, 1);
	table_init(&p.at);
	cr_assert_eq(procs_read(&p, proc), SSH_OK);
	cr_assert_eq(procs_owner(&p, 0), 0);
	procs_own(&p, 11, 5);
	cr_assert(procs_owner(&p, 0) == 5 && procs_owner(&p, 1) == 5);
	cr_assert_eq(procs_read(&p, "/nonexistent"), SSH_E_SYS);
	procs_drop(&p);
}
