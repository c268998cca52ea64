/*
 * reporter - takes the log lines of all processes and writes them where they belong
 *
 * RUNS AS     coppice-log; system call filter: datagrams in, one sink out
 * HEARS       LOG (everybody, on the two log sockets); CONFIG CONFIG_COMMIT PING (supervisor)
 * SAYS        HELLO READY CONFIG_OK PONG (supervisor)
 * NEVER       believes a sender about its pid or uid: the kernel tells them
 * IF IT DIES  lines wait in the log sockets, which the supervisor keeps; the next reporter takes them
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "reporter/sink.h"

#define TRUSTED_FD     5
#define UNTRUSTED_FD   6
#define LINES_PER_WAKE 256

static struct sink sink;

/* One datagram into a record; SSH_OK, SSH_E_NOT_NOW when there is none. What breaks the rules is skipped, not fatal. */
static int receive(int fd, struct ipc_msg *m, uint8_t *bytes, size_t size, pid_t *pid)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(struct ucred))]; } control;
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n < 0)
		return SSH_E_NOT_NOW;
	*pid = 0;
	for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof who);
			*pid = who.pid;
		}
	if (n == 0 || bytes[0] != IPC_LOG || ipc_decode(m, bytes, (size_t)n) != SSH_OK)
		return SSH_E_FORMAT;
	return SSH_OK;
}

static void write_line(const struct ipc_LOG *m, int trusted, pid_t pid)
{
	char line[LOG_LINE_MAX + 1];
	struct record r = { .role = (enum ipc_role)m->role, .trusted = trusted, .pid = pid, .line = line };

	r.level = m->level >= LOGL_ERROR && m->level <= LOGL_TRACE ? (enum log_level)m->level : LOGL_INFO;
	/* Senders escape; whoever did not, does not get a second line out of it. */
	log_clean(line, sizeof line, m->line.p, m->line.len);
	sink_write(&sink, &r);
}

static void on_lines(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[LOG_LINE_MAX + 256];
	struct ipc_msg m;
	pid_t pid;

	(void)what, (void)arg;
	for (int i = 0; i < LINES_PER_WAKE; i++) {
		int r = receive(fd, &m, bytes, sizeof bytes, &pid);

		if (r == SSH_E_NOT_NOW)
			break;
		if (r == SSH_OK)
			write_line(&m.u.LOG, fd == TRUSTED_FD, pid);
	}
}

static void own_line(void *ctx, enum log_level level, const char *line)
{
	struct record r = { .level = level, .role = ROLE_REP, .trusted = 1, .pid = getpid(), .line = line };

	(void)ctx;
	sink_write(&sink, &r);
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

/* ---- configuration ---- */

struct settings { int facility; enum log_level level; };

static struct settings next;	/* accepted, waiting for the word to switch */

static int read_slice(const char *slice, size_t len, struct settings *to, struct conf_error *e)
{
	struct conf_values *v = NULL;
	struct conf *c = NULL;
	int r;

	snprintf(e->text, sizeof e->text, "out of memory");
	TRY(conf_parse(&c, view_of(slice, len), "reporter", e));
	r = conf_resolve(c, NULL, &v, e);
	conf_free(c);
	if (r < 0)
		return r;
	*to = (struct settings){ v->SyslogFacility, v->LogLevel };
	conf_values_free(v);
	return SSH_OK;
}

static int prepare(struct child *self, const char *slice, size_t len, char *why, size_t size)
{
	struct conf_error e;
	int r = read_slice(slice, len, &next, &e);

	(void)self;
	if (r < 0)
		snprintf(why, size, "%s", e.text);
	return r;
}

static void commit(struct child *self)
{
	(void)self;
	sink.facility = next.facility;
	log_set_level(next.level);
}

static void forget(struct child *self)
{
	(void)self;
}

int main(void)
{
	struct child self = { 0 };
	struct conf_error why;
	struct settings now;
	int r;

	child_begin(&self, ROLE_REP);
	self.prepare = prepare;
	self.commit = commit;
	self.forget = forget;
	if (read_slice(self.conf, self.conf_len, &now, &why) < 0) {
		log_ev(LOGL_ERROR, "reporter: %s", why.text);
		return 1;
	}
	sink_open(&sink, self.sink, now.facility);
	log_to(own_line, NULL);
	listen_to(&self, TRUSTED_FD);
	listen_to(&self, UNTRUSTED_FD);
	child_lock(&self, sandbox_reporter);
	child_ready(&self);
	r = child_run(&self);
	on_lines(TRUSTED_FD, 0, NULL);		/* what was said on the way down */
	on_lines(UNTRUSTED_FD, 0, NULL);
	return r;
}
