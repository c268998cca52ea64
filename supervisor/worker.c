#include "supervisor/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/datagram.h"
#include "ipc/values.h"
#include "supervisor/become.h"
#include "supervisor/counters.h"
#include "supervisor/effects.h"
#include "supervisor/ends.h"
#include "supervisor/exits.h"
#include "supervisor/grant.h"
#include "supervisor/proc.h"
#include "supervisor/report.h"
#include "supervisor/reports.h"
#include "supervisor/spare.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/survive.h"
#include "supervisor/timer.h"

#define PIDFD_SIGNAL_GROUP (1u << 2)	/* linux/pidfd.h of 6.9 */

static struct link *link_of(const struct session *s)
{
	return s->connection != NULL && s->connection->proc != NULL ? s->connection->proc->link : NULL;
}

static struct work *find(const struct session *s, uint64_t id)
{
	LIST_EACH(l, &s->works)
		if (LIST_OF(l, struct work, link)->id == id)
			return LIST_OF(l, struct work, link);
	return NULL;
}

static void answer(struct session *s, uint32_t req, int status, uint64_t worker, const int *fds, int nfds)
{
	struct ipc_SPAWNED m = { .req = req, .status = (uint8_t)status, .worker = worker };
	struct link *l = link_of(s);

	if (status != SPAWNED_OK)
		survive_note_refusal(s, &m);
	if (l != NULL) {
		link_send_fds(l, IPC_SPAWNED, &m, fds, nfds);
		return;
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

/* ---- before the grant ------------------------------------------------------------------ */

struct parked { struct list link; size_t len; uint8_t bytes[]; };

/* Our own connection processes do not do that: somebody else speaks. */
static void breach(struct session *s, const char *what)
{
	log_ev(LOGL_WARN, "%s: asked for %s", s->kid->name, what);
	if (s->connection != NULL && s->connection->proc != NULL) {
		s->connection->proc->broke_rules = 1;
		proc_kill(s->connection->proc);
	}
}

static void on_park_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	breach(arg, "a program without being logged in");
}

static int copy(const struct ipc_SPAWN *m, struct parked **res)
{
	struct buf b;
	int r;

	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	if ((r = ipc_encode(&b, IPC_SPAWN, m)) == SSH_OK && (*res = malloc(sizeof **res + buf_len(&b))) == NULL)
		r = SSH_E_NOMEM;
	if (r == SSH_OK) {
		(*res)->len = buf_len(&b);
		memcpy((*res)->bytes, buf_head(&b), (*res)->len);
	}
	buf_drop(&b);
	return r;
}

/* AUTH says GRANTED to us before it tells the connection, but the two sockets have no order between them. */
static int park(struct session *s, const struct ipc_SPAWN *m)
{
	struct parked *p;

	if (s->nparked >= PARK_MAX)
		return SSH_E_RULE;
	if (timer_make(&s->park, s->d->base, on_park_over, s) < 0 || copy(m, &p) < 0) {
		answer(s, m->req, SPAWNED_FAILED, 0, NULL, 0);
		return SSH_OK;
	}
	list_add_tail(&s->parked, &p->link);
	state_parked(s, s->nparked, view_of(p->bytes, p->len));
	s->nparked++;
	timer_start(s->park, PARK_MS);
	return SSH_OK;
}

void worker_serve_parked(struct session *s)
{
	if (s->park != NULL)
		event_del(s->park);
	while (!list_empty(&s->parked)) {
		struct parked *p = LIST_OF(s->parked.next, struct parked, link);
		struct ipc_msg m;

		list_remove(&p->link);
		s->nparked--;
		if (ipc_decode(&m, p->bytes, p->len) == SSH_OK)
			worker_request(s, &m.u.SPAWN);
		free(p);
	}
	state_forget_parked(s);
}

void worker_drop_parked(struct session *s)
{
	while (!list_empty(&s->parked)) {
		struct parked *p = LIST_OF(s->parked.next, struct parked, link);

		list_remove(&p->link);
		free(p);
	}
}

/* ---- a request --------------------------------------------------------------------------- */

/* WORK as it will lie in the worker's socket. */
static int write_order(struct work *w, const struct ipc_SPAWN *m, const struct plan *p, const char *tty)
{
	const struct grant *g = w->s->grant;
	struct ipc_WORK order = {
		.kind = (uint8_t)p->kind, .pty = m->pty, .user = view_str(g->user), .home = view_str(g->home),
		.shell = view_str(g->shell), .tty = view_str(tty), .term = m->term, .modes = m->modes, .env = m->env,
		.environment = g->environment, .command = p->command, .original = p->original, .peer = w->s->peer, .local = w->s->local,
	};
	struct buf out;
	int r;

	buf_init(&out, IPC_MESSAGE_MAX, NULL);
	r = ipc_encode(&out, IPC_WORK, &order);
	if (r == SSH_OK && (w->order = malloc(buf_len(&out))) != NULL)
		memcpy(w->order, buf_head(&out), w->order_len = buf_len(&out));
	else if (r == SSH_OK)
		r = SSH_E_NOMEM;
	buf_drop(&out);
	return r;
}

static struct work *work_new(struct session *s, const struct ipc_SPAWN *m, const struct plan *p)
{
	struct work *w = calloc(1, sizeof *w);
	char tty[TTY_MAX];

	if (w == NULL)
		return NULL;
	w->s = s;
	w->id = ++s->last_worker;
	w->req = m->req;
	w->sftp = p->sftp;
	if (ends_make(w, m, s->grant, s->d->privileged, tty) < 0) {
		free(w);
		return NULL;
	}
	snprintf(w->tty, sizeof w->tty, "%s", tty);
	if (write_order(w, m, p, tty) == SSH_OK
	    && (w->kid = fx_add(s->d, s->kid, KID_WORKER, p->name, 1)) != NULL) {
		w->kid->session = s;
		w->kid->work = w;
		list_add_tail(&s->works, &w->link);
		s->nworks++;
		state_work(w);
		state_session(s);
		return w;
	}
	ends_close(w, ~0u);
	ends_close_theirs(w);
	free(w->order);
	free(w);
	return NULL;
}

/* The supervisor that died had begun with it: what became of that was said by its worker's record. */
static int is_replay(const struct session *s, uint32_t req)
{
	const struct proc *p = s->connection != NULL ? s->connection->proc : NULL;

	return p != NULL && p->replay && s->last_req != 0 && req == s->last_req;
}

/* ENDS will tell whether it has to be done again. */
static int keep_replay(struct session *s, const struct ipc_SPAWN *m)
{
	struct parked *p;
	int r;

	free(s->respawn);
	s->respawn = NULL;
	TRY(copy(m, &p));
	s->respawn = p;
	return SSH_OK;
}

void worker_told_all(struct session *s)
{
	struct parked *p = s->respawn;
	int again = s->last_req != 0;
	struct ipc_msg m;

	s->respawn = NULL;
	LIST_EACH(l, &s->works) {
		struct work *w = LIST_OF(l, struct work, link);

		if (w->answered)
			again &= w->req != s->last_req;
		else if (w->kid->proc != NULL)
			proc_kill(w->kid->proc);	/* it has done nothing, and says nothing */
		w->answered = 1;
	}
	if (p != NULL && again && ipc_decode(&m, p->bytes, p->len) == SSH_OK) {
		log_ev(LOGL_VERBOSE, "%s: a request that the last supervisor died of is served now", s->kid->name);
		worker_request(s, &m.u.SPAWN);
	}
	free(p);
	s->last_req = 0;
}

int worker_request(struct session *s, const struct ipc_SPAWN *m)
{
	struct plan plan;
	struct work *w;
	struct kid *k;
	int status;

	if (is_replay(s, m->req))
		return keep_replay(s, m);
	if (s->grant == NULL)
		return park(s, m);
	if (!grant_allows_env(s->grant, m->env)) {
		breach(s, "a variable that AcceptEnv does not allow");
		return SSH_OK;
	}
	if (s->nworks >= s->grant->max_sessions || s->nworks >= SUP_SESSION_CHANNELS)
		status = SPAWNED_REFUSED;
	else
		status = grant_plan(s->grant, m, &plan);
	if (status != SPAWNED_OK) {
		count(COUNT_PROGRAMS_REFUSED);
		answer(s, m->req, status, 0, NULL, 0);
		return SSH_OK;
	}
	errno = 0;
	if (!spare_fds(SPARE_WORKER))
		errno = EMFILE;
	if (errno == EMFILE || (w = work_new(s, m, &plan)) == NULL) {
		log_ev(LOGL_ERROR, "%s: no program: %s", s->kid->name, errno != 0 ? strerror(errno) : err_text(SSH_E_NOMEM));
		count(COUNT_PROGRAMS_REFUSED);
		answer(s, m->req, SPAWNED_FAILED, 0, NULL, 0);
		return SSH_OK;
	}
	k = w->kid;
	if (fx_start(k) < 0)		/* else it is answered by worker_start() or, when that failed, by worker_forget() */
		fx_stop(k);
	return SSH_OK;
}

/* ---- the process ----------------------------------------------------------------------------- */

void worker_say_again(const struct work *w)
{
	int fds[3], n;

	/* Once an end is closed it was the connection that said so, or it is never to have a program it has not heard of. */
	if (w->answered && w->hung_up)
		answer(w->s, w->req, SPAWNED_FAILED, 0, NULL, 0);
	else if (w->answered && ends_complete(w->ends) && (n = ends_duplicate(w, fds)) >= 0)
		answer(w->s, w->req, SPAWNED_OK, w->id, fds, n);
}

/* What it is to do, with its ends of the channel; it begins when it hears GO. */
static int give_order(struct work *w, struct proc *p)
{
	int r = datagram_send(p->order, w->order, w->order_len, w->theirs, w->ntheirs, MSG_DONTWAIT);

	ends_close_theirs(w);
	free(w->order);
	w->order = NULL;
	if (r < 0)
		errno = ENOBUFS;
	w->ordered = r == SSH_OK;
	state_work(w);
	return r;
}

void worker_go(struct work *w)
{
	struct proc *p = w->kid->proc;
	static const struct ipc_GO go = { 0 };
	struct buf b;

	if (p == NULL || p->order < 0)
		return;
	buf_init(&b, 64, NULL);
	if (ipc_encode(&b, IPC_GO, &go) == SSH_OK)
		datagram_send(p->order, buf_head(&b), buf_len(&b), NULL, 0, MSG_DONTWAIT);
	buf_drop(&b);
	close(p->order);
	p->order = -1;
	w->answered = 1;
	state_work(w);
	store_touch(w->s->d, STORE_AFTER_MS);
}

/*
 * A supervisor that dies between any two of these steps leaves what the next one can finish or begin anew: no record, or one
 * without an order: SPAWN is heard again; with it: the connection says whether it heard SPAWNED, and if so GO is said, too.
 */
int worker_start(struct kid *k)
{
	struct work *w = k->work;
	struct daemon *d = k->d;
	struct proc *p = NULL;
	int fds[3], n, order = -1;
	pid_t pid;

	if ((n = ends_duplicate(w, fds)) < 0)
		return SSH_E_SYS;
	pid = become_user(w->s, d->program[w->sftp ? PROG_SFTP_SERVER : PROG_CHANNEL], k->name, &order);
	if (pid > 0 && (p = proc_new(d, k, ROLE_WRK, pid, order)) == NULL) {
		proc_undo(pid);
		errno = ENOMEM;
	}
	if (p == NULL || give_order(w, p) < 0) {
		log_ev(LOGL_ERROR, "%s: no program: %s", w->s->kid->name, strerror(errno));
		for (int i = 0; i < n; i++)
			close(fds[i]);
		return SSH_E_SYS;
	}
	count(w->sftp ? COUNT_SFTPS : strcmp(k->name, "shell") == 0 ? COUNT_SHELLS : COUNT_EXECS);
	reports_started(k);
	answer(w->s, w->req, SPAWNED_OK, w->id, fds, n);
	worker_go(w);
	fx_answer(k, SUP_EV_READY);
	return SSH_OK;
}

struct work *worker_restore(struct session *s, struct kid *k, const struct saved_WORK *m)
{
	struct work *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->s = s;
	w->id = m->worker;
	w->req = m->req;
	w->ordered = m->begun >= 1;
	w->answered = m->begun >= 2;
	w->hung_up = m->hung_up;
	w->sftp = m->sftp;
	for (int i = 0; i < ENDS; i++)
		w->ends[i] = -1;
	w->kid = k;
	k->session = s;
	k->work = w;
	list_add_tail(&s->works, &w->link);
	s->nworks++;
	if (m->req > s->last_req)
		s->last_req = m->req;
	return w;
}

int worker_restore_parked(struct session *s, struct view message)
{
	struct ipc_msg m;

	if (ipc_decode(&m, message.p, message.len) < 0 || m.type != IPC_SPAWN)
		return SSH_E_FORMAT;
	if (s->grant == NULL)
		return park(s, &m.u.SPAWN);
	LIST_EACH(l, &s->works)		/* the one it was being served for when the supervisor died */
		if (LIST_OF(l, struct work, link)->req == m.u.SPAWN.req)
			return LIST_OF(l, struct work, link)->answered ? SSH_OK : keep_replay(s, &m.u.SPAWN);
	return worker_request(s, &m.u.SPAWN);
}

struct work *worker_find(const struct session *s, uint64_t id)
{
	return find(s, id);
}

struct ipc_WORKER_EXIT worker_exit(uint64_t worker, int wstatus)
{
	struct ipc_WORKER_EXIT m = { .worker = worker, .signalled = WORKER_EXIT_UNKNOWN };

	if (wstatus == STATUS_UNKNOWN)
		return m;
	m.signalled = WIFSIGNALED(wstatus) != 0;
	m.code = (uint32_t)(WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : WEXITSTATUS(wstatus));
	m.core = WIFSIGNALED(wstatus) && WCOREDUMP(wstatus);
	return m;
}

void worker_ended(struct kid *k, int wstatus)
{
	struct work *w = k->work;
	struct link *l = w != NULL ? link_of(w->s) : NULL;
	struct ipc_WORKER_EXIT m;

	if (w == NULL || (l == NULL && w->s->survival == NULL))
		return;
	m = worker_exit(w->id, wstatus);
	survive_note_exit(w->s, &m);
	if (l == NULL)
		return;
	exits_note(w->s, k->node->id, w->id, wstatus);
	link_send(l, IPC_WORKER_EXIT, &m);
}

static void signal_group(struct kid *k, int sig)
{
	struct proc *p = k->proc;

	if (p == NULL || p->pid <= 0)
		return;
	if (p->pidfd >= 0 && syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, PIDFD_SIGNAL_GROUP) == 0)
		return;
	/* Linux before 6.9. An adopted process may have been reaped, and its number be another's. */
	if (p->adopted && syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) < 0)
		return;
	if (kill(-p->pid, sig) < 0)
		proc_signal(p, sig);	/* it has no group of its own yet */
}

