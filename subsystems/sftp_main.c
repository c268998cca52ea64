/*
 * sftp-server - serves files over SFTP version 3 on standard input and output
 *
 * RUNS AS     root until it has read BECOME; then the user, no new privileges, no exec, no sockets
 * HEARS       BECOME, WORK, GO (supervisor); SFTP requests (an authenticated client)
 * SAYS        SFTP replies
 * NEVER       becomes anybody else; waits for a FIFO, a device or another process
 * IF IT DIES  its channel ends with exit-signal; nothing else notices
 *
 * Started by hand, or by another sshd as a Subsystem, it works as OpenSSH's sftp-server.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "ipc/worker.h"
#include "subsystems/sftp_fs.h"
#include "subsystems/sftp_server.h"

#define PIPE_SIZE   (1 << 18)	/* fewer turns between two processes; an unprivileged user may ask for 1 MiB */
#define IDLE_MS     2000	/* then large queues are given back */
#define IDLE_KEEP   (64u * 1024u)
#define OPTIONS_MAX 32

struct options {
	unsigned flags;		/* SFTP_SERVER_* */
	int has_umask, to_stderr;
	mode_t umask;
	enum log_level level;
	const char *dir;	/* NULL: where we are */
};

static void usage(void)
{
	fprintf(stderr, "usage: sftp-server [-ehR] [-d start_directory] [-f log_facility] [-l log_level] [-u umask]\n");
	exit(1);
}

static enum log_level level_of(const char *name)
{
	static const struct { const char *name; enum log_level level; } levels[] = {
		{ "QUIET", LOGL_QUIET }, { "FATAL", LOGL_ERROR }, { "ERROR", LOGL_ERROR }, { "INFO", LOGL_INFO },
		{ "VERBOSE", LOGL_VERBOSE }, { "DEBUG", LOGL_DEBUG }, { "DEBUG1", LOGL_DEBUG },
		{ "DEBUG2", LOGL_DEBUG }, { "DEBUG3", LOGL_TRACE }
	};

	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (strcasecmp(name, levels[i].name) == 0)
			return levels[i].level;
	fprintf(stderr, "sftp-server: invalid log level \"%s\"\n", name);
	exit(1);
}

static void read_options(struct options *o, int argc, char **argv)
{
	char *end;
	long mask;
	int c;

	while ((c = getopt(argc, argv, "d:ef:hl:Ru:")) != -1) {
		switch (c) {
		case 'd': o->dir = optarg; break;
		case 'e': o->to_stderr = 1; break;
		case 'f': break;	/* one facility: standard error, with -e */
		case 'l': o->level = level_of(optarg); break;
		case 'R': o->flags |= SFTP_SERVER_READ_ONLY; break;
		case 'u':
			mask = strtol(optarg, &end, 8);
			if (*optarg == '\0' || *end != '\0' || mask < 0 || mask > 0777) {
				fprintf(stderr, "sftp-server: invalid umask \"%s\"\n", optarg);
				exit(1);
			}
			o->umask = (mode_t)mask;
			o->has_umask = 1;
			break;
		default:
			usage();
		}
	}
	if (optind < argc)
		usage();
}

static void log_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	dprintf(2, "sftp-server[%ld]: %s\n", (long)getpid(), line);
}

/* -d: %d home, %u user, %% a percent sign (sftp-server(8)). */
static void go_to(const char *text)
{
	char path[SFTP_PATH_MAX];
	size_t n = 0;
	struct passwd *pw = getpwuid(getuid());

	for (; *text != '\0' && n < sizeof path - 1; text++) {
		const char *value = NULL;

		if (text[0] == '%' && text[1] == 'd')
			value = pw != NULL ? pw->pw_dir : "/";
		else if (text[0] == '%' && text[1] == 'u')
			value = pw != NULL ? pw->pw_name : "";
		else if (text[0] == '%' && text[1] == '%')
			value = "%";
		if (value == NULL) {
			path[n++] = *text;
			continue;
		}
		text++;
		n += (size_t)snprintf(path + n, sizeof path - n, "%s", value);
	}
	if (n >= sizeof path - 1)
		return;
	path[n] = '\0';
	if (chdir(path) < 0)
		fprintf(stderr, "sftp-server: %s: %s\n", path, strerror(errno));
}

