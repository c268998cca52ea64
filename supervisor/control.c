#include "supervisor/control.h"

#include <errno.h>
#include <event2/event.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/verbs.h"
#include "supervisor/command.h"
#include "supervisor/detach.h"
#include "supervisor/held.h"

#define PACE_MS  2		/* a client's socket takes some 250 messages at a time */

struct control {
	struct daemon *d;
	int fd;
	char path[sizeof ((struct sockaddr_un *)0)->sun_path];
	struct event *readable;
	struct { int moves, fd; char path[sizeof ((struct sockaddr_un *)0)->sun_path]; } next;	/* fd -1: to nowhere */
	struct list clients;
	unsigned nclients;
	uint64_t last_client;
};

/* One coppicectl, and how far its answer is. */
struct client {
	struct list link;
	struct control *c;
	uint64_t id;
	struct link *wire;
	int asked;			/* a command that has not said client_done() */
	struct event *pace;
	int (*tell)(struct client *, uint64_t id);
	uint64_t *ids;			/* still to tell */
	size_t n, at;
	struct ucred who;
	void *kept;
	void (*drop)(void *);
};

void client_keep(struct client *k, void *ctx, void (*drop)(void *))
{
	void *old = k->kept;
	void (*old_drop)(void *) = k->drop;

	k->kept = ctx;
	k->drop = drop;
	if (old_drop != NULL)
		old_drop(old);
}

static void client_free(struct client *k)
{
	list_remove(&k->link);
	k->c->nclients--;
	client_keep(k, NULL, NULL);
	if (k->pace != NULL)
		event_free(k->pace);
	link_free(k->wire);
	free(k->ids);
	free(k);
}

/* ---- answers ------------------------------------------------------------------------------ */

struct daemon *client_daemon(const struct client *k)
{
	return k->c->d;
}

struct link *client_link(const struct client *k)
{
	return k->wire;
}

uint64_t client_id(const struct client *k)
{
	return k->id;
}

void client_end(struct client *k)
{
	client_free(k);
}

/* The system's own list is enough, and no name service is asked. */
const char *client_who(const struct client *k, char *out, size_t size)
{
	FILE *f = k->who.uid == 0 ? NULL : fopen("/etc/passwd", "re");
	const struct passwd *p = NULL;

	while (f != NULL && (p = fgetpwent(f)) != NULL && p->pw_uid != k->who.uid)
		;
	snprintf(out, size, "%.40s (uid %u, pid %d)", k->who.uid == 0 ? "root" : p != NULL ? p->pw_name : "unknown",
	    (unsigned)k->who.uid, (int)k->who.pid);
	if (f != NULL)
		fclose(f);
	return out;
}

struct client *client_find(struct daemon *d, uint64_t id)
{
	if (d->control == NULL)
		return NULL;
	LIST_EACH(l, &d->control->clients)
		if (LIST_OF(l, struct client, link)->id == id)
			return LIST_OF(l, struct client, link);
	return NULL;
}

int client_row(struct client *k, const char *kind, struct buf *b, int r)
{
	struct ipc_CTL_ROW m = { .kind = view_str(kind), .fields = view_of(buf_head(b), buf_len(b)) };

	if (r == SSH_OK)
		r = link_send(k->wire, IPC_CTL_ROW, &m);
	buf_truncate(b, 0);
	return r;
}

int client_done(struct client *k, int status, const char *format, ...)
{
	char text[1000];
	struct ipc_CTL_DONE m = { .status = (uint8_t)status };
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	m.text = view_str(text);
	k->asked = 0;
	return link_send(k->wire, IPC_CTL_DONE, &m);
}

static int go_on(struct client *k)
{
	struct timeval tv = { 0, PACE_MS * 1000 };

	while (k->at < k->n && link_queued(k->wire) == 0)
		if (k->tell(k, k->ids[k->at++]) < 0)
			return SSH_E_GONE;
	if (k->at < k->n)
		return event_add(k->pace, &tv) < 0 ? SSH_E_NOMEM : SSH_OK;
	free(k->ids);
	k->ids = NULL;
	k->n = k->at = 0;
	return client_done(k, 0, "%s", "");
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	if (go_on(arg) < 0)
		client_free(arg);
}

int client_each(struct client *k, uint64_t *ids, size_t n, int (*tell)(struct client *, uint64_t id))
{
	free(k->ids);
	k->ids = ids;
	k->n = n;
	k->at = 0;
	k->tell = tell;
	return go_on(k);
}

/* ---- clients ------------------------------------------------------------------------------ */

typedef int command_fn(struct client *, const struct ipc_CTL_REQUEST *);

