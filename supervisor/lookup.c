#include "supervisor/lookup.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/spawn.h"

#define ANSWER_MAX (64u * 1024)
#define LIFE_S     60		/* of a child nobody ends */

struct lookup {
	struct daemon *d;
	pid_t pid;
	int fd;
	struct event *readable;
	struct buf answer;	/* 'a' and addresses, or 'e' and a sentence, to the end of the pipe */
	void (*done)(struct daemon *, struct addr *, size_t n, const char *why);
};

/* In the child. */
static void say(const void *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(1, p, n);

		if (w <= 0)
			_exit(1);
		p = (const char *)p + w;
		n -= (size_t)w;
	}
}

static void find(const struct conf_values *v, int out)
{
	struct conf_error e = { "" };
	struct addr *a;
	int at = 1;
	size_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_S);
	if (spawn_fds(&out, &at, 1) < 0 || close_range(3, ~0u, 0) < 0)
		_exit(1);
	spawn_unblock();
	if (conf_listeners(v, &a, &n, &e) < 0) {
		say("e", 1);
		say(e.text, strlen(e.text));
	} else {
		say("a", 1);
		say(a, n * sizeof *a);
	}
	_exit(0);
}

static void drop(struct lookup *l)
{
	if (l->readable != NULL)
		event_free(l->readable);
	close(l->fd);
	buf_drop(&l->answer);
	free(l);
}

static void finish(struct lookup *l)
{
	void (*done)(struct daemon *, struct addr *, size_t, const char *) = l->done;
	struct daemon *d = l->d;
	const uint8_t *p = buf_head(&l->answer);
	size_t len = buf_len(&l->answer), n = len > 0 ? (len - 1) / sizeof(struct addr) : 0;
	struct addr *a = NULL;
	char why[500] = "the names in ListenAddress could not be looked up";

	if (len > 1 && p[0] == 'a' && (len - 1) % sizeof *a == 0 && (a = calloc(n, sizeof *a)) != NULL)
		memcpy(a, p + 1, len - 1);
	else if (len > 1 && p[0] == 'e' && len - 1 < sizeof why)
		memcpy(why, p + 1, len - 1), why[len - 1] = '\0';
	drop(l);
	done(d, a, a != NULL ? n : 0, why);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	uint8_t *room = buf_reserve(&l->answer, 4096);
	ssize_t n = room != NULL ? read(fd, room, 4096) : 0;

	(void)what;
	if (n > 0)
		buf_commit(&l->answer, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		finish(l);
}

struct lookup *lookup_start(struct daemon *d, const struct conf_values *v, void (*done)(struct daemon *, struct addr *, size_t, const char *))
{
	struct lookup *l = calloc(1, sizeof *l);
	int p[2];

	if (l == NULL || pipe2(p, O_CLOEXEC) < 0) {
		free(l);
		return NULL;
	}
	l->d = d;
	l->done = done;
	l->fd = p[0];
	buf_init(&l->answer, ANSWER_MAX, NULL);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	l->readable = event_new(d->base, p[0], EV_READ | EV_PERSIST, on_readable, l);
	if (l->readable == NULL || event_add(l->readable, NULL) < 0 || (l->pid = spawn_fork()) < 0) {
		close(p[1]);
		drop(l);
		return NULL;
	}
	if (l->pid == 0)
		find(v, p[1]);
	close(p[1]);
	return l;
}

void lookup_cancel(struct lookup *l)
{
	if (l == NULL)
		return;
	kill(l->pid, SIGKILL);
	drop(l);
}
