#include "supervisor/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "supervisor/adopt.h"
#include "supervisor/counters.h"
#include "supervisor/effects.h"
#include "supervisor/handoff.h"
#include "supervisor/introduce.h"
#include "supervisor/proc.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/timer.h"

static struct proc *forker(struct daemon *d)
{
	struct proc *n = d->nursery.tainted ? NULL : proc_of(d, KID_NURSERY);

	return n != NULL && n->asked < NURSERY_ASKED_MAX ? n : NULL;
}

static int ask(struct daemon *d, struct proc *n, struct proc *c, uint64_t conn, int fd)
{
	int r = link_send_fds(n->link, IPC_FORK, &(struct ipc_FORK){ .conn = conn, .box = c->slot }, &fd, 1);

	if (r < 0)
		return r;
	c->forked_by = n->serial;
	c->keys = n->keys;
	if (c->adopts == NULL)	/* else when it has taken over */
		introduce_keys(c);
	n->asked++;
	state_proc(c);
	state_proc(n);
	if (++d->nursery.forks >= NURSERY_FORKS)
		nursery_replace(d);
	return SSH_OK;
}

/* As ask(), but a nursery that died a moment ago, unnoticed so far, does not cost the descriptor: 0 when *fd is still there. */
static int try_ask(struct daemon *d, struct proc *n, struct proc *c, uint64_t conn, int *fd)
{
	int copy = fcntl(*fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return 0;
	if (ask(d, n, c, conn, *fd) == SSH_OK) {
		close(copy);
		return 1;
	}
	*fd = copy;
	return 0;
}

static void serve_queue(struct daemon *d);

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	serve_queue(arg);
}

int nursery_fork(struct daemon *d, struct proc *c, uint64_t conn, int fd)
{
	struct nursery *n = &d->nursery;
	struct proc *now = forker(d);
	struct fork_wait *w;

	if (now != NULL && list_empty(&n->queue) && try_ask(d, now, c, conn, &fd))
		return SSH_OK;
	if (n->queued >= NURSERY_QUEUE_MAX || timer_make(&n->serve, d->base, on_queue, d) < 0 || (w = calloc(1, sizeof *w)) == NULL) {
		close(fd);
		return SSH_E_FULL;
	}
	w->conn = conn;
	w->fd = fd;
	list_add_tail(&n->queue, &w->link);
	n->queued++;
	if (now != NULL)
		timer_start(n->serve, NURSERY_SERVE_MS);	/* it is idle, maybe: no answer of it will bring us here */
	return SSH_OK;
}

int nursery_can_fork(struct daemon *d)
{
	const struct proc *n = forker(d);

	return n != NULL && !n->adopted && list_empty(&d->nursery.queue);	/* what an adopted one forks is no child of ours */
}

int nursery_fork_now(struct daemon *d, struct proc *c, uint64_t conn, int fd)
{
	if (nursery_can_fork(d) && try_ask(d, forker(d), c, conn, &fd))
		return SSH_OK;
	close(fd);
	return SSH_E_NOT_NOW;
}

/* Those who waited. */
static void serve_queue(struct daemon *d)
{
	struct nursery *n = &d->nursery;
	struct proc *now;

	while (!list_empty(&n->queue) && (now = forker(d)) != NULL) {
		struct fork_wait *w = LIST_OF(n->queue.next, struct fork_wait, link);
		struct session *s = table_get(&d->sessions, w->conn);
		struct proc *c = s != NULL && s->connection != NULL ? s->connection->proc : NULL;

		if (c == NULL || c->forked_by != 0)
			close(w->fd);		/* it did not wait for us, or was asked for anew */
		else if (!try_ask(d, now, c, w->conn, &w->fd)) {
			timer_start(n->serve, NURSERY_SERVE_MS);
			break;			/* it, or the next one, serves them */
		}
		list_remove(&w->link);
		n->queued--;
		free(w);
	}
}

/* A predecessor ends when it has answered all it was asked. */
static void answered(struct proc *n)
{
	if (n->asked > 0)
		n->asked--;
	state_proc(n);
	if (n->kid == NULL && n != n->d->nursery.next && n->asked == 0)
		proc_disown(n);
}

int nursery_forked(struct proc *n, const struct ipc_FORKED *m)
{
	struct daemon *d = n->d;
	struct session *s = table_get(&d->sessions, m->conn);
	struct proc *c = s != NULL && s->connection != NULL ? s->connection->proc : NULL;

	if (n->replay && c != NULL && m->pid > 0 && c->pid == m->pid)
		return SSH_OK;
	answered(n);
	count(m->pid < 0 ? COUNT_FORKS_FAILED : COUNT_FORKS);
	serve_queue(d);
	if (m->pid < 0)
		log_ev(LOGL_ERROR, "session %lu: fork failed: %s", (unsigned long)m->conn, strerror(-m->pid));
	if (s != NULL && handoff_forked(s, n, (pid_t)m->pid))
		return SSH_OK;
	if (c == NULL || c->pid != 0 || c->forked_by != n->serial)
		return SSH_OK;		/* it ended meanwhile: reaped as a stranger */
	if (m->pid < 0) {
		struct kid *k = c->kid;

		proc_disown(c);
		if (k != NULL)
			fx_event(k, SUP_EV_FAILED, SUP_ABNORMAL);
		return SSH_OK;
	}
	return proc_name_pid(c, (pid_t)m->pid);
}

