#include "ctl/view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/words.h"

#define LINE_MAX_BYTES 1024u
#define TOP_LINES 4		/* two of the daemon, the note, the titles */

static const char *const sorts[SORT_COUNT] = { "session", "user", "idle", "in", "out", "rtt", "memory", "cpu" };

const char *view_sort_name(enum view_sort s)
{
	return (unsigned)s < SORT_COUNT ? sorts[s] : "";
}

void view_init(struct topview *v, int utf8)
{
	memset(v, 0, sizeof *v);
	v->utf8 = utf8;
}

void view_drop(struct topview *v)
{
	free(v->order);
	memset(v, 0, sizeof *v);
}

/* ---- order and selection -------------------------------------------------------------------- */

static int sign(double a, double b)
{
	return (a > b) - (a < b);
}

/* What is busy or large comes first; names and numbers in their own order. */
static int compare(const struct model_session *a, const struct model_session *b, enum view_sort by)
{
	switch (by) {
	case SORT_USER:   return strcmp(a->user, b->user);
	case SORT_IDLE:   return sign((double)a->idle_ms, (double)b->idle_ms);
	case SORT_IN:     return sign(b->in_rate, a->in_rate);
	case SORT_OUT:    return sign(b->out_rate, a->out_rate);
	case SORT_RTT:    return sign((double)b->rtt_us, (double)a->rtt_us);
	case SORT_MEMORY: return sign((double)b->memory_kib, (double)a->memory_kib);
	case SORT_CPU:    return sign(b->cpu, a->cpu);
	case SORT_SESSION: case SORT_COUNT: break;
	}
	return 0;
}

struct sorting { const struct model *m; const struct topview *v; };

static int by_column(const void *x, const void *y, void *ctx)
{
	const struct sorting *s = ctx;
	const struct model_session *a = &s->m->v[*(const size_t *)x], *b = &s->m->v[*(const size_t *)y];
	int r = compare(a, b, s->v->sort);

	if (r == 0)
		r = (a->id > b->id) - (a->id < b->id);
	return s->v->reverse ? -r : r;
}

static uint64_t id_at(const struct topview *v, const struct model *m, size_t i)
{
	return v->nodes ? m->tree.v[v->order[i]].node : m->v[v->order[i]].id;
}

static size_t place_of(const struct topview *v, const struct model *m, uint64_t id)
{
	for (size_t i = 0; i < v->n; i++)
		if (id_at(v, m, i) == id)
			return i;
	return v->n;
}

int view_arrange(struct topview *v, const struct model *m)
{
	size_t n = v->nodes ? m->tree.n : m->n, *order = calloc(n + 1, sizeof *order);
	struct sorting s = { m, v };

	if (order == NULL)
		return SSH_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	free(v->order);
	v->order = order;
	v->n = n;
	if (!v->nodes)
		qsort_r(order, n, sizeof *order, by_column, &s);
	if (n == 0)
		v->selected = 0;
	else if (place_of(v, m, v->selected) == n)
		v->selected = id_at(v, m, 0);
	return SSH_OK;
}

void view_move(struct topview *v, const struct model *m, long by, size_t rows)
{
	long at, last = (long)v->n - 1;

	if (v->n == 0)
		return;
	at = (long)place_of(v, m, v->selected) + by;
	at = at < 0 ? 0 : at > last ? last : at;
	v->selected = id_at(v, m, (size_t)at);
	if ((size_t)at < v->first)
		v->first = (size_t)at;
	else if (rows > 0 && (size_t)at >= v->first + rows)
		v->first = (size_t)at - rows + 1;
	if (rows > 0 && v->first + rows > v->n)
		v->first = v->n > rows ? v->n - rows : 0;
}

