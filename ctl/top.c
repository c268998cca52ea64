#include "ctl/top.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "ctl/ask.h"
#include "ctl/model.h"
#include "ctl/screen.h"
#include "ctl/view.h"
#include "ctl/words.h"
#include "ipc/clock.h"

#define DELAY_MS 1000
#define DELAY_LEAST_MS 100
#define NOTE_MS 6000		/* an answer stays this long */

enum act { ACT_NONE, ACT_KICK, ACT_MESSAGE, ACT_LEVEL, ACT_TERMINATE, ACT_RESTART, ACT_DELAY };

/* What a key asks before it acts. verb: looked up by name, for this coppicectl may not have it. */
static const struct deed { enum act act; int key; int nodes; int text; const char *verb, *question; } deeds[] = {
	{ ACT_KICK,      'k', 0, 0, "kick",            "Kick session %s?" },
	{ ACT_MESSAGE,   'm', 0, 1, "message",         "Message to session %s: " },
	{ ACT_LEVEL,     'l', 0, 1, "loglevel",        "Log level of session %s (or default): " },
	{ ACT_LEVEL,     'l', 1, 1, "loglevel",        "Log level of the daemon (or default): " },
	{ ACT_TERMINATE, 't', 1, 0, "terminate-child", "Terminate %s?" },
	{ ACT_RESTART,   'r', 1, 0, "restart-child",   "Restart %s?" },
	{ ACT_DELAY,     'd', 0, 1, NULL,              "Seconds between looks: " },
	{ ACT_DELAY,     'd', 1, 1, NULL,              "Seconds between looks: " },
};

struct top {
	const char *socket;
	int fd;				/* -1: no daemon now */
	struct model model;
	struct topview view;
	int delay_ms, json, once;
	long iterations;		/* 0: until somebody ends it */
	int over;
	uint64_t note_until;
	/* a question to the user */
	const struct deed *deed;	/* NULL: none */
	uint64_t target;
	char typed[200];
	size_t ntyped;
};

__attribute__((format(printf, 3, 4)))
static void note(struct top *t, int alert, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(t->view.note, sizeof t->view.note, format, ap);
	va_end(ap);
	t->view.alert = alert;
	t->note_until = clock_ms() + NOTE_MS;
}

/* ---- the daemon ----------------------------------------------------------------------------- */

