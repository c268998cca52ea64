/* coppicectl - shows and steers a running coppiced, over its control socket; see coppicectl(1). */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/top.h"
#include "ctl/words.h"
#include "ipc/values.h"

#define TEXT_MAX 1001	/* CTL_REQUEST.text */

static void usage_line(FILE *f, const struct verb *v)
{
	fprintf(f, "  %s%s%-*s %s\n", v->name, v->arguments[0] != '\0' ? " " : "", 36 - (int)strlen(v->name) - (v->arguments[0] != '\0'),
	    v->arguments, v->meaning);
}

static int usage(FILE *f)
{
	fputs("usage: coppicectl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n", f);
	for (unsigned i = 0; verb_at(i) != NULL; i++)
		usage_line(f, verb_at(i));
	return EXIT_USAGE;
}

static int verb_usage(FILE *f, const struct verb *v)
{
	fprintf(f, "usage: coppicectl [-s SOCKET] [--json] %s%s%s\n", v->name, v->arguments[0] != '\0' ? " " : "", v->arguments);
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct verb *v;

	if (argc == 0) {
		usage(stdout);
		return 0;
	}
	if ((v = verb_find(argv[0])) == NULL) {
		fprintf(stderr, "coppicectl: unknown command '%s'\n", argv[0]);
		return usage(stderr);
	}
	verb_usage(stdout, v);
	printf("%s: %s.\n", v->name, v->meaning);
	if (verb_is(v->number, VERB_CHANGES) || verb_is(v->number, VERB_SETS))
		puts("The daemon's log says who asked for it.");
	puts("More: coppicectl(1).");
	return 0;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The stream's bytes as they come, to its end or to that of whoever reads us. */
static void copy_stream(int fd)
{
	char block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && (fwrite(block, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout) != 0))
			break;
}

static size_t screen_width(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static void show(const struct verb *v, struct answer *a, int json)
{
	struct print_how how = { .list = verb_is(v->number, VERB_LIST), .utf8 = words_utf8(), .width = screen_width() };

	if (v->number == CTL_TREE && a->status == 0) {
		a->tree.ascii = !how.utf8;
		(json ? ctl_tree_json : ctl_tree_text)(&a->tree, stdout);
	} else if (!json) {
		print_text(&a->rows, &how, stdout);
	} else if (a->stream < 0) {
		print_json(&a->rows, stdout);
	}
}

static void show_row(const struct ctl_row *row)
{
	print_line(row, words_utf8(), stdout);
	fflush(stdout);
}

static int ask_and_show(const char *path, const struct verb *v, const char *text, int json)
{
	int fd = ask_dial(path), r;
	struct answer a;

	if (fd < 0) {
		fprintf(stderr, "coppicectl: %s: %s\n", path, strerror(errno));
		return EXIT_NO_DAEMON;
	}
	ask_for_json(json);
	if ((r = ask(fd, v, text, !json && verb_is(v->number, VERB_LIVE) ? show_row : NULL, &a)) < 0) {
		fprintf(stderr, "coppicectl: no answer from the daemon: %s\n", err_text(r));
	} else {
		show(v, &a, json);
		if (a.text[0] != '\0') {
			char clean[4 * sizeof a.text];

			fprintf(stderr, "coppicectl: %s\n", words_clean(clean, sizeof clean, a.text, words_utf8()));
		}
		if (a.stream >= 0)
			copy_stream(a.stream);
		r = a.status == 0 ? 0 : EXIT_REFUSED;
	}
	ask_drop(&a);
	close(fd);
	return r < 0 ? EXIT_NO_DAEMON : r;
}

/* ---- the command line ------------------------------------------------------------------------ */

struct line { const char *path; int json, help; };

/* Options may stand behind the command too, up to "--"; what is left moves together. How many words are left. */
static int strip(struct line *l, int argc, char **argv)
{
	int n = 0, i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--json") == 0)
			l->json = 1;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			l->help = 1;
		else
			argv[n++] = argv[i];
	}
	while (i < argc)
		argv[n++] = argv[i++];
	return n;
}

/* The arguments with one blank between. */
static int joined(char *out, size_t size, int argc, char **argv)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			continue;	/* ours, also behind the command */
		n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? " " : "", argv[i]);
		if (n >= size)
			return SSH_E_FULL;
	}
	return SSH_OK;
}

static int run(struct line *l, const char *name, int argc, char **argv)
{
	const struct verb *v = verb_find(name);
	char text[TEXT_MAX];
	int least, most;

	if (v == NULL) {
		fprintf(stderr, "coppicectl: unknown command '%s'\n", name);
		return usage(stderr);
	}
	argc = strip(l, argc, argv);
	if (l->help)
		return help(1, &(char *){ (char *)v->name });
	if (v->number == 0 && strcmp(name, "top") == 0)
		return top_main(l->path, l->json, argc, argv);
	verb_arity(v, &least, &most);
	if (argc < least || (most >= 0 && argc > most)) {
		fprintf(stderr, "coppicectl: %s: %s\n", name, argc < least ? "something is missing" : "too many arguments");
		return verb_usage(stderr, v);
	}
	if (v->number == 0)
		return help(argc, argv);
	if (joined(text, sizeof text, argc, argv) < 0) {
		fprintf(stderr, "coppicectl: %s: more than %d bytes of arguments\n", name, TEXT_MAX - 1);
		return EXIT_USAGE;
	}
	return ask_and_show(l->path, v, text, l->json);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 } };
	struct line l = { .path = ask_default_socket() };
	int c, status;

	setlocale(LC_ALL, "");
	while ((c = getopt_long(argc, argv, "+s:jhV", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			l.path = optarg;
			break;
		case 'j':
			l.json = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("coppicectl " COPPICE_VERSION);
			return 0;
		default:
			return usage(stderr);
		}
	}
	if (optind == argc)
		return usage(stderr);
	status = run(&l, argv[optind], argc - optind - 1, argv + optind + 1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "coppicectl: output: %s\n", strerror(errno));
		return status != 0 ? status : EXIT_REFUSED;
	}
	return status;
}