size_t view_rows(size_t height)
{
	return height > TOP_LINES + 1 ? height - TOP_LINES - 1 : 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

struct page {
	const struct topview *v;
	const struct model *m;
	size_t width, y;
	void (*put)(void *ctx, size_t y, enum view_look, const char *text);
	void *ctx;
};

__attribute__((format(printf, 3, 4)))
static void line(struct page *p, enum view_look look, const char *format, ...)
{
	char text[LINE_MAX_BYTES], clean[LINE_MAX_BYTES * 4];
	va_list ap;
	size_t n;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	words_clean(clean, sizeof clean, text, p->v->utf8);
	n = words_fit(clean, p->width);
	while (n > 0 && clean[n - 1] == ' ')
		n--;
	clean[n] = '\0';
	p->put(p->ctx, p->y++, look, clean);
}

/* A cell of width places: cut, with a + as its last place, or filled. */
static const char *cell(char out[LINE_MAX_BYTES], const char *text, size_t width, int right)
{
	char clean[LINE_MAX_BYTES / 2];
	size_t have, at = 0;

	words_clean(clean, sizeof clean, text, 1);
	have = words_width(clean);
	if (have > width) {
		clean[words_fit(clean, width - 1)] = '\0';
		snprintf(out, LINE_MAX_BYTES, "%s+", clean);
		return out;
	}
	for (; right && at < width - have; at++)
		out[at] = ' ';
	memcpy(out + at, clean, strlen(clean) + 1);
	at += strlen(clean);
	for (size_t i = have; !right && i < width && at + 1 < LINE_MAX_BYTES; i++)
		out[at++] = ' ';
	if (!right)
		out[at] = '\0';
	return out;
}

static const char *size_word(char out[WORDS_MAX], double v)
{
	return v < 0 ? strcpy(out, "-") : words_size(out, (int64_t)v);
}

static void put_head(struct page *p)
{
	static const struct ctl_row none = { 0 };
	const struct ctl_row *s = p->m->status.n > 0 ? &p->m->status.v[0] : &none;
	char up[WORDS_MAX], in[WORDS_MAX], out[WORDS_MAX];

	line(p, LOOK_PLAIN, "coppiced %s  %s  pid %" PRId64 "  up %s  configuration %" PRId64 "%s", ctl_text(s, "version"),
	    ctl_text(s, "state"), ctl_number(s, "pid"), words_duration(up, ctl_number(s, "up_ms")), ctl_number(s, "generation"),
	    p->v->paused ? "  [paused]" : "");
	line(p, LOOK_PLAIN, "sessions %" PRId64 " (%" PRId64 " logging in)  in %s/s  out %s/s  restarts %" PRId64
	    "  not up %" PRId64 "  fds %" PRId64, ctl_number(s, "sessions"), ctl_number(s, "authenticating"),
	    size_word(in, p->m->in_rate), size_word(out, p->m->out_rate), ctl_number(s, "restarts"), ctl_number(s, "not_up"),
	    ctl_number(s, "descriptors"));
}

static void put_session_titles(struct page *p)
{
	static const struct { const char *title; enum view_sort sort; int width; } columns[] = {
		{ "SESS", SORT_SESSION, 6 }, { "USER", SORT_USER, -9 }, { "FROM", SORT_COUNT, -15 }, { "IDLE", SORT_IDLE, 6 },
		{ "IN/s", SORT_IN, 5 }, { "OUT/s", SORT_OUT, 5 }, { "RTT", SORT_RTT, 6 }, { "WIN", SORT_COUNT, 4 },
		{ "ROOM", SORT_COUNT, 4 }, { "MEM", SORT_MEMORY, 5 }, { "CPU%", SORT_CPU, 4 }, { "WHAT", SORT_COUNT, -4 },
	};
	char text[LINE_MAX_BYTES] = "";
	size_t n = 0;

	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
		int sorted = columns[i].sort == p->v->sort, w = columns[i].width;
		char title[12];

		/* The sorted column is known without colour, too. */
		snprintf(title, sizeof title, "%s%s", columns[i].title, sorted ? p->v->reverse ? "^" : "*" : "");
		if (sorted && strlen(title) > (size_t)(w < 0 ? -w : w))
			snprintf(title, sizeof title, "*%.*s", (w < 0 ? -w : w) - 1, columns[i].title);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%*s", i > 0 ? " " : "", w, title);
	}
	line(p, LOOK_TITLE, "%s", text);
}

