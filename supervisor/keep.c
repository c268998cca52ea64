#include "supervisor/keep.h"
#include "supervisor/control.h"
#include "supervisor/health.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/detach.h"
#include "supervisor/journal.h"
#include "supervisor/listen.h"
#include "supervisor/proc.h"
#include "supervisor/reload.h"
#include "supervisor/session.h"
#include "supervisor/timer.h"

#define PACE_MS      2
#define QUEUE_HIGH   128u	/* messages: then the rest is told later, one after the other */
#define DYING_MS     2000	/* the kernel may need a moment to close what a killed supervisor had open */
#define TOLD_ALL     UINT64_MAX
#define ANSWER_MS    10000
#define GONE_MS      100	/* dead processes are told together: each message alone would wake the keeper */
#define GONE_MAX     32u

struct keep {
	struct daemon *d;
	int door;
	char path[sizeof ((struct sockaddr_un *)0)->sun_path];
	uint64_t cursor;		/* the keeper knows of processes up to this serial; TOLD_ALL: of all */
	struct event *pace;
	struct event *gone_due;
	uint64_t gone[GONE_MAX];	/* serials of processes that it may let go */
	unsigned ngone;
};

/* ---- the socket ------------------------------------------------------------------------ */

/* Beside the control socket; two daemons that have different ones have different keepers. */
static int path_of(const struct daemon *d, char *out, size_t size)
{
	const char *control = detach_control_path(d, d->values), *slash;

	if (control == NULL || d->opt.inetd || d->values->KeeperTime == 0)
		return SSH_E_CONFIG;
	slash = strrchr(control, '/');
	if (slash != NULL && strcmp(slash, "/control") == 0)
		return snprintf(out, size, "%.*s/keeper", (int)(slash - control), control) < (int)size ? SSH_OK : SSH_E_CONFIG;
	return snprintf(out, size, "%s.keeper", control) < (int)size ? SSH_OK : SSH_E_CONFIG;
}

int keep_wanted(const struct daemon *d)
{
	char path[sizeof ((struct sockaddr_un *)0)->sun_path];

	return path_of(d, path, sizeof path) == SSH_OK;
}

static int bind_door(const struct sockaddr_un *at)
{
	struct stat st;

	if (lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(at->sun_path);
	return control_bind(at);
}

static void on_pace(evutil_socket_t fd, short what, void *arg);
static void on_gone_due(evutil_socket_t fd, short what, void *arg);

static void keep_free(struct keep *k)
{
	if (k->pace != NULL)
		event_free(k->pace);
	if (k->gone_due != NULL)
		event_free(k->gone_due);
	free(k);
}

int keep_open(struct daemon *d)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct keep *k;
	int door = -1;

	if (path_of(d, at.sun_path, sizeof at.sun_path) < 0 || d->keep_refused)
		return SSH_E_CONFIG;
	if ((k = calloc(1, sizeof *k)) == NULL)
		return SSH_E_NOMEM;
	k->d = d;
	memcpy(k->path, at.sun_path, sizeof k->path);
	k->pace = evtimer_new(d->base, on_pace, k);
	k->gone_due = evtimer_new(d->base, on_gone_due, k);
	if (d->held != NULL)
		door = held_take(d->held, KEPT_DAEMON, 0, DAEMON_DOOR);
	if (door < 0) {
		detach_make_folder(k->path, d->privileged ? 0755 : 0700);
		door = bind_door(&at);
	}
	if (door < 0 || k->pace == NULL || k->gone_due == NULL) {
		log_ev(LOGL_ERROR, "keeper's socket %s: %s; sessions will not outlive a killed supervisor", k->path, strerror(errno));
		if (door >= 0)
			close(door);
		keep_free(k);
		return SSH_E_SYS;
	}
	k->door = door;
	d->keep = k;
	return SSH_OK;
}

int keep_door(const struct daemon *d)
{
	return d->keep != NULL ? d->keep->door : -1;
}

void keep_close(struct daemon *d)
{
	struct keep *k = d->keep;

	if (k == NULL)
		return;
	d->keep = NULL;
	close(k->door);
	unlink(k->path);
	keep_free(k);
}

/* ---- what it holds -------------------------------------------------------------------------- */

static struct link *keeper_link(const struct daemon *d)
{
	struct proc *p = d->keep != NULL && d->tree != NULL ? proc_of((struct daemon *)(uintptr_t)d, KID_KEEPER) : NULL;

	return p != NULL ? p->link : NULL;
}

static void keep(struct daemon *d, struct link *l, enum kept_kind kind, uint64_t id, const int *fd, int slots)
{
	struct ipc_KEEP m = { .kind = (uint8_t)kind, .id = id };
	int fds[HELD_SLOTS], n = 0, r;

	for (int i = 0; i < slots; i++)
		if (fd[i] >= 0) {
			m.slots |= (uint8_t)(1u << i);
			fds[n++] = fd[i];
		}
	r = link_lend_fds(l, IPC_KEEP, &m, fds, n);
	if (r < 0 && r != SSH_E_GONE) {
		/* What it holds now is not what it should hold: a new one is filled from the beginning. */
		log_ev(LOGL_ERROR, "ev=keeper cannot be told: %s", err_text(r));
		proc_starve(proc_of(d, KID_KEEPER));
	}
}