/* Descriptor 3 is the supervisor's link when it is a SEQPACKET socket: nobody else gives us one. */
static int supervised(void)
{
	int domain = 0, type = 0;
	socklen_t a = sizeof domain, b = sizeof type;

	return getsockopt(CHILD_LINK_FD, SOL_SOCKET, SO_DOMAIN, &domain, &a) == 0 && domain == AF_UNIX &&
	    getsockopt(CHILD_LINK_FD, SOL_SOCKET, SO_TYPE, &type, &b) == 0 && type == SOCK_SEQPACKET;
}

/* A view as a C string of ours; NULL when it holds a NUL. */
static char *text_of(struct view v)
{
	if (v.len > 0 && memchr(v.p, 0, v.len) != NULL)
		return NULL;
	return v.len > 0 ? strndup((const char *)v.p, v.len) : strdup("");
}

/* The Subsystem line's options: "internal-sftp -u 022", blanks between words. */
static void work_options(struct options *o, struct view command)
{
	char *argv[OPTIONS_MAX + 1], *text = text_of(command), *save = NULL;
	int argc = 0;

	if (text == NULL)
		return;
	for (char *w = strtok_r(text, " \t", &save); w != NULL && argc < OPTIONS_MAX; w = strtok_r(NULL, " \t", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	if (argc > 1)
		read_options(o, argc, argv);	/* words stay in text, which is ours for good */
	else
		free(text);
}

static void take_work(struct options *o)
{
	struct worker *w = malloc(sizeof *w);
	const struct ipc_WORK *work;
	char *home;

	if (w == NULL)
		exit(255);
	worker_begin(w);
	work = &w->msg.u.WORK;
	if ((home = text_of(work->home)) == NULL || chdir(home) < 0) {
		fprintf(stderr, "Could not chdir to home directory %s: %s\n", home ? home : "", strerror(errno));
		if (chdir("/") < 0)
			exit(255);
	}
	free(home);
	work_options(o, work->command);
	free(w);
}

/* All replies; 0, or -1 when nobody reads them any more. */
static int send_output(struct sftp_server *s)
{
	struct view out;

	while ((out = sftp_server_output(s)).len > 0) {
		ssize_t n = write(STDOUT_FILENO, out.p, out.len);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			sftp_server_sent(s, (size_t)n);
	}
	return 0;
}

/* A client that pauses must not keep half a megabyte. */
static void maybe_idle(struct sftp_server *s)
{
	if (sftp_server_held(s) <= IDLE_KEEP)
		return;
	if (poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, IDLE_MS) == 0)
		sftp_server_idle(s);
}

/*
 * Read what there is, answer all of it, send all answers. Writing blocks: a client that does not read
 * its replies is not read from.
 */
static int serve(struct sftp_server *s)
{
	for (;;) {
		size_t room = 0;
		uint8_t *p;
		ssize_t n;
		int r = sftp_server_run(s);

		if (sftp_server_output(s).len > 0) {
			if (send_output(s) < 0)
				return 1;
			if (r == SSH_OK)
				continue;	/* there may be more requests behind */
		}
		if (r < 0) {
			log_ev(LOGL_ERROR, "session ends: %s", err_text(r));
			return 1;
		}
		maybe_idle(s);
		if ((p = sftp_server_room(s, &room)) == NULL)
			return 1;
		n = read(STDIN_FILENO, p, room);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, -1);
		else if (n < 0 && errno != EINTR)
			return 1;
		if (n > 0)
			sftp_server_got(s, (size_t)n);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .level = LOGL_QUIET };
	struct sftp_server *s;
	struct sftp_fs *fs;
	int r;

	if (supervised())
		take_work(&o);
	else
		read_options(&o, argc, argv);
	if (o.has_umask)
		umask(o.umask);
	if (o.dir != NULL)
		go_to(o.dir);
	if (o.to_stderr)
		log_to(log_line, NULL);
	log_set_level(o.level);
	signal(SIGPIPE, SIG_IGN);
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
	if ((fs = sftp_fs_new()) == NULL || (s = sftp_server_new(&sftp_fs_ops, fs, o.flags, NULL)) == NULL)
		return 255;
	sandbox_sftp();
	r = serve(s);
	sftp_server_free(s);
	sftp_fs_free(fs);
	_exit(r);		/* nothing of the C library's is left to do, and a leak checker cannot look into us */
}
