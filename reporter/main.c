/*
 * reporter - the hub of what people read: log lines, reports of ends, events, crash files, metrics
 *
 * RUNS AS     coppice-log; files only below the crash directory (Landlock); system call filter
 * HEARS       LOG (everybody, on the two log sockets), EVENT (trusted roles, on theirs); CONFIG CONFIG_COMMIT PING LOGLEVEL SHOW SAMPLES (supervisor);
 *             HTTP (whoever may connect to the metrics socket)
 * SAYS        HELLO READY CONFIG_OK PONG SAMPLES_ASK (supervisor)
 * NEVER       believes a sender about its pid or uid: the kernel tells them; waits for a reader
 * IF IT DIES  lines wait in the log sockets, which the supervisor keeps; the next reporter takes them
 */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "ipc/values.h"
#include "reporter/crashes.h"
#include "reporter/metrics.h"
#include "reporter/scrape.h"
#include "reporter/sink.h"
#include "reporter/stream.h"

#define LINES_PER_WAKE 256

static struct child self;
static struct sink sink;
static struct crashes crashes;
static struct streams *streams;
static uid_t trusted_uid;	/* of the supervisor */

/* One datagram into a message; SSH_OK, SSH_E_NOT_NOW when there is none. What breaks the rules is skipped, not fatal. */
static int receive(int fd, struct ipc_msg *m, uint8_t *bytes, size_t size, struct ucred *from)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(struct ucred))]; } control;
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n < 0)
		return SSH_E_NOT_NOW;
	*from = (struct ucred){ 0, (uid_t)-1, (gid_t)-1 };
	for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(from, CMSG_DATA(c), sizeof *from);
	if (n == 0 || (bytes[0] != IPC_LOG && bytes[0] != IPC_EVENT) || (mh.msg_flags & MSG_TRUNC) || ipc_decode(m, bytes, (size_t)n) != SSH_OK)
		return SSH_E_FORMAT;
	return SSH_OK;
}

/* A report is the supervisor's word; on the socket of the connections there are only lines. */
static int allowed(const struct ipc_EVENT *m, int trusted, const struct ucred *from)
{
	if (!trusted || happening_name(m->kind) == NULL)
		return 0;
	if (m->kind == HAPPENS_CRASH || m->kind == HAPPENS_SUPERVISOR || m->kind == HAPPENS_PROGRESS)
		return from->uid == trusted_uid;
	return 1;
}

/* Everything that is made of one record. */
static void handle(struct record *r)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	r->sec = now.tv_sec;
	r->usec = now.tv_nsec / 1000;
	if (r->line[0] != '\0')
		sink_write(&sink, r);
	if (r->kind != HAPPENS_LINE) {
		metrics_event(r);
		streams_event(streams, r);
	}
	if (r->kind == HAPPENS_CRASH && crashes_keep(&crashes, r) == 0 && crashes.dir >= 0 && crashes.most > 0 && !crashes.complained) {
		crashes.complained = 1;
		log_ev(LOGL_WARN, "ev=crash-file: a crash report could not be kept: %m");
	}
}

static void handle_log(const struct ipc_LOG *m, int trusted, pid_t pid)
{
	char line[LOG_LINE_MAX + 1];
	struct record r = { .role = (enum ipc_role)m->role, .trusted = trusted, .pid = pid, .line = line, .kind = HAPPENS_LINE };

	r.level = m->level >= LOGL_ERROR && m->level <= LOGL_TRACE ? (enum log_level)m->level : LOGL_INFO;
	/* Senders escape; whoever did not, does not get a second line out of it. */
	log_clean(line, sizeof line, m->line.p, m->line.len);
	handle(&r);
}

static void handle_event(const struct ipc_EVENT *m, const struct ucred *from)
{
	char line[LOG_LINE_MAX + 1];
	struct record r = { .role = (enum ipc_role)m->role, .trusted = 1, .pid = from->pid, .line = line, .kind = m->kind, .fields = m->fields,
		.box = m->box };

	r.level = m->level >= LOGL_ERROR && m->level <= LOGL_TRACE ? (enum log_level)m->level : LOGL_INFO;
	log_clean(line, sizeof line, m->line.p, m->line.len);
	handle(&r);
}

static void on_lines(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[TELL_MAX];
	struct ipc_msg m;
	struct ucred from;

	(void)what, (void)arg;
	for (int i = 0; i < LINES_PER_WAKE; i++) {
		int r = receive(fd, &m, bytes, sizeof bytes, &from);

		if (r == SSH_E_NOT_NOW)
			break;
		if (r != SSH_OK)
			continue;
		if (m.type == IPC_LOG)
			handle_log(&m.u.LOG, fd == REPORTER_TRUSTED_FD, from.pid);
		else if (allowed(&m.u.EVENT, fd == REPORTER_TRUSTED_FD, &from))
			handle_event(&m.u.EVENT, &from);
	}
}