static void hang_up(struct top *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* SSH_OK, or what went wrong: the daemon may be there again at the next look. */
static int question(struct top *t, const char *verb, const char *text, struct answer *a)
{
	const struct verb *v = verb_find(verb);
	int r;

	memset(a, 0, sizeof *a);
	a->stream = -1;
	if (v == NULL || v->number == 0) {
		snprintf(a->text, sizeof a->text, "this coppicectl does not know %s", verb);
		a->status = 1;
		return SSH_OK;
	}
	if (t->fd < 0 && (t->fd = ask_dial(t->socket)) < 0)
		return SSH_E_GONE;
	if ((r = ask(t->fd, v, text, NULL, a)) < 0)
		hang_up(t);
	return r;
}

/* One look at everything that is shown. */
static int look(struct top *t)
{
	struct answer a;
	int r;

	if ((r = question(t, "who", "-v", &a)) == SSH_OK)
		r = model_take(&t->model, &a.rows, clock_ms());
	ask_drop(&a);
	if (r == SSH_OK && (r = question(t, "status", "", &a)) == SSH_OK)
		model_take_status(&t->model, &a.rows);
	if (r == SSH_OK)
		ask_drop(&a);
	if (r == SSH_OK && t->view.nodes) {
		if ((r = question(t, "tree", "", &a)) == SSH_OK)
			r = model_take_tree(&t->model, &a.tree);
		ask_drop(&a);
	}
	return r < 0 ? r : view_arrange(&t->view, &t->model);
}

static void look_again(struct top *t)
{
	int r = look(t);

	if (r < 0)
		note(t, 1, "%s: %s", t->socket, r == SSH_E_GONE ? "no daemon answers" : err_text(r));
	else if (t->view.note[0] != '\0' && t->deed == NULL && clock_ms() > t->note_until)
		note(t, 0, "%s", "");
}

/* ---- deeds ---------------------------------------------------------------------------------- */

static const char *target_name(const struct top *t, char *out, size_t size)
{
	const struct model_session *s = model_session(&t->model, t->target);

	snprintf(out, size, "%" PRIu64, t->target);
	if (!t->view.nodes && s != NULL)
		snprintf(out, size, "%" PRIu64 " of %s", t->target, s->user[0] != '\0' ? s->user : "nobody yet");
	for (size_t i = 0; t->view.nodes && i < t->model.tree.n; i++)
		if (t->model.tree.v[i].node == t->target)
			snprintf(out, size, "%s", t->model.tree.v[i].name);
	return out;
}

static void carry_out(struct top *t)
{
	const struct deed *d = t->deed;
	char text[300], name[160];
	struct answer a;
	int r;

	t->deed = NULL;
	if (d->act == ACT_DELAY) {
		t->delay_ms = (int)(strtod(t->typed, NULL) * 1000);
		if (t->delay_ms < DELAY_LEAST_MS || t->delay_ms > 3600000)
			t->delay_ms = DELAY_MS;
		note(t, 0, "a look every %d ms", t->delay_ms);
		return;
	}
	if (d->act == ACT_LEVEL && d->nodes)
		snprintf(text, sizeof text, "%s", t->typed);
	else
		snprintf(text, sizeof text, "%" PRIu64 "%s%s", t->target, d->text ? " " : "", d->text ? t->typed : "");
	r = question(t, d->verb, text, &a);
	target_name(t, name, sizeof name);
	if (r < 0)
		note(t, 1, "%s: %s", d->verb, err_text(r));
	else if (a.status != 0)
		note(t, 1, "%s", a.text);
	else
		note(t, 0, "%s %s: %s", d->verb, d->act == ACT_LEVEL && d->nodes ? "" : name, a.text[0] != '\0' ? a.text : "done");
	ask_drop(&a);
	look(t);
}

static void show_question(struct top *t)
{
	char name[160], text[600], *hash;
	const char *q = t->deed->question;

	target_name(t, name, sizeof name);
	hash = strstr(q, "%s");
	snprintf(text, sizeof text, "%.*s%s%s%s%s", hash != NULL ? (int)(hash - q) : (int)strlen(q), q,
	    hash != NULL ? name : "", hash != NULL ? hash + 2 : "", t->deed->text ? "" : " (y or n) ", t->deed->text ? t->typed : "");
	snprintf(t->view.note, sizeof t->view.note, "%.*s", (int)sizeof t->view.note - 1, text);
	t->view.alert = !t->deed->text;
}

static void begin_question(struct top *t, int key)
{
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
		const struct deed *d = &deeds[i];

		if (d->key != key || d->nodes != t->view.nodes)
			continue;
		if (t->view.selected == 0 && d->act != ACT_DELAY && !(d->act == ACT_LEVEL && d->nodes))
			return;
		if (d->verb != NULL && verb_find(d->verb) == NULL) {
			note(t, 1, "this coppicectl does not know %s", d->verb);
			return;
		}
		t->deed = d;
		t->target = t->view.selected;
		t->ntyped = 0;
		t->typed[0] = '\0';
		return;
	}
}