static command_fn *const commands[] = {
#define VERB(number, NAME, name, arguments, meaning) [number] = command_##NAME,
#include "ipc/verbs.def"
#undef VERB
};

/* Who changes something stands in the log, also when it is refused. */
static void note(const struct client *k, const struct ipc_CTL_REQUEST *q)
{
	const struct verb *v = verb_by_number(q->verb);
	char who[80], text[200];
	size_t n = q->text.len;

	if (v == NULL || !(verb_is(q->verb, VERB_CHANGES) || (n > 0 && verb_is(q->verb, VERB_SETS))))
		return;
	if (verb_is(q->verb, VERB_QUIET) && n > 0 && memchr(q->text.p, ' ', n) != NULL)
		n = (size_t)((const uint8_t *)memchr(q->text.p, ' ', n) - q->text.p);
	log_ev(LOGL_INFO, "ev=ctl verb=%s by=\"%s\"%s%s", v->name, client_who(k, who, sizeof who), n > 0 ? " args=" : "",
	    log_escape(text, sizeof text, q->text.p, n));
}

static int on_request(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct client *k = ctx;
	const struct ipc_CTL_REQUEST *q = &m->u.CTL_REQUEST;

	(void)l;
	if (k->asked)
		return SSH_E_RULE;	/* one question at a time */
	k->asked = 1;
	if (q->verb >= sizeof commands / sizeof commands[0] || commands[q->verb] == NULL)
		return client_done(k, 1, "this daemon does not know that command");
	note(k, q);
	return commands[q->verb](k, q);
}

static void on_gone(struct link *l, int error, void *ctx)
{
	(void)l, (void)error;
	client_free(ctx);
}

static int may_speak(int fd, struct ucred *who)
{
	socklen_t len = sizeof *who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &len) == 0 && (who->uid == 0 || who->uid == geteuid());
}

/* fd is taken, also on failure. */
static struct client *client_new(struct control *c, int s, const struct ucred *who)
{
	static const struct link_ops ops = { on_request, on_gone };
	struct client *k = calloc(1, sizeof *k);

	if (k == NULL) {
		close(s);
		return NULL;
	}
	k->c = c;
	k->who = *who;
	k->id = ++c->last_client;
	list_add_tail(&c->clients, &k->link);
	c->nclients++;
	if (link_new(&k->wire, c->d->base, s, ROLE_SUP, ROLE_CTL, &ops, k) < 0
	    || (k->pace = evtimer_new(c->d->base, on_pace, k)) == NULL) {
		client_free(k);
		return NULL;
	}
	link_enter(k->wire, W_UP);
	return k;
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who;

	(void)what;
	if (s < 0)
		return;
	if (c->nclients >= CONTROL_CLIENTS_MAX || !may_speak(s, &who))
		close(s);
	else
		client_new(c, s, &who);
}

int control_fd(const struct daemon *d)
{
	return d->control != NULL ? d->control->fd : -1;
}

int control_client_fd(struct daemon *d, uint64_t id)
{
	struct client *k = client_find(d, id);

	return k != NULL ? link_fd(k->wire) : -1;
}

struct client *control_take_client(struct daemon *d, int fd)
{
	struct ucred who = { 0 };
	struct client *k;

	if (!may_speak(fd, &who)) {
		close(fd);
		return NULL;
	}
	k = client_new(d->control, fd, &who);

	if (k != NULL)
		k->asked = 1;
	return k;
}

/* ---- the socket ----------------------------------------------------------------------------- */

