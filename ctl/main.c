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
#include "ctl/tree.h"
#include "ipc/link.h"
#include "ipc/values.h"

#define ANSWER_TIMEOUT_MS 15000

enum { EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

static const struct verb { const char *name; uint8_t number; } verbs[] = { { "tree", CTL_TREE }, { "stop", CTL_STOP } };

static int usage(FILE *f)
{
	fputs("usage: coppicectl [-s SOCKET] tree [--json] | stop\n", f);
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

/* Reads the answer to its end. SSH_OK, or an error that was printed. */
static int answer(int fd, struct ctl_tree *tree, uint8_t *status)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg m;
	int r;

	while ((r = link_wait(fd, ROLE_CTL, ROLE_SUP, W_UP, ANSWER_TIMEOUT_MS, &m, storage)) == SSH_OK) {
		if (m.type == IPC_CTL_NODE && (r = ctl_tree_add(tree, &m.u.CTL_NODE)) < 0)
			break;
		if (m.type != IPC_CTL_DONE)
			continue;
		*status = m.u.CTL_DONE.status;
		if (m.u.CTL_DONE.text.len > 0)
			fprintf(stderr, "coppicectl: %.*s\n", (int)m.u.CTL_DONE.text.len, (const char *)m.u.CTL_DONE.text.p);
		return SSH_OK;
	}
	fprintf(stderr, "coppicectl: no answer from the daemon: %s\n", err_text(r));
	return r;
}

static int ask(const char *path, uint8_t verb, int json)
{
	struct ipc_CTL_REQUEST q = { .verb = verb };
	struct ctl_tree tree = { 0 };
	uint8_t status = 1;
	int fd = dial(path), r;

	if (fd < 0)
		return EXIT_NO_DAEMON;
	r = link_say(fd, ROLE_CTL, ROLE_SUP, W_UP, IPC_CTL_REQUEST, &q, NULL, 0);
	if (r < 0)
		fprintf(stderr, "coppicectl: %s: %s\n", path, err_text(r));
	else
		r = answer(fd, &tree, &status);
	close(fd);
	if (r == SSH_OK && status == 0 && verb == CTL_TREE)
		(json ? ctl_tree_json : ctl_tree_text)(&tree, stdout);
	ctl_tree_free(&tree);
	return r < 0 ? EXIT_NO_DAEMON : status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	const char *path = default_socket();
	int json = 0, c;

	while ((c = getopt_long(argc, argv, "s:jh", longs, NULL)) != -1) {
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
	if (optind + 1 != argc)
		return usage(stderr);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			return ask(path, verbs[i].number, json);
	fprintf(stderr, "coppicectl: unknown command '%s'\n", argv[optind]);
	return usage(stderr);
}