static void put_session(struct page *p, const struct model_session *s, enum view_look look)
{
	char user[LINE_MAX_BYTES], from[LINE_MAX_BYTES], idle[WORDS_MAX], in[WORDS_MAX], out[WORDS_MAX], rtt[WORDS_MAX],
	    win[WORDS_MAX], room[WORDS_MAX], memory[WORDS_MAX], cpu[16];
	const char *what = s->what[0] != '\0' ? s->what : s->state;

	if (s->cpu < 0)
		snprintf(cpu, sizeof cpu, "-");
	else
		snprintf(cpu, sizeof cpu, s->cpu < 99.95 ? "%.1f" : "%.0f", s->cpu);
	line(p, look, "%6" PRIu64 " %s %s %6s %5s %5s %6s %4s %4s %5s %4s %s%s%s", s->id, cell(user, s->user[0] != '\0' ? s->user : "-", 9, 0),
	    cell(from, s->from[0] != '\0' ? s->from : "-", 15, 0), s->idle_ms < 1000 ? "0s" : words_duration(idle, s->idle_ms),
	    size_word(in, s->in_rate), size_word(out, s->out_rate), s->rtt_us < 0 ? "-" : words_micros(rtt, s->rtt_us),
	    size_word(win, (double)s->window_in), size_word(room, (double)s->window_out),
	    words_size(memory, (int64_t)s->memory_kib * 1024), cpu, what, s->tty[0] != '\0' ? " " : "", s->tty);
}

static void put_node(struct page *p, size_t i, enum view_look look)
{
	const struct ctl_node *n = &p->m->tree.v[i];
	char *label = NULL, name[LINE_MAX_BYTES], up[WORDS_MAX], memory[WORDS_MAX], cpu[16] = "", pid[16] = "";
	struct ctl_tree t = p->m->tree;
	size_t size;
	FILE *f = open_memstream(&label, &size);

	if (f == NULL)
		return;
	t.ascii = !p->v->utf8;
	ctl_tree_label(&t, i, f);
	fclose(f);
	if (n->pid > 0)
		snprintf(pid, sizeof pid, "%u", n->pid);
	if (p->m->nodes != NULL && p->m->nodes[i].cpu >= 0)
		snprintf(cpu, sizeof cpu, "%.1f", p->m->nodes[i].cpu);
	line(p, look, "%s %7s %-8s %6s %5u %5s %5s %s", cell(name, label, 32, 0), pid, ctl_tree_state(n),
	    n->up_ms < 1000 ? "0s" : words_duration(up, (int64_t)n->up_ms), n->restarts,
	    p->m->nodes != NULL && p->m->nodes[i].memory_kib > 0 ? words_size(memory, (int64_t)p->m->nodes[i].memory_kib * 1024) : "",
	    cpu, n->last_exit);
	free(label);
}

static void put_help(struct page *p)
{
	static const char *const text[] = {
		"up down pgup pgdn home end   choose a row          v   sessions or the tree",
		"< >   sort by the column to the left, right        R   reverse the order",
		"space   pause, go on                               d   seconds between looks",
		"l   log level: of the session, of the daemon in the tree",
		"k   kick the session                               m   message to its terminals",
		"t   terminate the node (in the tree)               r   restart it",
		"q   leave                                          h ? this page, any key back",
		"",
		"WIN: what the client may still send; ROOM: what it still takes; 0 means somebody",
		"waits. MEM, CPU: of the connection and all its programs.",
	};

	for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
		line(p, LOOK_PLAIN, "%s", text[i]);
}

void view_draw(const struct topview *v, const struct model *m, size_t width, size_t height,
    void (*put)(void *ctx, size_t y, enum view_look, const char *text), void *ctx)
{
	struct page p = { v, m, width, 0, put, ctx };
	size_t rows = height > 0 ? view_rows(height) : v->n;

	put_head(&p);
	line(&p, v->alert ? LOOK_ALERT : LOOK_PLAIN, "%s", v->note);
	if (v->help) {
		put_help(&p);
	} else {
		if (v->nodes)
			line(&p, LOOK_TITLE, "%-32s %7s %-8s %6s %5s %5s %5s %s", "NODE", "PID", "STATE", "UP", "RESTS", "MEM", "CPU%", "LAST EXIT");
		else
			put_session_titles(&p);
		for (size_t i = v->first; i < v->n && i < v->first + rows; i++) {
			enum view_look look = height > 0 && id_at(v, m, i) == v->selected ? LOOK_SELECTED : LOOK_PLAIN;

			if (v->nodes)
				put_node(&p, v->order[i], look);
			else
				put_session(&p, &m->v[v->order[i]], look);
		}
	}
	if (height > p.y) {
		p.y = height - 1;
		line(&p, LOOK_TITLE, "%s", v->nodes ? "q quit  h help  v sessions  t terminate  r restart  l log level  space pause"
		    : "q quit  h help  v tree  < > sort  k kick  m message  l log level  space pause");
	}
}
