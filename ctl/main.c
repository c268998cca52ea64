/* coppicectl - shows and steers a running coppiced, over its control socket; see coppicectl(1). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "ctl/rows.h"
#include "ctl/tree.h"
#include "ipc/link.h"
#include "ipc/values.h"

#define ANSWER_TIMEOUT_MS 15000

enum { EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

static const struct verb { const char *name, *arguments, *meaning; uint8_t number; } verbs[] = {
#define VERB(number, NAME, name, arguments, meaning) { name, arguments, meaning, number },
#include "ipc/verbs.def"
#undef VERB
};

static int usage(FILE *f)
{
	fputs("usage: coppicectl [-s SOCKET] [--json] COMMAND\n", f);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		fprintf(f, "  %s%s%-*s %s\n", verbs[i].name, verbs[i].arguments[0] != '\0' ? " " : "",
		    24 - (int)strlen(verbs[i].name), verbs[i].arguments, verbs[i].meaning);
	return EXIT_USAGE;
}

static const char *default_socket(void)
{
	static char path[256];
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return "/run/coppice/control";
	if (dir != NULL && dir[0] == '/')
		snprintf(path, sizeof path, "%s/coppice/control", dir);
	else
		snprintf(path, sizeof path, "/tmp/coppice-%u/control", (unsigned)geteuid());
	return path;
}

static int dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
	} else {
		memcpy(to.sun_path, path, strlen(path) + 1);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
			return fd;
	}
	fprintf(stderr, "coppicectl: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What the answer is made of. */
struct answer { struct ctl_tree tree; unsigned rows; uint8_t status; int json; };

/* The stream's bytes as they come, to its end. */
static void copy_stream(int fd)
{
	char block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
			break;
	close(fd);
}

static int take(struct answer *a, struct ipc_msg *m, int *stream)
{
	int r = SSH_OK;

	switch (m->type) {
	case IPC_CTL_NODE:
		return ctl_tree_add(&a->tree, &m->u.CTL_NODE);
	case IPC_CTL_ROW:
		if (a->json)
			fputs(a->rows > 0 ? ",\n" : "[\n", stdout);
		r = (a->json ? ctl_row_json : ctl_row_text)(&m->u.CTL_ROW, stdout);
		a->rows++;
		return r;
	case IPC_CTL_STREAM:
		*stream = ipc_take_fd(m, 0);
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}

/* Reads the answer to its end. SSH_OK, or an error that was printed. */
static int hear(int fd, struct answer *a)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg m;
	int stream = -1, r;

	while ((r = link_wait(fd, ROLE_CTL, ROLE_SUP, W_UP, ANSWER_TIMEOUT_MS, &m, storage)) == SSH_OK) {
		if (m.type != IPC_CTL_DONE) {
			if ((r = take(a, &m, &stream)) < 0)
				break;
			continue;
		}
		a->status = m.u.CTL_DONE.status;
		if (m.u.CTL_DONE.text.len > 0)
			fprintf(stderr, "coppicectl: %.*s\n", (int)m.u.CTL_DONE.text.len, (const char *)m.u.CTL_DONE.text.p);
		if (stream >= 0)
			copy_stream(stream);
		return SSH_OK;
	}
	if (stream >= 0)
		close(stream);
	fprintf(stderr, "coppicectl: no answer from the daemon: %s\n", err_text(r));
	return r;
}

static int ask(const char *path, const struct verb *v, const char *text, int json)
{
	struct ipc_CTL_REQUEST q = { .verb = v->number, .text = view_str(text) };
	struct answer a = { .status = 1, .json = json };
	int fd = dial(path), r;

	if (fd < 0)
		return EXIT_NO_DAEMON;
	r = link_say(fd, ROLE_CTL, ROLE_SUP, W_UP, IPC_CTL_REQUEST, &q, NULL, 0);
	if (r < 0)
		fprintf(stderr, "coppicectl: %s: %s\n", path, err_text(r));
	else
		r = hear(fd, &a);
	close(fd);
	if (r == SSH_OK && a.status == 0 && v->number == CTL_TREE)
		(json ? ctl_tree_json : ctl_tree_text)(&a.tree, stdout);
	else if (json && a.rows > 0)
		fputs("\n]\n", stdout);
	else if (r == SSH_OK && a.status == 0 && json && v->number != CTL_STOP)
		fputs("[]\n", stdout);
	ctl_tree_free(&a.tree);
	return r < 0 ? EXIT_NO_DAEMON : a.status == 0 ? 0 : 1;
}

/* What stands behind the command, with one blank between. */
static int arguments(char *out, size_t size, int argc, char **argv)
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

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	const char *path = default_socket();
	char text[1001];
	int json = 0, c;

	while ((c = getopt_long(argc, argv, "+s:jh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			path = optarg;
			break;
		case 'j':
			json = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return usage(stderr);
		}
	}
	for (int i = optind; i < argc; i++)
		json |= strcmp(argv[i], "--json") == 0;
	if (optind == argc || arguments(text, sizeof text, argc - optind - 1, argv + optind + 1) < 0)
		return usage(stderr);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[optind], verbs[i].name) == 0) {
			if (text[0] != '\0' && verbs[i].arguments[0] == '\0')
				return usage(stderr);
			return ask(path, &verbs[i], text, json);
		}
	fprintf(stderr, "coppicectl: unknown command '%s'\n", argv[optind]);
	return usage(stderr);
}