static void tell_proc(struct link *l, struct proc *p)
{
	const struct session *s = p->role == ROLE_CONN && p->pid == 0 && p->kid != NULL ? p->kid->session : NULL;
	int fd[PROC_SLOTS] = { -1, p->pidfd, s != NULL ? s->sock[0] : -1, s != NULL ? s->sock[1] : -1, p->box };

	/* Its own link would keep it from ever seeing its end. */
	if (p->link != NULL && p->role != ROLE_KEEP)
		fd[PROC_LINK] = link_fd(p->link);
	else if (p->order >= 0)
		fd[PROC_LINK] = p->order;
	keep(p->d, l, KEPT_PROC, p->serial, fd, PROC_SLOTS);
}

/* Those it does not know yet, as many as its socket takes; the others in a moment. */
static void tell_procs(struct keep *k)
{
	struct link *l = keeper_link(k->d);

	if (l == NULL)
		return;
	LIST_EACH(at, &k->d->procs) {
		struct proc *p = LIST_OF(at, struct proc, all);

		if (p->serial <= k->cursor)
			continue;
		if (link_queued(l) > 0) {
			timer_start(k->pace, PACE_MS);
			return;
		}
		k->cursor = p->serial;
		tell_proc(l, p);
	}
	k->cursor = TOLD_ALL;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	tell_procs(arg);
}

static void tell_logs(struct daemon *d, struct link *l)
{
	int fd[4] = { d->log_trusted.send, d->log_trusted.receive, d->log_untrusted.send, d->log_untrusted.receive };

	keep(d, l, KEPT_LOGS, 0, fd, 4);
}

static void keep_one(struct daemon *d, enum kept_kind kind, int fd)
{
	struct link *l = keeper_link(d);

	if (l != NULL && fd >= 0)
		keep(d, l, kind, 0, &fd, 1);
}

void keep_journal(struct daemon *d)
{
	keep_one(d, KEPT_JOURNAL, d->journal != NULL ? journal_fd(d->journal) : -1);
}

void keep_before(struct daemon *d)
{
	keep_one(d, KEPT_BEFORE, reload_before(d));
}

void keep_boxes(struct daemon *d)
{
	keep_one(d, KEPT_BOXES, d->boxes.fd);
}

static void tell_door(struct keep *k, struct link *l)
{
	int fd[DAEMON_SLOTS] = { -1, k->door, -1, -1, -1, k->d->metrics, health_fd(k->d) };

	link_lend_fds(l, IPC_KEEP_DOOR, &(struct ipc_KEEP_DOOR){ .wait_s = (uint32_t)k->d->values->KeeperTime }, &k->door, 1);
	keep(k->d, l, KEPT_DAEMON, 0, fd, DAEMON_SLOTS);	/* the next supervisor need not make others, or cannot */
}

void keep_places(struct daemon *d)
{
	struct link *l = keeper_link(d);

	if (l != NULL)
		tell_door(d->keep, l);
}

void keep_ready(struct proc *p)
{
	struct daemon *d = p->d;
	struct keep *k = d->keep;

	if (k == NULL || keeper_link(d) != p->link)
		return;
	tell_door(k, p->link);
	tell_logs(d, p->link);
	LIST_EACH(at, &d->listeners)
		keep_listener(LIST_OF(at, struct listener, link));
	/* The journal goes last: until it is there, whoever knocks finds nothing to build on. */
	k->cursor = 0;
	tell_procs(k);
	keep_before(d);
	keep_boxes(d);
	keep_journal(d);
}

void keep_adopted(struct daemon *d)
{
	struct link *l = keeper_link(d);

	if (l == NULL)
		return;		/* a new one is filled when it is READY */
	d->keep->cursor = TOLD_ALL;
	tell_door(d->keep, l);
	LIST_EACH(at, &d->listeners)
		keep_listener(LIST_OF(at, struct listener, link));
	for (size_t i = 0; i < d->held->n; i++) {
		const struct held_name *h = &d->held->v[i];
		struct proc *p = h->kind == KEPT_PROC ? proc_by_serial(d, h->id) : NULL;
		int left = 0;

		for (int s = 0; s < HELD_SLOTS; s++)
			left |= h->fd[s] >= 0;
		if (left && p != NULL)
			tell_proc(l, p);
		else if (left && h->kind != KEPT_DAEMON)
			keep_drop(d, h->kind, h->id);
	}
	tell_logs(d, l);
	keep_before(d);
	keep_boxes(d);
	keep_journal(d);
}

void keep_leave(struct proc *p, int why)
{
	if (p->link != NULL)
		link_send(p->link, IPC_KEEPER_LEAVE, &(struct ipc_KEEPER_LEAVE){ .why = (uint8_t)why });
}

