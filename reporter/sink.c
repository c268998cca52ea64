#include "reporter/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/tell.h"
#include "reporter/render.h"

#define LINE_ROOM (LOG_LINE_MAX + 160u)

const char *record_ident(char *out, size_t size, const struct record *r)
{
	if (r->trusted)
		snprintf(out, size, "coppiced[%d]", (int)r->pid);
	else
		snprintf(out, size, "coppiced-connection[%d]", (int)r->pid);
	return out;
}

int record_severity(enum log_level level)
{
	switch (level) {
	case LOGL_ERROR:
		return LOG_ERR;
	case LOGL_WARN:
		return LOG_WARNING;
	case LOGL_QUIET:
	case LOGL_INFO:
	case LOGL_VERBOSE:
		return LOG_INFO;
	case LOGL_DEBUG:
	case LOGL_TRACE:
		break;
	}
	return LOG_DEBUG;
}

static size_t fitted(int n, size_t size)
{
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t record_file_line(char *out, size_t size, const struct record *r, int64_t sec, int64_t usec)
{
	char ident[48], stamp[40];
	time_t t = (time_t)sec;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	return fitted(snprintf(out, size, "%s.%03dZ %s: %s%s\n", stamp, (int)(usec / 1000), record_ident(ident, sizeof ident, r),
	    r->level == LOGL_ERROR ? "error: " : r->level == LOGL_WARN ? "warning: " : "", r->line), size);
}

size_t record_syslog_line(char *out, size_t size, const struct record *r, int facility, int64_t sec)
{
	char ident[48], stamp[32];
	time_t t = (time_t)sec;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
	return fitted(snprintf(out, size, "<%d>%s %s: %s%s", facility | record_severity(r->level), stamp,
	    record_ident(ident, sizeof ident, r), r->level == LOGL_ERROR ? "error: " : "", r->line), size);
}

static int to_where(const struct sink *s, struct sockaddr_un *to)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(to->sun_path, s->format == LOG_FORMAT_JOURNAL ? SINK_JOURNAL : SINK_SYSLOG);
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void connect_socket(struct sink *s)
{
	struct sockaddr_un to;
	int size = 8 << 20;	/* as sd_journal_send(3): journald may be busy for a while */

	s->socket_fd = to_where(s, &to);
	if (s->socket_fd >= 0 && connect(s->socket_fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(s->socket_fd);
		s->socket_fd = -1;
	}
	if (s->socket_fd >= 0)
		setsockopt(s->socket_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

void sink_open(struct sink *s, int fd, enum conf_log_format format, int facility)
{
	memset(s, 0, sizeof *s);
	s->fd = fd;
	s->facility = facility;
	s->socket_fd = -1;
	tzset();		/* reads /etc/localtime while that is still allowed */
	if (fd >= 0)
		s->format = format == LOG_FORMAT_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
	else if (format == LOG_FORMAT_JOURNAL || format == LOG_FORMAT_SYSLOG)
		s->format = format;
	else
		s->format = access(SINK_JOURNAL, F_OK) == 0 ? LOG_FORMAT_JOURNAL : LOG_FORMAT_SYSLOG;
	if (fd < 0)
		connect_socket(s);
}

/* One try, and one more on a fresh connection: the other end may have been restarted. */
static int to_socket(struct sink *s, const void *p, size_t n)
{
	for (int tries = 0; tries < 2; tries++) {
		if (s->socket_fd < 0)
			connect_socket(s);
		if (s->socket_fd < 0)
			return -1;
		if (send(s->socket_fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE)
			return -1;
		close(s->socket_fd);
		s->socket_fd = -1;
	}
	return -1;
}

static int to_file(struct sink *s, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = write(s->fd, p + done, n - done);

		if (w < 0 && errno != EINTR)
			return -1;
		done += w > 0 ? (size_t)w : 0;
	}
	return 0;
}

static int is_report(const struct record *r)
{
	return r->kind == HAPPENS_CRASH || r->kind == HAPPENS_SUPERVISOR;
}

static int render(const struct sink *s, const struct record *r, struct buf *b)
{
	char line[LINE_ROOM];
	int e;

	switch (s->format) {
	case LOG_FORMAT_JSON:
		return render_json(b, r, 0, 1);
	case LOG_FORMAT_JOURNAL:
		return render_journal(b, r, s->facility);
	case LOG_FORMAT_SYSLOG:
		return buf_append(b, line, record_syslog_line(line, sizeof line, r, s->facility, r->sec));
	case LOG_FORMAT_TEXT:
	case LOG_FORMAT_AUTO:
		break;
	}
	if ((e = buf_append(b, line, record_file_line(line, sizeof line, r, r->sec, r->usec))) == SSH_OK && is_report(r))
		e = render_report(b, r);
	return e;
}

static int put(struct sink *s, const struct record *r)
{
	struct buf b;
	int failed;

	buf_init(&b, RENDER_MAX, NULL);
	failed = render(s, r, &b) < 0 || (s->fd >= 0 ? to_file(s, buf_head(&b), buf_len(&b)) : to_socket(s, buf_head(&b), buf_len(&b))) < 0;
	buf_drop(&b);
	return failed ? -1 : 0;
}

void sink_write(struct sink *s, const struct record *r)
{
	if (s->dropped > 0) {
		char text[64];
		struct record told = { .level = LOGL_WARN, .role = ROLE_REP, .trusted = 1, .pid = getpid(), .line = text,
			.kind = HAPPENS_LOG_DROPPED, .sec = r->sec, .usec = r->usec };

		snprintf(text, sizeof text, "ev=log dropped=%u", s->dropped);
		if (put(s, &told) == 0)
			s->dropped = 0;
	}
	s->lines++;
	if (put(s, r) != 0)
		s->dropped++, s->lost++;
}