/* A key while a question stands. */
static void answer_key(struct top *t, int key)
{
	if (key == 27 || key == 7 || (!t->deed->text && key != 'y' && key != 'Y' && key < 0x10000) ||
	    (t->deed->text && key == '\r' && t->ntyped == 0)) {
		t->deed = NULL;
		note(t, 0, "nothing done");
	} else if (!t->deed->text) {
		if (key < 0x10000)
			carry_out(t);
	} else if (key == '\r' || key == '\n') {
		carry_out(t);
	} else if (key == KEY_RUB) {
		while (t->ntyped > 0 && ((unsigned char)t->typed[--t->ntyped] & 0xc0) == 0x80)
			;
		t->typed[t->ntyped] = '\0';
	} else if (key >= 0x20 && key < 256 && key != 0x7f && t->ntyped + 1 < sizeof t->typed) {
		t->typed[t->ntyped++] = (char)key;
		t->typed[t->ntyped] = '\0';
	}
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void next_sort(struct top *t, int by)
{
	t->view.sort = (enum view_sort)(((int)t->view.sort + SORT_COUNT + by) % SORT_COUNT);
	note(t, 0, "sorted by %s", view_sort_name(t->view.sort));
	view_arrange(&t->view, &t->model);
}

static void on_key(struct top *t, int key)
{
	long page = (long)view_rows(screen_height());

	if (t->deed != NULL) {
		answer_key(t, key);
		return;
	}
	if (t->view.help) {
		t->view.help = 0;
		return;
	}
	switch (key) {
	case 'q': case 3:    t->over = 1; break;
	case 'h': case '?':  t->view.help = 1; break;
	case KEY_GO_UP:   case 16: view_move(&t->view, &t->model, -1, (size_t)page); break;
	case KEY_GO_DOWN: case 14: view_move(&t->view, &t->model, 1, (size_t)page); break;
	case KEY_PAGE_UP:    view_move(&t->view, &t->model, -page, (size_t)page); break;
	case KEY_PAGE_DOWN:  view_move(&t->view, &t->model, page, (size_t)page); break;
	case KEY_FIRST:      view_move(&t->view, &t->model, -(long)t->view.n, (size_t)page); break;
	case KEY_LAST:       view_move(&t->view, &t->model, (long)t->view.n, (size_t)page); break;
	case '<':            next_sort(t, -1); break;
	case '>':            next_sort(t, 1); break;
	case ' ':            t->view.paused = !t->view.paused; break;
	case 12:             screen_resize(); break;
	case 'R':
		t->view.reverse = !t->view.reverse;
		view_arrange(&t->view, &t->model);
		break;
	case 'v': case '\t':
		t->view.nodes = !t->view.nodes;
		t->view.first = 0;
		t->view.selected = 0;
		look_again(t);
		view_move(&t->view, &t->model, 0, (size_t)page);
		break;
	default:
		begin_question(t, key);
	}
}

/* ---- live ----------------------------------------------------------------------------------- */

static void draw(struct top *t)
{
	if (t->deed != NULL)
		show_question(t);
	screen_begin();
	view_move(&t->view, &t->model, 0, view_rows(screen_height()));
	view_draw(&t->view, &t->model, screen_width(), screen_height(), screen_put, NULL);
	if (t->deed != NULL)
		screen_cursor(2, words_width(t->view.note));
	screen_end();
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < 6; i++)
		sigaddset(&set, (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP }[i]);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static void on_signal(struct top *t, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGWINCH) {
			screen_resize();
		} else if (si.ssi_signo == SIGTSTP) {
			screen_leave();
			kill(getpid(), SIGSTOP);
			screen_return();
		} else {
			t->over = 1;
		}
	}
}

/* Until a key, a signal or the next look. */
static void wait_and_serve(struct top *t, int signals, uint64_t next)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	uint64_t now = clock_ms();
	int key;

	if (poll(p, 2, next > now ? (int)(next - now) : 0) < 0 && errno != EINTR) {
		t->over = 1;
		return;
	}
	on_signal(t, signals);
	while (!t->over && (key = screen_key()) != KEY_NOTHING)
		on_key(t, key);
	if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		t->over = 1;	/* the terminal is gone */
}