static void own_line(void *ctx, enum log_level level, const char *line)
{
	struct record r = { .level = level, .role = ROLE_REP, .trusted = 1, .pid = getpid(), .line = line, .kind = HAPPENS_LINE };

	(void)ctx;
	handle(&r);
}

static void listen_to(struct child *c, int fd)
{
	int on = 1;
	struct event *ev = event_new(c->base, fd, EV_READ | EV_PERSIST, on_lines, NULL);

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 || ev == NULL || event_add(ev, NULL) != 0) {
		log_ev(LOGL_ERROR, "reporter: log socket %d cannot be used", fd);
		_exit(1);
	}
}

/* ---- the supervisor ----------------------------------------------------------------------- */

static int on_show(struct ipc_msg *m)
{
	const struct ipc_SHOW *q = &m->u.SHOW;
	int fd = ipc_take_fd(m, 0), r;
	char none[80];
	struct buf b;

	if (q->what == SHOW_EVENTS) {
		streams_follow(streams, fd, q->filter);
		return SSH_OK;
	}
	buf_init(&b, STREAM_ANSWER_MAX, NULL);
	r = q->what == SHOW_CRASHES ? crashes_list(&crashes, q->json, &b) : crashes_show(&crashes, q->number, q->json, &b);
	if (r < 0) {
		snprintf(none, sizeof none, q->json ? "null\n" : "there is no crash report %llu\n", (unsigned long long)q->number);
		streams_answer(streams, fd, none, strlen(none));
	} else {
		streams_answer(streams, fd, buf_head(&b), buf_len(&b));
	}
	buf_drop(&b);
	return SSH_OK;
}

static int on_message(struct child *c, struct ipc_msg *m)
{
	(void)c;
	switch (m->type) {
	case IPC_SHOW:
		return on_show(m);
	case IPC_SAMPLES:
		scrape_samples(&m->u.SAMPLES);
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}

/* ---- configuration ---------------------------------------------------------------------------- */

struct settings { int facility; enum conf_log_format format; enum log_level level; unsigned crashes; uint64_t bytes; };

static struct settings next;	/* accepted, waiting for the word to switch */

static int read_slice(const char *slice, size_t len, struct settings *to, char *why, size_t size)
{
	struct conf_values *v = NULL;
	struct conf_error e = { "out of memory" };
	struct conf *c = NULL;
	int r = conf_parse(&c, view_of(slice, len), "reporter", &e);

	if (r == SSH_OK)
		r = conf_resolve(c, NULL, &v, &e);
	conf_free(c);
	if (r < 0) {
		snprintf(why, size, "%s", e.text);
		return r;
	}
	*to = (struct settings){ .facility = v->SyslogFacility, .format = v->LogFormat, .level = v->LogLevel,
		.crashes = (unsigned)v->CrashReports, .bytes = (uint64_t)v->CrashReportsBytes };
	conf_values_free(v);
	return SSH_OK;
}

static int prepare(struct child *c, const char *slice, size_t len, char *why, size_t size)
{
	(void)c;
	return read_slice(slice, len, &next, why, size);
}

static void commit(struct child *c)
{
	(void)c;
	sink.facility = next.facility;
	log_set_level(next.level);
	crashes_limit(&crashes, next.crashes, next.bytes);
}

static void forget(struct child *c)
{
	(void)c;
}

/* Before anything else opens something that could get the number. */
static int is_open(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

int main(void)
{
	int dir = is_open(REPORTER_CRASHES_FD), listener = is_open(REPORTER_METRICS_FD), r;
	struct settings now;
	char why[400];

	self.message = on_message;
	self.prepare = prepare;
	self.commit = commit;
	self.forget = forget;
	child_begin(&self, ROLE_REP);
	signal(SIGPIPE, SIG_IGN);	/* readers come and go */
	trusted_uid = geteuid();
	if (read_slice(self.conf, self.conf_len, &now, why, sizeof why) < 0) {
		log_ev(LOGL_ERROR, "reporter: %s", why);
		return 1;
	}
	sink_open(&sink, self.sink, now.format, now.facility);
	crashes_open(&crashes, dir, now.crashes, now.bytes);
	if ((streams = streams_new(self.base)) == NULL || scrape_open(&self, listener, &sink, &crashes, streams) < 0) {
		log_ev(LOGL_ERROR, "reporter: %s", err_text(SSH_E_NOMEM));
		return 1;
	}
	log_to(own_line, NULL);
	listen_to(&self, REPORTER_TRUSTED_FD);
	listen_to(&self, REPORTER_UNTRUSTED_FD);
	child_lock(&self, sandbox_reporter);
	child_ready(&self);
	r = child_run(&self);
	on_lines(REPORTER_TRUSTED_FD, 0, NULL);		/* what was said on the way down */
	on_lines(REPORTER_UNTRUSTED_FD, 0, NULL);
	return r;
}
