#include "supervisor/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "ipc/datagram.h"
#include "supervisor/observe.h"
#include "supervisor/proc.h"

/* ---- background ---------------------------------------------------------------------- */

/* In the process the user started. */
static void wait_for_daemon(int fd, pid_t pid)
{
	char byte;
	ssize_t n;
	int wstatus = 0;

	while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		_exit(0);
	while (waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) != 0 ? WEXITSTATUS(wstatus) : 255);
}

int detach(struct daemon *d)
{
	int p[2], null;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return SSH_E_SYS;
	if (pid > 0) {
		close(p[1]);
		wait_for_daemon(p[0], pid);
	}
	close(p[0]);
	d->start_pipe = p[1];
	setsid();
	if (chdir("/") < 0 || (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		return SSH_E_SYS;
	dup2(null, 0);
	dup2(null, 1);
	close(null);
	return SSH_OK;
}

void detach_done(struct daemon *d)
{
	int null;

	if (d->start_pipe < 0)
		return;
	/* stderr belongs to whoever started us: it was for errors at start. -e has its own copy. */
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0) {
		dup2(null, 2);
		close(null);
	}
	d->detached = 1;
	if (write(d->start_pipe, "", 1) != 1)
		log_ev(LOGL_VERBOSE, "nobody waited for the start");
	close(d->start_pipe);
	d->start_pipe = -1;
}

/* ---- log ------------------------------------------------------------------------------- */

static int log_pair_make(struct log_pair *p)
{
	int fds[2], on = 1, size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0)
		return SSH_E_SYS;
	p->receive = fds[0];
	p->send = fds[1];
	setsockopt(p->receive, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	/* lines of a busy moment wait here; whoever cannot leave one counts it */
	setsockopt(p->send, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return SSH_OK;
}

static int log_failed(void)
{
	log_ev(LOGL_ERROR, "log sockets: %s", strerror(errno));
	return SSH_E_SYS;
}

int detach_log(struct daemon *d)
{
	if ((d->log_trusted.send < 0 || d->log_trusted.receive < 0) && log_pair_make(&d->log_trusted) < 0)
		return log_failed();
	if ((d->log_untrusted.send < 0 || d->log_untrusted.receive < 0) && log_pair_make(&d->log_untrusted) < 0)
		return log_failed();
	if (d->sink >= 0)
		return SSH_OK;		/* it came over the exec */
	if (d->opt.log_file != NULL)
		d->sink = open(d->opt.log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	else if (d->opt.to_stderr && (d->values->LogFormat == LOG_FORMAT_AUTO || d->values->LogFormat == LOG_FORMAT_JOURNAL)
	    && observe_stderr_is_journal())
		return SSH_OK;		/* what is written there lands in the journal anyway: native records say more */
	else if (d->opt.to_stderr)
		d->sink = fcntl(2, F_DUPFD_CLOEXEC, 3);
	else
		return SSH_OK;
	if (d->sink < 0) {
		dprintf(2, "Couldn't open logfile %s: %s\n", d->opt.log_file ? d->opt.log_file : "stderr", strerror(errno));
		return SSH_E_CONFIG;
	}
	return SSH_OK;
}

static int to_reporter(struct daemon *d, enum log_level level, const char *line)
{
	struct ipc_LOG m = { .role = ROLE_SUP, .node = 1, .level = (uint8_t)level, .line = view_str(line) };
	struct buf b;
	int r;

	buf_init(&b, LOG_LINE_MAX + 64, &mem_reserve);
	if ((r = ipc_encode(&b, IPC_LOG, &m)) == SSH_OK)
		r = datagram_send(d->log_trusted.send, buf_head(&b), buf_len(&b), NULL, 0, MSG_DONTWAIT);
	buf_drop(&b);
	return r;
}

/* Without the reporter. */
static void direct(struct daemon *d, enum log_level level, const char *line)
{
	if (d->sink >= 0)
		dprintf(d->sink, "coppiced[%d]: %s%s\n", (int)getpid(), level == LOGL_ERROR ? "error: " : "", line);
	else if (d->detached)
		syslog(LOG_AUTH | (level == LOGL_ERROR ? LOG_ERR : LOG_INFO), "%s", line);
	if (!d->detached && (d->sink < 0 || d->opt.log_file != NULL))
		dprintf(2, "%s\n", line);
}

/* Is there somebody to take a line, or will there be soon? */
static int heard(const struct daemon *d, enum log_level level)
{
	int reporter = d->tree != NULL && proc_of((struct daemon *)(uintptr_t)d, KID_REPORTER) != NULL;
	/* While it is replaced daily lines wait for the next one; an error may be the reason that none comes. */
	int waits = level != LOGL_ERROR && d->log_trusted.send >= 0 && !d->stopping && (d->up || d->sink < 0);

	return reporter || waits;
}

void detach_tell(struct daemon *d, enum happening kind, enum log_level level, const char *line, const struct tell *fields,
    struct view box)
{
	const char *shown = line != NULL && level <= log_get_level() ? line : NULL;
	struct buf b;

	if (!heard(d, level)) {
		if (shown != NULL)
			direct(d, level, shown);
		return;
	}
	buf_init(&b, TELL_MAX, &mem_reserve);
	if (tell_encode(&b, ROLE_SUP, 1, kind, level, shown, fields, box) < 0
	    || datagram_send(d->log_trusted.send, buf_head(&b), buf_len(&b), NULL, 0, MSG_DONTWAIT) < 0)
		d->untold++;
	buf_drop(&b);
}

static void own_line(void *ctx, enum log_level level, const char *line)
{
	struct daemon *d = ctx;

	if (heard(d, level))
		to_reporter(d, level, line);
	else
		direct(d, level, line);
}

void detach_log_sink(struct daemon *d)
{
	log_to(own_line, d);
}

/* ---- files ------------------------------------------------------------------------------- */

static const char *path_or(const struct daemon *d, const char *configured, const char *usual, const char *ours)
{
	if (configured == NULL || d->opt.inetd)
		return NULL;
	return !d->privileged && strcmp(configured, usual) == 0 ? ours : configured;
}

const char *detach_pid_path(const struct daemon *d, const struct conf_values *v)
{
	return path_or(d, v->PidFile, "/run/coppiced.pid", d->places.pid_file);
}

const char *detach_control_path(const struct daemon *d, const struct conf_values *v)
{
	return path_or(d, v->ControlSocket, "/run/coppice/control", d->places.control);
}

void detach_make_folder(const char *file, unsigned mode)
{
	char path[PLACE_MAX];
	char *slash;

	snprintf(path, sizeof path, "%s", file);
	if ((slash = strrchr(path, '/')) == NULL || slash == path)
		return;
	*slash = '\0';
	if (mkdir(path, (mode_t)mode) < 0 && errno == ENOENT) {
		detach_make_folder(path, mode);
		mkdir(path, (mode_t)mode);
	}
}

void detach_write_pid(struct daemon *d)
{
	const char *path = detach_pid_path(d, d->values);
	int fd;

	if (path == NULL)
		return;
	if (!d->privileged)
		detach_make_folder(path, 0700);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		log_ev(LOGL_ERROR, "Couldn't create pid file \"%s\": %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void remove_pid(const char *path)
{
	char text[16] = "";
	int fd;

	if (path == NULL || (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return;
	/* another daemon may have taken the file over meanwhile */
	if (read(fd, text, sizeof text - 1) > 0 && strtol(text, NULL, 10) == (long)getpid())
		unlink(path);
	close(fd);
}

void detach_remove_pid(struct daemon *d)
{
	detach_forget_pid(d);
	if (d->up && d->values != NULL)
		remove_pid(detach_pid_path(d, d->values));
}

/* ---- a pid file that moves ---- */

static struct { int moves; char path[PLACE_MAX], beside[PLACE_MAX + 8]; } next_pid;	/* path "": to nowhere */

static int write_beside(const char *path, const char *beside)
{
	struct stat st;
	int fd, ok;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EEXIST;
		return SSH_E_SYS;
	}
	unlink(beside);
	if ((fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)) < 0)
		return SSH_E_SYS;
	ok = dprintf(fd, "%d\n", (int)getpid()) > 0;
	close(fd);
	return ok ? SSH_OK : SSH_E_SYS;
}

int detach_prepare_pid(struct daemon *d, const struct conf_values *v, char *why, size_t size)
{
	const char *was = detach_pid_path(d, d->values), *is = detach_pid_path(d, v);

	detach_forget_pid(d);
	if (was == is || (was != NULL && is != NULL && strcmp(was, is) == 0))
		return SSH_OK;
	snprintf(next_pid.path, sizeof next_pid.path, "%s", is != NULL ? is : "");
	snprintf(next_pid.beside, sizeof next_pid.beside, "%s.new", next_pid.path);
	if (is != NULL && !d->privileged)
		detach_make_folder(is, 0700);
	if (is != NULL && write_beside(is, next_pid.beside) < 0) {
		snprintf(why, size, "PidFile %s cannot be written: %s", is, strerror(errno));
		return SSH_E_CONFIG;
	}
	next_pid.moves = 1;
	return SSH_OK;
}

void detach_commit_pid(struct daemon *d)
{
	if (!next_pid.moves)
		return;
	next_pid.moves = 0;
	if (next_pid.path[0] != '\0' && rename(next_pid.beside, next_pid.path) < 0)
		log_ev(LOGL_ERROR, "Couldn't create pid file \"%s\": %s", next_pid.path, strerror(errno));
	remove_pid(detach_pid_path(d, d->values));
}

void detach_forget_pid(struct daemon *d)
{
	(void)d;
	if (next_pid.moves && next_pid.path[0] != '\0')
		unlink(next_pid.beside);
	next_pid.moves = 0;
}