static int live(struct top *t)
{
	int signals = watch_signals();
	const char *why = screen_open();
	uint64_t next;
	long looks = 0;

	if (why != NULL || signals < 0) {
		fprintf(stderr, "coppicectl: top: %s; try top --once\n", why != NULL ? why : strerror(errno));
		return EXIT_USAGE;
	}
	atexit(screen_close);
	next = clock_ms();
	while (!t->over) {
		if (clock_ms() >= next) {
			if (!t->view.paused)
				look_again(t);
			if (t->iterations > 0 && looks++ == t->iterations)
				break;
			next = clock_ms() + (uint64_t)t->delay_ms;
		}
		draw(t);
		wait_and_serve(t, signals, next);
	}
	screen_close();
	close(signals);
	return 0;
}

/* ---- as text -------------------------------------------------------------------------------- */

static void put_line(void *ctx, size_t y, enum view_look look_, const char *text)
{
	(void)y, (void)look_;
	fprintf(ctx, "%s\n", text);
}

static int wait_a_look(const struct top *t)
{
	struct timespec ts = { t->delay_ms / 1000, t->delay_ms % 1000 * 1000000L };

	return nanosleep(&ts, NULL);
}

/* Rates need two looks: the first one is not shown. */
static int as_text(struct top *t)
{
	int r = look(t);

	for (long i = 0; r == SSH_OK && (t->iterations == 0 || i < t->iterations); i++) {
		wait_a_look(t);
		if ((r = look(t)) < 0)
			break;
		if (t->json)
			model_json(&t->model, (int64_t)time(NULL), stdout);
		else
			view_draw(&t->view, &t->model, 1000, 0, put_line, stdout);
		if (!t->json && (t->iterations == 0 || i + 1 < t->iterations))
			putchar('\n');
		if (fflush(stdout) != 0)
			return EXIT_REFUSED;
	}
	if (r < 0)
		fprintf(stderr, "coppicectl: %s: %s\n", t->socket, r == SSH_E_GONE ? "no daemon answers" : err_text(r));
	return r < 0 ? EXIT_NO_DAEMON : 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(void)
{
	fputs("usage: coppicectl [-s SOCKET] [--json] top [-d SECONDS] [-n LOOKS] [--once] [--tree]\n", stderr);
	return EXIT_USAGE;
}

/* The number behind argv[*i]; 0 when there is none. */
static double number_behind(int argc, char **argv, int *i)
{
	char *end;
	double v;

	if (*i + 1 >= argc)
		return 0;
	v = strtod(argv[++*i], &end);
	return *end == '\0' && v > 0 && v < 1e6 ? v : 0;
}

static int read_line(struct top *t, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		double v;

		if (strcmp(argv[i], "--once") == 0) {
			t->once = 1;
		} else if (strcmp(argv[i], "--tree") == 0) {
			t->view.nodes = 1;
		} else if (strcmp(argv[i], "-d") == 0 && (v = number_behind(argc, argv, &i)) > 0) {
			t->delay_ms = v * 1000 < DELAY_LEAST_MS ? DELAY_LEAST_MS : (int)(v * 1000);
		} else if (strcmp(argv[i], "-n") == 0 && (v = number_behind(argc, argv, &i)) >= 1) {
			t->iterations = (long)v;
		} else {
			return SSH_E_FORMAT;
		}
	}
	if (t->once && t->iterations == 0)
		t->iterations = 1;
	return SSH_OK;
}

int top_main(const char *socket, int json, int argc, char **argv)
{
	struct top t = { .socket = socket, .fd = -1, .delay_ms = DELAY_MS, .json = json };
	int status;

	model_init(&t.model, "/proc");
	view_init(&t.view, words_utf8());
	if (read_line(&t, argc, argv) < 0)
		status = usage();
	else if (t.once || json || !isatty(STDOUT_FILENO))
		status = as_text(&t);
	else
		status = live(&t);
	hang_up(&t);
	view_drop(&t.view);
	model_drop(&t.model);
	return status;
}
