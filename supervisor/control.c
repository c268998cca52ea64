#include "supervisor/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "ipc/values.h"
#include "supervisor/detach.h"
#include "supervisor/effects.h"
#include "supervisor/grant.h"
#include "supervisor/listen.h"
#include "supervisor/report.h"

#define PACE_MS  2		/* a client's socket takes some 250 messages at a time */

struct control {
	struct daemon *d;
	int fd;
	char path[sizeof ((struct sockaddr_un *)0)->sun_path];
	struct event *readable;
	struct list clients;
	unsigned nclients;
};

/* One coppicectl, and how far its answer is. */
struct client {
	struct list link;
	struct control *c;
	struct link *wire;
	struct event *pace;
	uint64_t *ids;			/* nodes still to tell, depth first */
	size_t n, at;
};

static void client_free(struct client *k)
{
	list_remove(&k->link);
	k->c->nclients--;
	if (k->pace != NULL)
		event_free(k->pace);
	link_free(k->wire);
	free(k->ids);
	free(k);
}

/* ---- tree ----------------------------------------------------------------------------- */

static size_t count(const struct sup_node *n)
{
	size_t all = 1;

	LIST_EACH(l, &n->children)
		all += count(LIST_OF(l, struct sup_node, link));
	return all;
}

static void collect(struct client *k, const struct sup_node *n)
{
	k->ids[k->n++] = n->id;
	LIST_EACH(l, &n->children)
		collect(k, LIST_OF(l, struct sup_node, link));
}

static int tell_node(struct client *k, struct sup_node *n)
{
	const struct kid *kid = n->ctx;
	uint64_t now = clock_ms();
	struct ipc_CTL_NODE m = {
		.node = n->id, .parent = n->parent != NULL ? n->parent->id : 0, .kind = n->spec.kind == SUP_WORKER,
		.strategy = (uint8_t)n->spec.strategy, .restart = (uint8_t)n->spec.restart, .state = (uint8_t)n->state,
		.restarts = n->restarts, .intensity = n->spec.intensity, .period_s = n->spec.period_ms / 1000,
		.name = view_str(kid->name), .last_exit = view_str(kid->last_exit),
	};

	if (n->state != SUP_ST_DOWN)
		m.up_ms = now > kid->up_ms ? now - kid->up_ms : 0;
	if (n->parent == NULL)
		m.pid = (uint32_t)getpid();
	else if (kid->proc != NULL && kid->proc->pid > 0)
		m.pid = (uint32_t)kid->proc->pid;
	if (kid->session != NULL) {
		m.peer = kid->session->peer;
		m.user = view_str(kid->session->grant != NULL ? kid->session->grant->user : "");
	} else if (kid->listener != NULL) {
		m.peer = kid->listener->local;
	}
	return link_send(k->wire, IPC_CTL_NODE, &m);
}

static int done(struct client *k, int status, const char *text)
{
	return link_send(k->wire, IPC_CTL_DONE, &(struct ipc_CTL_DONE){ .status = (uint8_t)status, .text = view_str(text) });
}

/* As many nodes as the socket takes now. */
static int go_on(struct client *k)
{
	struct timeval tv = { 0, PACE_MS * 1000 };
	struct sup_node *n;

	while (k->at < k->n && link_queued(k->wire) == 0)
		if ((n = sup_find(k->c->d->tree, k->ids[k->at++])) != NULL && n->ctx != NULL && tell_node(k, n) < 0)
			return SSH_E_GONE;
	if (k->at == k->n) {
		free(k->ids);
		k->ids = NULL;
		k->n = k->at = 0;
		return done(k, 0, "");
	}
	return event_add(k->pace, &tv) < 0 ? SSH_E_NOMEM : SSH_OK;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	if (go_on(arg) < 0)
		client_free(arg);
}

static int tree(struct client *k)
{
	struct sup_node *root = sup_root(k->c->d->tree);

	if (k->ids != NULL)
		return SSH_E_RULE;	/* one question at a time */
	if ((k->ids = calloc(count(root), sizeof *k->ids)) == NULL)
		return done(k, 1, "out of memory");
	collect(k, root);
	return go_on(k);
}

/* ---- clients ------------------------------------------------------------------------------ */

static int on_request(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct client *k = ctx;
	int r;

	(void)l;
	switch (m->u.CTL_REQUEST.verb) {
	case CTL_TREE:
		return tree(k);
	case CTL_STOP:
		log_ev(LOGL_INFO, "coppicectl stop; terminating.");
		r = done(k, 0, "stopping");
		daemon_stop(k->c->d);
		return r;
	default:
		return done(k, 1, "unknown request");
	}
}

static void on_gone(struct link *l, int error, void *ctx)
{
	(void)l, (void)error;
	client_free(ctx);
}

static int may_speak(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == geteuid());
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	static const struct link_ops ops = { on_request, on_gone };
	struct control *c = arg;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *k;

	(void)what;
	if (s < 0)
		return;
	if (c->nclients >= CONTROL_CLIENTS_MAX || !may_speak(s) || (k = calloc(1, sizeof *k)) == NULL) {
		close(s);
		return;
	}
	k->c = c;
	list_add_tail(&c->clients, &k->link);
	c->nclients++;
	if (link_new(&k->wire, c->d->base, s, ROLE_SUP, ROLE_CTL, &ops, k) < 0
	    || (k->pace = evtimer_new(c->d->base, on_pace, k)) == NULL) {
		client_free(k);
		return;
	}
	link_enter(k->wire, W_UP);
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
static int somebody_answers(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return 0;
	r = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN;
	close(fd);
	return r;
}

static int bind_socket(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;
	mode_t old = umask(0177);
	int ok;

	ok = fd >= 0 && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0 && listen(fd, 16) == 0;
	saved = errno;
	umask(old);
	if (!ok && fd >= 0)
		close(fd);
	errno = saved;
	return ok ? fd : -1;
}

void control_open(struct daemon *d)
{
	const char *path = detach_control_path(d);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct control *c;
	struct stat st;

	if (path == NULL)
		return;
	if (strlen(path) >= sizeof at.sun_path || (c = calloc(1, sizeof *c)) == NULL) {
		log_ev(LOGL_ERROR, "control socket %s: path too long", path);
		return;
	}
	strcpy(at.sun_path, path);
	detach_make_folder(path, d->privileged ? 0755 : 0700);
	if (!folder_is_ours(path)) {
		log_ev(LOGL_ERROR, "control socket %s: the folder is missing, belongs to somebody else or is writable by all; coppicectl will not work", path);
		free(c);
		return;
	}
	if (somebody_answers(&at)) {
		log_ev(LOGL_ERROR, "control socket %s: another coppiced answers there; this one goes without", path);
		free(c);
		return;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	c->d = d;
	list_init(&c->clients);
	strcpy(c->path, path);
	if ((c->fd = bind_socket(&at)) < 0 || (c->readable = event_new(d->base, c->fd, EV_READ | EV_PERSIST, on_connect, c)) == NULL) {
		log_ev(LOGL_ERROR, "control socket %s: %s; coppicectl will not work", path, strerror(errno));
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return;
	}
	event_add(c->readable, NULL);
	d->control = c;
}

void control_close(struct daemon *d)
{
	struct control *c = d->control;

	if (c == NULL)
		return;
	while (!list_empty(&c->clients))
		client_free(LIST_OF(c->clients.next, struct client, link));
	event_free(c->readable);
	close(c->fd);
	unlink(c->path);
	free(c);
	d->control = NULL;
}