void worker_hang_up(struct kid *k)
{
	struct work *w = k->work;

	if (w == NULL || w->hung_up)
		return;
	w->hung_up = 1;
	state_work(w);
	/* A terminal hangs up with its master. Pipes stay readable until it is gone: SIGPIPE must not be faster than its SIGHUP handler. */
	ends_close(w, END_STDIN | END_PTY);
	signal_group(k, SIGHUP);
	signal_group(k, SIGCONT);	/* a stopped program could not hear it */
}

void worker_hang_up_all(struct session *s)
{
	LIST_EACH(l, &s->works)
		worker_hang_up(LIST_OF(l, struct work, link)->kid);
}

void worker_forget(struct kid *k)
{
	struct work *w = k->work;

	state_forget_work(w);
	k->work = NULL;
	if (!w->answered)
		answer(w->s, w->req, SPAWNED_FAILED, 0, NULL, 0);
	survive_keep_ends(w);
	ends_close(w, ~0u);
	ends_close_theirs(w);
	list_remove(&w->link);
	w->s->nworks--;
	free(w->order);
	free(w);
}

/* ---- what the connection says about it ----------------------------------------------------------- */

int worker_shut(struct session *s, const struct ipc_CHAN_SHUT *m)
{
	struct work *w = find(s, m->worker);

	if (w != NULL) {	/* else it has ended: the two crossed */
		ends_close(w, m->ends);
		state_work(w);
	}
	survive_shut(s, m);
	return SSH_OK;
}

int worker_signal_number(struct view name)
{
	static const struct { const char *name; int number; } signals[] = {
		{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE }, { "HUP", SIGHUP }, { "ILL", SIGILL }, { "INT", SIGINT },
		{ "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
	};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		if (view_is(name, signals[i].name))
			return signals[i].number;
	return 0;
}

int worker_signal(struct session *s, const struct ipc_WORKER_SIGNAL *m)
{
	struct work *w = find(s, m->worker);
	int sig = worker_signal_number(m->name);

	if (w != NULL && sig != 0)
		signal_group(w->kid, sig);
	return SSH_OK;
}
