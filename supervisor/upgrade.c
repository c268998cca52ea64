#include "supervisor/upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/control.h"
#include "supervisor/handoff.h"
#include "supervisor/proc.h"
#include "supervisor/replace.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"
#include "supervisor/state_codec.h"
#include "supervisor/upgrade_exec.h"

#define REST_AGAIN_MS 10

struct upgrade {
	struct daemon *d;
	uint64_t client;
	char path[PLACE_MAX];
	pid_t pid;			/* of --can-resume */
	int reaped, wstatus, out;
	struct event *readable, *timer;
	uint64_t deadline;
	char text[4096];		/* what it said */
	size_t len;
	unsigned format;
	char version[40];
};

/* ---- words ------------------------------------------------------------------------------ */

void upgrade_can_resume(void)
{
	printf("coppice %s state %u-%u proto %u\n", program_version.name, program_version.oldest, program_version.format, IPC_PROTO);
}

static void upgrade_free(struct upgrade *u)
{
	if (u->pid > 0 && !u->reaped)
		kill(u->pid, SIGKILL);	/* reaped as a stranger */
	if (u->readable != NULL)
		event_free(u->readable);
	if (u->timer != NULL)
		event_free(u->timer);
	if (u->out >= 0)
		close(u->out);
	u->d->upgrade = NULL;
	handoffs_resume(u->d);
	free(u);
}

static void refuse(struct upgrade *u, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct upgrade *u, const char *format, ...)
{
	struct client *c = client_find(u->d, u->client);
	char text[900];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	log_ev(LOGL_ERROR, "ev=upgrade refused: %s", text);
	if (c != NULL)
		client_done(c, 1, "upgrade refused: %s", text);
	upgrade_free(u);
}

void upgrade_drop(struct daemon *d)
{
	if (d->upgrade != NULL)
		upgrade_free(d->upgrade);
}

int upgrade_row(const struct daemon *d, struct buf *b)
{
	struct wr w = wr_to(b);

	row_text(&w, "version", program_version.name);
	row_number(&w, "pid", getpid());
	row_text(&w, "program", d->program_path);
	row_number(&w, "began", (int64_t)d->began);
	row_number(&w, "upgraded", (int64_t)d->upgraded);
	row_number(&w, "upgrades", d->upgrades);
	row_text(&w, "from", d->came_from);
	row_number(&w, "adoptions", d->adoptions);
	row_bool(&w, "replacing", replace_under_way(d));
	return wr_done(&w);
}

/* ---- at rest --------------------------------------------------------------------------------- */

/* What an upgrade has to wait for, or NULL. */
static const char *not_at_rest(const struct daemon *d)
{
	struct session *s;
	size_t at = 0;

	if (d->replace != NULL || d->nursery.next != NULL)
		return "helpers are being replaced";
	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);

		if (p->ending || p->kid == NULL)
			continue;
		if (!p->is_ready && p->role != ROLE_CONN && p->role != ROLE_WRK)
			return "a helper is starting";
		if (p->link != NULL && link_queued(p->link) > 0)
			return "a process does not read what it is told";
	}
	while ((s = table_next(&d->sessions, &at)) != NULL)
		if (s->nparked > 0)
			return "a login is at its last step";
	return NULL;
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct timeval again = { 0, REST_AGAIN_MS * 1000 };
	struct upgrade *u = arg;
	const char *why;

	(void)fd, (void)what;
	if (u->d->stopping) {
		refuse(u, "the daemon ends");
		return;
	}
	handoffs_suspend(u->d);		/* first: what was held back for them may have to wait in their links */
	if ((why = not_at_rest(u->d)) != NULL) {
		if (clock_ms() > u->deadline)
			refuse(u, "%s, for %u s", why, UPGRADE_REST_MS / 1000);
		else
			event_add(u->timer, &again);
		return;
	}
	log_ev(LOGL_INFO, "ev=upgrade %s takes over from %s: %s", u->version, program_version.name, u->path);
	if (upgrade_exec(u->d, u->path, u->format, u->client) < 0)	/* returns only then */
		refuse(u, "%s: %s", u->path, strerror(errno));
}

/* ---- may it? ----------------------------------------------------------------------------------- */

/* The last line it said, without its end: what an error is usually in. */
static const char *last_words(struct upgrade *u)
{
	char *at;

	while (u->len > 0 && u->text[u->len - 1] == '\n')
		u->len--;
	u->text[u->len] = '\0';
	at = strrchr(u->text, '\n');
	return log_clean(u->text, sizeof u->text, (const uint8_t *)(at != NULL ? at + 1 : u->text), strlen(at != NULL ? at + 1 : u->text));
}

static void checked(struct upgrade *u)
{
	struct timeval now = { 0, 0 };
	unsigned oldest = 0, newest = 0, proto = 0;

	u->text[u->len] = '\0';
	if (!WIFEXITED(u->wstatus) || WEXITSTATUS(u->wstatus) != 0) {
		refuse(u, "%s --can-resume: %s", u->path, u->len > 0 ? last_words(u) : "it failed");
		return;
	}
	if (sscanf(u->text, "coppice %39s state %u-%u proto %u", u->version, &oldest, &newest, &proto) != 4) {
		refuse(u, "%s is no coppiced that can take over", u->path);
		return;
	}
	if (proto != IPC_PROTO) {
		refuse(u, "version %s speaks protocol %u with its helpers, the ones that run speak %u", u->version, proto, IPC_PROTO);
		return;
	}
	if ((u->format = state_format_for(oldest, newest)) == 0) {
		refuse(u, "version %s reads state formats %u to %u, this one writes %u to %u", u->version, oldest, newest, program_version.oldest,
		    program_version.format);
		return;
	}
	u->deadline = clock_ms() + UPGRADE_REST_MS;
	event_free(u->timer);
	if ((u->timer = evtimer_new(u->d->base, on_rest, u)) == NULL || event_add(u->timer, &now) < 0)
		refuse(u, "out of memory");
}