void keep_proc(struct proc *p)
{
	struct link *l = keeper_link(p->d);
	struct keep *k = p->d->keep;

	if (l == NULL || p->serial > k->cursor)
		return;		/* its turn comes */
	if (link_queued(l) > QUEUE_HIGH && k->cursor == TOLD_ALL) {
		k->cursor = p->serial - 1;
		timer_start(k->pace, PACE_MS);
		return;
	}
	tell_proc(l, p);
}

void keep_listener(struct listener *at)
{
	struct link *l = keeper_link(at->d);

	if (l != NULL && at->fd >= 0)
		keep(at->d, l, KEPT_LISTENER, at->id, &at->fd, 1);
}

void keep_drop(struct daemon *d, enum kept_kind kind, uint64_t id)
{
	struct link *l = keeper_link(d);

	if (l != NULL)
		keep(d, l, kind, id, NULL, 0);
}

static void tell_gone(struct keep *k)
{
	unsigned n = k->ngone;

	k->ngone = 0;
	event_del(k->gone_due);
	for (unsigned i = 0; i < n; i++)
		keep_drop(k->d, KEPT_PROC, k->gone[i]);
}

static void on_gone_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	tell_gone(arg);
}

void keep_gone(struct proc *p)
{
	struct keep *k = p->d->keep;

	if (keeper_link(p->d) == NULL)
		return;
	if (p->pid <= 0 || p->pidfd < 0) {	/* it may have the client's socket, who must not wait for his end */
		keep_drop(p->d, KEPT_PROC, p->serial);
		return;
	}
	k->gone[k->ngone++] = p->serial;
	if (k->ngone == GONE_MAX)
		tell_gone(k);
	else if (k->ngone == 1)
		timer_start(k->gone_due, GONE_MS);
}

/* ---- the one we find at start ------------------------------------------------------------------ */

static int knock(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	/* Two may be behind that door, when one was just being replaced: the kernel tells which of them opens. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0)
		return fd;
	close(fd);
	return -1;
}

static int take(struct held *held, struct ipc_msg *m)
{
	int fd[HELD_SLOTS] = { -1, -1, -1, -1, -1, -1, -1, -1 }, n = 0;

	if (__builtin_popcount(m->u.KEPT.slots) != m->nfds)
		return SSH_E_RULE;
	for (int i = 0; i < HELD_SLOTS; i++)
		if (m->u.KEPT.slots & 1u << i)
			fd[i] = ipc_take_fd(m, n++);
	return held_put(held, (enum kept_kind)m->u.KEPT.kind, m->u.KEPT.id, fd);
}

/* SSH_OK: it is ours. SSH_E_NOT_NOW: it has an owner. */
static int take_all(int fd, struct held *held, pid_t *who)
{
	uint8_t *storage = malloc(IPC_MESSAGE_MAX);
	struct ipc_msg m;
	int r = storage != NULL ? SSH_OK : SSH_E_NOMEM;

	while (r == SSH_OK && (r = link_wait(fd, ROLE_SUP, ROLE_KEEP, W_UP, ANSWER_MS, &m, storage)) == SSH_OK) {
		if (m.type == IPC_KEPT) {
			r = take(held, &m);
			ipc_close_fds(&m);
			continue;
		}
		ipc_close_fds(&m);
		*who = m.sender;
		if (m.type == IPC_KEPT_END)
			break;
	}
	if (r == SSH_OK && m.u.KEPT_END.status != 0)
		r = SSH_E_NOT_NOW;
	free(storage);
	return r;
}

/* A successor that was not told everything when its supervisor died; the one before it may be there, too. */
static int knows_nothing(int fd, struct held *held)
{
	static const struct ipc_KEEPER_LEAVE m = { .why = 1 };

	if (held_look(held, KEPT_JOURNAL, 0, 0) >= 0)
		return 0;
	link_say(fd, ROLE_SUP, ROLE_KEEP, W_UP, IPC_KEEPER_LEAVE, &m, NULL, 0);
	return 1;
}

enum keep_found keep_find(struct daemon *d, struct held *held, int *fd, pid_t *who)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int waited = 0, empty = 0, r;

	if (path_of(d, at.sun_path, sizeof at.sun_path) < 0)
		return KEEP_NOBODY;
	while ((*fd = knock(&at)) >= 0) {
		if ((r = take_all(*fd, held, who)) == SSH_OK && !knows_nothing(*fd, held))
			return KEEP_TAKEN;
		empty |= r == SSH_OK;
		held_drop(held);
		close(*fd);
		if (r == SSH_OK)
			continue;	/* it leaves; its door is another's now, or nobody's */
		if (r != SSH_E_NOT_NOW) {
			log_ev(LOGL_ERROR, "keeper at %s: %s; starting without what it holds", at.sun_path, err_text(r));
			return KEEP_NOBODY;
		}
		if (waited >= DYING_MS)
			return KEEP_BUSY;
		poll(NULL, 0, 20);
		waited += 20;
	}
	if (empty)
		log_ev(LOGL_ERROR, "ev=resume a daemon that ended here left processes behind, which end now: it had not begun to serve");
	*fd = -1;
	return KEEP_NOBODY;
}