/* In a folder of somebody else the socket could be replaced under coppicectl's nose. */
static int folder_is_ours(const char *path)
{
	char dir[PLACE_MAX];
	struct stat st;
	char *slash;

	snprintf(dir, sizeof dir, "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL || slash == dir)
		return 1;
	*slash = '\0';
	if (stat(dir, &st) < 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return 0;
	return !(st.st_mode & S_IWOTH) || (st.st_mode & S_ISVTX);
}

/* A socket file nobody listens on is what a killed daemon left; one that answers belongs to another daemon. */
static int somebody_answers(const struct sockaddr_un *at, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return 0;
	r = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN;
	close(fd);
	return r;
}

static int bind_at(const struct sockaddr_un *at, int type, unsigned mode)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;
	mode_t old = umask(0777 & ~(mode_t)mode);
	int ok;

	ok = fd >= 0 && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0 && listen(fd, 16) == 0;
	saved = errno;
	umask(old);
	if (!ok && fd >= 0)
		close(fd);
	errno = saved;
	return ok ? fd : -1;
}

int control_bind(const struct sockaddr_un *at)
{
	return bind_at(at, SOCK_SEQPACKET, 0600);
}

int control_stream(const struct daemon *d, const char *path, unsigned mode)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof at.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(at.sun_path, path);
	detach_make_folder(path, 0755);
	if (d->resume == NULL && somebody_answers(&at, SOCK_STREAM)) {
		errno = EADDRINUSE;
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	return bind_at(&at, SOCK_STREAM, mode);
}

/* A listening socket at path, or -1 and a sentence. */
static int open_socket(struct daemon *d, const char *path, char *why, size_t size)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof at.sun_path) {
		snprintf(why, size, "control socket %s: path too long", path);
		return -1;
	}
	strcpy(at.sun_path, path);
	detach_make_folder(path, d->privileged ? 0755 : 0700);
	if (!folder_is_ours(path)) {
		snprintf(why, size, "control socket %s: the folder is missing, belongs to somebody else or is writable by all", path);
		return -1;
	}
	if (somebody_answers(&at, SOCK_SEQPACKET)) {
		snprintf(why, size, "control socket %s: another coppiced answers there", path);
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	if ((fd = control_bind(&at)) < 0)
		snprintf(why, size, "control socket %s: %s", path, strerror(errno));
	return fd;
}

static void stop_listening(struct control *c)
{
	if (c->readable != NULL)
		event_free(c->readable);
	c->readable = NULL;
	if (c->fd >= 0) {
		close(c->fd);
		unlink(c->path);
	}
	c->fd = -1;
	c->path[0] = '\0';
}

static int listen_on(struct control *c, int fd, const char *path)
{
	if ((c->readable = event_new(c->d->base, fd, EV_READ | EV_PERSIST, on_connect, c)) == NULL)
		return SSH_E_NOMEM;
	c->fd = fd;
	strcpy(c->path, path);
	return event_add(c->readable, NULL) < 0 ? SSH_E_NOMEM : SSH_OK;
}

static struct control *control_new(struct daemon *d)
{
	struct control *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->d = d;
	c->fd = c->next.fd = -1;
	list_init(&c->clients);
	return d->control = c;
}

void control_open(struct daemon *d)
{
	const char *path = detach_control_path(d, d->values);
	struct control *c = control_new(d);
	char why[PLACE_MAX + 200];
	int fd;

	if (path == NULL || c == NULL)
		return;
	fd = d->held != NULL ? held_take(d->held, KEPT_DAEMON, 0, DAEMON_CONTROL) : -1;
	if (fd < 0 && (fd = open_socket(d, path, why, sizeof why)) < 0)
		log_ev(LOGL_ERROR, "%s; coppicectl will not work", why);
	else if (listen_on(c, fd, path) < 0)
		log_ev(LOGL_ERROR, "control socket %s: %s", path, err_text(SSH_E_NOMEM));
}

/* ---- a socket that moves ---- */

int control_prepare(struct daemon *d, const struct conf_values *v, char *why, size_t size)
{
	const char *path = detach_control_path(d, v), *was = detach_control_path(d, d->values);
	struct control *c = d->control;

	if (c == NULL || path == was || (path != NULL && was != NULL && strcmp(path, was) == 0))
		return SSH_OK;
	control_forget(d);
	if (path != NULL && (c->next.fd = open_socket(d, path, why, size)) < 0)
		return SSH_E_CONFIG;
	snprintf(c->next.path, sizeof c->next.path, "%s", path != NULL ? path : "");
	c->next.moves = 1;
	return SSH_OK;
}

/* Who is connected stays. */
void control_commit(struct daemon *d)
{
	struct control *c = d->control;

	if (c == NULL || !c->next.moves)
		return;
	stop_listening(c);
	if (c->next.fd >= 0 && listen_on(c, c->next.fd, c->next.path) < 0)
		log_ev(LOGL_ERROR, "control socket %s: %s", c->next.path, err_text(SSH_E_NOMEM));
	c->next.fd = -1;
	c->next.moves = 0;
}

void control_forget(struct daemon *d)
{
	struct control *c = d->control;

	if (c == NULL || !c->next.moves)
		return;
	if (c->next.fd >= 0) {
		close(c->next.fd);
		unlink(c->next.path);
	}
	c->next.fd = -1;
	c->next.moves = 0;
}

void control_close(struct daemon *d)
{
	struct control *c = d->control;

	if (c == NULL)
		return;
	while (!list_empty(&c->clients))
		client_free(LIST_OF(c->clients.next, struct client, link));
	control_forget(d);
	stop_listening(c);
	free(c);
	d->control = NULL;
}