int upgrade_reaped(struct daemon *d, pid_t pid, int wstatus)
{
	struct upgrade *u = d->upgrade;

	if (u == NULL || u->pid != pid || u->reaped)
		return 0;
	u->reaped = 1;
	u->wstatus = wstatus;
	if (u->out < 0)
		checked(u);
	return 1;
}

static void on_words(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade *u = arg;
	char rest[512];
	size_t room = sizeof u->text - 1 - u->len;
	ssize_t n = read(fd, room > 0 ? u->text + u->len : rest, room > 0 ? room : sizeof rest);

	(void)what;
	if (n > 0) {
		u->len += room > 0 ? (size_t)n : 0;
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	event_free(u->readable);
	u->readable = NULL;
	close(u->out);
	u->out = -1;
	if (u->reaped)
		checked(u);
}

static void on_too_long(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade *u = arg;

	(void)fd, (void)what;
	refuse(u, "%s --can-resume: no answer in %u s", u->path, UPGRADE_CHECK_MS / 1000);
}

/* In the child. */
static void ask_program(const struct upgrade *u, int out)
{
	int fds[2] = { out, out }, at[2] = { 1, 2 };
	char **argv = upgrade_argv(u->d, u->path, "--can-resume");
	size_t n = 0;

	for (char **e = u->d->environment; *e != NULL; e++)	/* what it says is for us, not for the service manager */
		if (strncmp(*e, "NOTIFY_SOCKET=", 14) != 0)
			u->d->environment[n++] = *e;
	u->d->environment[n] = NULL;

	if (argv == NULL || spawn_fds(fds, at, 2) < 0)
		_exit(126);
	spawn_unblock();
	execve(u->path, argv, u->d->environment);
	dprintf(2, "%s\n", strerror(errno));
	_exit(127);
}

static int start(struct upgrade *u)
{
	struct timeval tv = { UPGRADE_CHECK_MS / 1000, 0 };
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return SSH_E_SYS;
	u->out = p[0];
	if ((u->pid = spawn_fork()) == 0)
		ask_program(u, p[1]);
	close(p[1]);
	if (u->pid < 0)
		return SSH_E_SYS;
	u->readable = event_new(u->d->base, u->out, EV_READ | EV_PERSIST, on_words, u);
	u->timer = evtimer_new(u->d->base, on_too_long, u);
	if (u->readable == NULL || u->timer == NULL || event_add(u->readable, NULL) < 0 || event_add(u->timer, &tv) < 0)
		return SSH_E_NOMEM;
	return SSH_OK;
}

void upgrade_ask(struct daemon *d, const char *path, uint64_t client)
{
	struct client *c = client_find(d, client);
	struct upgrade *u;

	if (d->upgrade != NULL || d->stopping || !d->up || d->opt.inetd || (u = calloc(1, sizeof *u)) == NULL) {
		log_ev(LOGL_ERROR, "ev=upgrade refused: another one is under way, or the daemon is not up");
		if (c != NULL)
			client_done(c, 1, "upgrade refused: another one is under way, or the daemon is not up");
		return;
	}
	d->upgrade = u;
	u->d = d;
	u->client = client;
	u->out = -1;
	snprintf(u->path, sizeof u->path, "%s", path != NULL && path[0] != '\0' ? path : d->program_path);
	if (u->path[0] != '/')
		refuse(u, "%s is no absolute path", u->path);
	else if (start(u) < 0)
		refuse(u, "%s", strerror(errno));
}

int command_UPGRADE(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	char path[PLACE_MAX];

	snprintf(path, sizeof path, "%.*s", (int)q->text.len, (const char *)q->text.p);
	upgrade_ask(client_daemon(c), path, client_id(c));
	return SSH_OK;
}

int command_UPGRADES(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	struct buf b;
	int r;

	(void)q;
	buf_init(&b, ROW_BYTES_MAX, NULL);
	r = client_row(c, "daemon", &b, upgrade_row(client_daemon(c), &b));
	buf_drop(&b);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}

/* ---- in the new program --------------------------------------------------------------------------- */

static void on_replaced(struct daemon *d)
{
	handoff_all(d);		/* those that are on the old program move, one by one */
}

void upgrade_done(struct daemon *d)
{
	struct client *c = upgrade_client(d);

	if (d->opt.back) {
		log_ev(LOGL_ERROR, "ev=upgrade failed: the new program could not take over; %s goes on", program_version.name);
		if (c != NULL)
			client_done(c, 1, "upgrade failed: the new program could not take over; version %s goes on", program_version.name);
		return;
	}
	d->upgrades++;
	d->upgraded = (uint64_t)time(NULL);
	log_ev(LOGL_INFO, "ev=upgrade done: version %s took over from %s", program_version.name, d->came_from);
	if (c != NULL)
		client_done(c, 0, "version %s took over from %s; helpers are replaced one by one", program_version.name, d->came_from);
	replace_all(d, on_replaced);
}