void nursery_adopted(struct daemon *d)
{
	struct proc *n = proc_of(d, KID_NURSERY);

	LIST_EACH(l, &d->procs) {
		struct proc *c = LIST_OF(l, struct proc, all);

		if (c->role != ROLE_CONN || c->kid == NULL || c->pid != 0 || c->forked_by != 0 || !adopt_lives(c))
			continue;
		c->forked_by = n != NULL ? n->serial : c->serial;	/* the nursery may have died as well: nobody's number */
		c->keys = n != NULL ? n->keys : d->keys;
		state_proc(c);
		if (n == NULL)
			continue;
		n->asked++;
		state_proc(n);
	}
}

/* ---- replacement ---------------------------------------------------------------------- */

/* A successor that has not all it needs (what we had to say was lost for want of memory) would make every client wait for ever. */
static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd, (void)what;
	if (d->nursery.next == NULL) {
		nursery_replace(d);
		return;
	}
	log_ev(LOGL_ERROR, "ev=nursery its successor pid=%d is not ready after %u s", (int)d->nursery.next->pid, NURSERY_READY_MS / 1000);
	proc_kill(d->nursery.next);
}

static void look_again(struct daemon *d, unsigned ms)
{
	if (timer_set(&d->nursery.again, d->base, ms, on_again, d) < 0)
		log_ev(LOGL_ERROR, "ev=nursery nobody will look after its successor: %s", err_text(SSH_E_NOMEM));
}

static void try_later(struct daemon *d)
{
	look_again(d, NURSERY_AGAIN_MS << (d->nursery.failed < 5 ? d->nursery.failed : 5));
	d->nursery.failed++;
}

void nursery_replace(struct daemon *d)
{
	struct nursery *n = &d->nursery;

	n->forks = 0;
	if (timer_make(&n->again, d->base, on_again, d) < 0) {
		n->tainted = 0;		/* a successor nobody looks after could keep everybody waiting for ever */
		return;
	}
	if (n->next != NULL || d->stopping || proc_of(d, KID_NURSERY) == NULL)
		return;		/* one is on its way, or the tree is about to start one */
	if ((n->next = spawn_for(d, kid_row(KID_NURSERY), NULL)) == NULL)
		nursery_successor_died(d);
	else
		look_again(d, NURSERY_READY_MS);
}

void nursery_taint(struct daemon *d)
{
	if (d->stopping || d->nursery.tainted || proc_of(d, KID_NURSERY) == NULL)
		return;
	d->nursery.tainted = 1;
	if (d->nursery.next != NULL) {	/* started before the crash, but of a layout of its own: good enough */
		log_ev(LOGL_INFO, "ev=nursery a worker crashed, its successor is on the way");
		return;
	}
	log_ev(LOGL_INFO, "ev=nursery a worker crashed: a fresh one takes over");
	nursery_replace(d);
}

/* Nobody waits for it any more. */
static void take_next(struct nursery *n)
{
	n->next = NULL;
	if (n->again != NULL)
		event_del(n->again);
}

void nursery_successor_ready(struct daemon *d)
{
	struct nursery *n = &d->nursery;
	struct kid *k = d->kids[KID_NURSERY];
	struct proc *p = n->next, *old = k != NULL ? k->proc : NULL;

	take_next(n);
	if (k == NULL || k->node->state != SUP_ST_UP) {
		proc_disown(p);
		return;
	}
	count(COUNT_NURSERIES);
	k->proc = p;
	p->kid = k;
	k->last_pid = p->pid;
	k->up_ms = p->born_ms;
	state_proc(p);
	n->forks = 0;
	n->tainted = 0;
	n->failed = 0;
	if (old != NULL) {
		log_ev(LOGL_VERBOSE, "ev=nursery pid=%d takes over from pid=%d", (int)p->pid, (int)old->pid);
		old->kid = NULL;
		state_proc(old);
		proc_set_deadline(old);
		if (old->asked == 0)
			proc_disown(old);
	}
	serve_queue(d);
}

void nursery_successor_died(struct daemon *d)
{
	struct nursery *n = &d->nursery;

	n->next = NULL;
	if (d->stopping)
		return;
	/* Serving is worth more than a fresh layout. */
	log_ev(LOGL_ERROR, "ev=nursery its successor failed to start; the old one goes on");
	n->tainted = 0;
	serve_queue(d);
	try_later(d);
}

int nursery_start(struct kid *k)
{
	struct nursery *n = &k->d->nursery;
	struct proc *p = n->next;

	n->forks = 0;
	n->tainted = 0;
	if (p == NULL)
		return spawn_helper(k);
	take_next(n);		/* the old one died while its successor was starting: that one it is */
	p->kid = k;
	k->proc = p;
	k->last_pid = p->pid;
	return SSH_OK;
}

void nursery_ready(struct daemon *d)
{
	serve_queue(d);
}

void nursery_drop(struct daemon *d)
{
	struct nursery *n = &d->nursery;

	while (!list_empty(&n->queue)) {
		struct fork_wait *w = LIST_OF(n->queue.next, struct fork_wait, link);

		list_remove(&w->link);
		close(w->fd);
		free(w);
	}
	if (n->again != NULL)
		event_free(n->again);
	if (n->serve != NULL)
		event_free(n->serve);
	n->again = n->serve = NULL;
}
