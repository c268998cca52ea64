#include "reporter/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

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

static void connect_syslog(struct sink *s)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	s->syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->syslog_fd >= 0 && connect(s->syslog_fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(s->syslog_fd);
		s->syslog_fd = -1;
	}
}

void sink_open(struct sink *s, int fd, int facility)
{
	memset(s, 0, sizeof *s);
	s->fd = fd;
	s->facility = facility;
	s->syslog_fd = -1;
	tzset();		/* reads /etc/localtime while that is still allowed */
	if (fd < 0)
		connect_syslog(s);
}

/* One try, and one more on a fresh connection: syslog may have been restarted. */
static int to_syslog(struct sink *s, const struct record *r)
{
	char line[LINE_ROOM];
	size_t n = record_syslog_line(line, sizeof line, r, s->facility, (int64_t)time(NULL));

	for (int tries = 0; tries < 2; tries++) {
		if (s->syslog_fd < 0)
			connect_syslog(s);
		if (s->syslog_fd < 0)
			return -1;
		if (send(s->syslog_fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS)
			return -1;
		close(s->syslog_fd);
		s->syslog_fd = -1;
	}
	return -1;
}

static int to_file(struct sink *s, const struct record *r)
{
	char line[LINE_ROOM];
	struct timespec now;
	size_t n, done = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	n = record_file_line(line, sizeof line, r, now.tv_sec, now.tv_nsec / 1000);
	while (done < n) {
		ssize_t w = write(s->fd, line + done, n - done);

		if (w < 0 && errno != EINTR)
			return -1;
		done += w > 0 ? (size_t)w : 0;
	}
	return 0;
}

static int put(struct sink *s, const struct record *r)
{
	return s->fd >= 0 ? to_file(s, r) : to_syslog(s, r);
}

void sink_write(struct sink *s, const struct record *r)
{
	if (s->dropped > 0) {
		char text[64];
		struct record told = { .level = LOGL_WARN, .role = ROLE_REP, .trusted = 1, .pid = getpid(), .line = text };

		snprintf(text, sizeof text, "ev=log dropped=%u", s->dropped);
		if (put(s, &told) == 0)
			s->dropped = 0;
	}
	if (put(s, r) != 0)
		s->dropped++;
}
