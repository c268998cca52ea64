#include "supervisor/resume.h"

#include <errno.h>
#include <fcntl.h>
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
#include "supervisor/effects.h"
#include "supervisor/exits.h"
#include "supervisor/handoff.h"
#include "supervisor/held.h"
#include "supervisor/introduce.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/proc.h"
#include "supervisor/resume_internal.h"
#include "supervisor/session.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/worker.h"

#define LEFT_MS 3000u

/* ---- finding ---------------------------------------------------------------------------- */

/* Every record decodes, or nothing is believed. */
static int check(const struct journal_image *im)
{
	struct saved s;
	int r;

	for (size_t i = 0; i < im->n; i++) {
		s.kind = (enum state_kind)im->v[i].kind;
		TRY(state_decode(&s, im->from.format, im->v[i].value));
	}
	return journal_find(im, STATE_DAEMON, 0) != NULL ? SSH_OK : SSH_E_FORMAT;
}

/* The numbers of descriptors that came over the exec. */
static int take_held(struct daemon *d, const struct journal_image *im)
{
	const struct journal_record *rec = journal_first(im, STATE_HELD);
	struct saved s = { .kind = STATE_HELD };
	int r;

	for (; rec != NULL && rec < im->v + im->n && rec->kind == STATE_HELD; rec++) {
		int fd[HELD_SLOTS];
		struct rd in;

		TRY(state_decode(&s, im->from.format, rec->value));
		in = rd_view(s.u.HELD.numbers);
		for (int i = 0; i < HELD_SLOTS; i++) {
			fd[i] = (int)rd_u32(&in);
			if (!(s.u.HELD.slots & 1u << i) || fcntl(fd[i], F_SETFD, FD_CLOEXEC) < 0)
				fd[i] = -1;
		}
		TRY(held_put(d->held, (enum kept_kind)s.u.HELD.kind, s.u.HELD.id, fd));
	}
	return SSH_OK;
}

static int read_image(struct resume *rs, int fd)
{
	const struct journal_record *rec;
	int r;

	TRY(journal_read(&rs->im, fd));
	TRY(check(&rs->im));
	rec = journal_find(&rs->im, STATE_DAEMON, 0);
	rs->daemon.kind = STATE_DAEMON;
	return state_decode(&rs->daemon, rs->im.from.format, rec->value);
}

static struct resume *resume_new(struct daemon *d, int by_exec)
{
	struct resume *rs = calloc(1, sizeof *rs);

	if (rs == NULL || (d->held = calloc(1, sizeof *d->held)) == NULL) {
		free(rs);
		return NULL;
	}
	rs->by_exec = by_exec;
	rs->keeper = -1;
	table_init(&rs->proc_of);
	table_init(&rs->busy);
	return d->resume = rs;
}

void resume_drop(struct daemon *d)
{
	if (d->held != NULL)
		held_drop(d->held);
	free(d->held);
	d->held = NULL;
	if (d->resume == NULL)
		return;
	if (d->resume->keeper >= 0)
		close(d->resume->keeper);
	free(d->resume->end);
	free(d->resume->stop);
	journal_image_drop(&d->resume->im);
	table_drop(&d->resume->proc_of);
	table_drop(&d->resume->busy);
	free(d->resume);
	d->resume = NULL;
}

/* Whoever everything was held for is not to be continued. */
static void let_go(struct daemon *d, const char *why)
{
	struct ipc_KEEPER_LEAVE m = { .why = 0 };

	log_ev(LOGL_ERROR, "ev=resume a daemon that ended here left sessions behind, which end now: %s", why);
	if (d->resume->keeper >= 0)
		link_say(d->resume->keeper, ROLE_SUP, ROLE_KEEP, W_UP, IPC_KEEPER_LEAVE, &m, NULL, 0);
	store_hang_up(d->held);
	resume_drop(d);
	d->left_until_ms = clock_ms() + LEFT_MS;
}

/* The journal, which is taken: is it one to go on from? If not, everything is let go. */
static int judge(struct daemon *d, int fd)
{
	struct resume *rs = d->resume;
	int r = read_image(rs, fd);

	close(fd);
	if (r < 0)
		let_go(d, r == SSH_E_FORMAT ? "this program cannot read its journal" : err_text(r));
	else if (rs->daemon.u.DAEMON.stopping)
		let_go(d, "it was ending");
	return d->resume != NULL;
}

static int from_keeper(struct daemon *d)
{
	struct resume *rs = resume_new(d, 0);

	if (rs == NULL)
		return SSH_E_NOMEM;
	switch (keep_find(d, d->held, &rs->keeper, &rs->keeper_pid)) {
	case KEEP_NOBODY:
		resume_drop(d);
		return SSH_OK;
	case KEEP_BUSY:
		rs->keeper = -1;
		resume_drop(d);
		return SSH_E_FULL;
	case KEEP_TAKEN:
		break;
	}
	judge(d, held_take(d->held, KEPT_JOURNAL, 0, 0));
	return SSH_OK;
}

/* Nobody is at the keeper's door: both are gone. */
static int from_store(struct daemon *d)
{
	struct resume *rs = resume_new(d, 0);
	int fd, alive = 0;

	if (rs == NULL)
		return SSH_E_NOMEM;
	rs->from_store = 1;
	fd = keep_wanted(d) ? store_find(d->held) : -1;
	if (fd >= 0 && !judge(d, fd))
		return SSH_OK;
	if (fd >= 0 && (alive = store_agree(d, rs)) > 0)
		return SSH_OK;
	store_hang_up(d->held);		/* all are dead, or on their way */
	resume_drop(d);
	return alive < 0 ? alive : SSH_OK;
}

static int from_exec(struct daemon *d)
{
	struct resume *rs = resume_new(d, 1);
	int r;

	if (rs == NULL)
		return SSH_E_NOMEM;
	fcntl(d->opt.resume_fd, F_SETFD, FD_CLOEXEC);
	TRY(read_image(rs, d->opt.resume_fd));
	d->detached = !d->opt.foreground;
	return take_held(d, &rs->im);
}

int resume_find(struct daemon *d)
{
	int r;

	if (d->opt.inetd)
		return SSH_OK;
	if (d->opt.resume_fd > 0)
		return from_exec(d);
	r = from_keeper(d);
	if (r == SSH_E_FULL) {
		/* It may listen elsewhere and be meant so; if not, its port is taken, and we end for that. */
		log_ev(LOGL_ERROR, "keeper: the one at the control socket's place serves another coppiced that is alive; this one goes without");
		d->keep_refused = 1;
		return SSH_OK;
	}
	return r < 0 || d->resume != NULL ? r : from_store(d);
}

/* ---- sockets ------------------------------------------------------------------------------- */

/* The service manager passes the same socket to every start. */
int resume_is_passed(const struct listener *l, const struct saved_LISTENER *m)
{
	return l->activated && l->kid == NULL && view_is(m->name, l->name) && view_is(m->path, l->path)
	    && addr_same_ip(&l->local, &m->local) && l->local.port == m->local.port;
}

static void forget_passed(struct daemon *d, const struct saved_LISTENER *m)
{
	LIST_EACH_SAFE(at, next, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (resume_is_passed(l, m))
			listen_forget(l);
	}
}

void resume_sockets(struct daemon *d)
{
	struct resume *rs = d->resume;
	struct saved s;

	d->last_listener = rs->daemon.u.DAEMON.last_listener;
	RESUME_EACH(rec, rs, STATE_LISTENER, s) {
		int fd = held_take(d->held, KEPT_LISTENER, rec->id, 0);

		if (s.u.LISTENER.activated)
			forget_passed(d, &s.u.LISTENER);
		if (fd >= 0 || s.u.LISTENER.halt != LISTEN_ON)
			listen_restore(d, (uint32_t)rec->id, &s.u.LISTENER, fd);
	}
	d->log_trusted = (struct log_pair){ held_take(d->held, KEPT_LOGS, 0, 0), held_take(d->held, KEPT_LOGS, 0, 1) };
	d->log_untrusted = (struct log_pair){ held_take(d->held, KEPT_LOGS, 0, 2), held_take(d->held, KEPT_LOGS, 0, 3) };
	for (int i = 0; d->opt.back && i < PROG_COUNT; i++) {	/* the files may be the new ones already */
		int fd = held_take(d->held, KEPT_PROGRAMS, (uint64_t)(i / HELD_SLOTS), i % HELD_SLOTS);

		if (fd >= 0) {
			close(d->program[i]);
			d->program[i] = fd;
		}
	}
	d->sink = held_take(d->held, KEPT_DAEMON, 0, DAEMON_SINK);
	d->start_pipe = held_take(d->held, KEPT_DAEMON, 0, DAEMON_PIPE);
}

static int is_at(int fd, const struct addr *a, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof at;
	struct addr peer, local;

	if (path != NULL)
		return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sun_family == AF_UNIX && strncmp(at.sun_path, path, sizeof at.sun_path) == 0;
	listen_addresses(fd, &peer, &local);
	return listen_same(a, &local);
}

int resume_socket(struct daemon *d, int slot, const struct addr *a, const char *path)
{
	int fd = d->held != NULL ? held_take(d->held, KEPT_DAEMON, 0, slot) : -1;

	if (fd >= 0 && !is_at(fd, a, path)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* ---- what others see -------------------------------------------------------------------------- */

/*
 * A supervisor that took over a moment ago, and died, may have asked the same; what answers it is in the socket still, and not true any more: it
 * may have made programs after it asked. PONG comes behind those answers, and before ours.
 */
static void mark_answers(struct proc *p)
{
	if (link_state(p->link) != W_UP && link_state(p->link) != W_AUTHED)
		return;		/* it has no programs */
	p->ends_after = (uint32_t)clock_us() | 1;
	link_send(p->link, IPC_PING, &(struct ipc_PING){ .seq = p->ends_after });
}

void resume_pong(struct proc *p, uint32_t seq)
{
	if (p->ends_after == seq)
		p->ends_after = 0;
}

/* Connections say what they have; the kernel says who said it. */
static void ask_connections(struct daemon *d)
{
	struct ipc_ENDS_ASK m = { .duplicates = !d->resume->by_exec };

	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role != ROLE_CONN || p->link == NULL || p->kid == NULL || link_attest(p->link) < 0)
			continue;
		if (link_state(p->link) == W_AUTHED)	/* it may have stood still, to be moved, when the supervisor died */
			link_send(p->link, IPC_SERVE, &(struct ipc_SERVE){ 0 });
		mark_answers(p);
		link_send(p->link, IPC_ENDS_ASK, &m);
	}
}

/* After a reload with other host keys the old keysign stays for those who began with its keys. */
static int serves_old_keys(const struct proc *p)
{
	return p->role == ROLE_KEY && p->is_ready && p->keys != p->d->keys;
}

/* A helper that was not ready has heard half of what it needs, and nobody knows which half. */
static void end_the_unready(struct daemon *d)
{
	LIST_EACH_SAFE(l, next, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role == ROLE_CONN && p->kid == NULL && p->pid == 0)
			proc_disown(p);		/* a successor nobody knows yet: it sees its link end */
		else if (p->pid > 0 && (p->broke_rules || p->killed || (p->role == ROLE_KEEP && p->kid == NULL) || ((p->role == ROLE_WRK || p->role == ROLE_CONN) && p->kid == NULL) || (p->role != ROLE_CONN && p->role != ROLE_WRK && !p->is_ready)))
			proc_kill(p);
		else if (p->pid > 0 && ((p->kid == NULL && !serves_old_keys(p)) || p->ending || (p->link == NULL && p->role != ROLE_WRK)))
			proc_set_deadline(p);
	}
}

/* Nodes whose process is gone, and sessions that were falling. */
static void settle_nodes(struct daemon *d)
{
	struct resume *rs = d->resume;

	for (size_t i = 0; i < rs->nend; i++) {
		struct sup_node *n = sup_find(d->tree, rs->end[i]);
		struct kid *k = n != NULL ? n->ctx : NULL;

		if (k == NULL || k->proc != NULL)
			continue;
		k->last_status = STATUS_UNKNOWN;
		if (k->work != NULL)
			worker_ended(k, STATUS_UNKNOWN);
		fx_event(k, SUP_EV_EXITED, SUP_ABNORMAL);
	}
	for (size_t i = 0; i < rs->nstop; i++) {
		struct sup_node *n = sup_find(d->tree, rs->stop[i]);

		if (n != NULL && n->ctx != NULL)
			fx_stop(n->ctx);
	}
}

static void say_so(const struct daemon *d)
{
	const struct resume *rs = d->resume;
	unsigned n = 0;

	LIST_EACH(l, &d->procs)
		n++;
	log_ev(LOGL_INFO, "ev=resume from=%d version=%s by=%s: %zu sessions and %u processes taken over", (int)rs->im.from.pid, rs->im.from.build,
	    rs->by_exec ? "upgrade" : rs->from_store ? "store" : "keeper", d->sessions.used, n);
}

void resume_go(struct daemon *d)
{
	say_so(d);
	fx_restored(d, d->resume->daemon.u.DAEMON.last_node);
	end_the_unready(d);
	ask_connections(d);
	settle_nodes(d);
	resume_go_on(d);
}

/* ---- ENDS ------------------------------------------------------------------------------------------ */

static int is_socket_or_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode));
}

static int is_pty_or_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

static void take_client(struct session *s, struct ipc_msg *m)
{
	for (int i = 0; i < m->nfds && i < 2; i++)
		if (s->sock[i] < 0 && is_socket_or_pipe(m->fds[i]))
			s->sock[i] = ipc_take_fd(m, i);
}

static void take_channel(struct session *s, struct proc *p, struct ipc_msg *m)
{
	struct work *w = worker_find(s, m->u.ENDS.worker);
	int n = 0, wstatus = STATUS_UNKNOWN;
	struct ipc_WORKER_EXIT end;

	if (w == NULL) {	/* it ended, and the word of it was lost, or held back */
		exits_find(s, m->u.ENDS.worker, &wstatus);
		end = worker_exit(m->u.ENDS.worker, wstatus);
		link_send(p->link, IPC_WORKER_EXIT, &end);
		return;
	}
	worker_go(w);
	w->answered = 1;
	for (int i = 0; i < ENDS && n < m->nfds; i++) {
		if (!(m->u.ENDS.ends & 1u << i))
			continue;
		if (w->ends[i] < 0 && !w->hung_up && is_pty_or_pipe(m->fds[n]))
			w->ends[i] = ipc_take_fd(m, n);
		n++;
	}
	state_work(w);
}

/* FORKED was on its way when the supervisor died, or FORK had just been said: now the kernel tells who it is. */
static int born(struct proc *p, pid_t pid)
{
	const struct proc *n = proc_of(p->d, KID_NURSERY);

	if (p->forked_by == 0 && n != NULL) {
		p->forked_by = n->serial;
		p->keys = n->keys;
		introduce_go_on(p->d, 0);
	}
	return proc_name_pid(p, pid);
}

int resume_ends(struct proc *p, struct ipc_msg *m)
{
	struct session *s = p->kid != NULL ? p->kid->session : NULL;
	struct daemon *d = p->d;
	uint64_t serial = p->serial;

	if (!p->resumed || s == NULL)
		return SSH_E_RULE;
	if (!p->asked_ends || p->ends_after != 0)
		return SSH_OK;
	if (p->pid == 0 && m->sender > 1 && born(p, m->sender) < 0)
		return SSH_E_RULE;
	if (proc_by_serial(d, serial) == NULL)
		return SSH_OK;		/* it is dead already, and its session went with it */
	switch (m->u.ENDS.what) {
	case ENDS_CLIENT:
		take_client(s, m);
		return SSH_OK;
	case ENDS_CHANNEL:
		take_channel(s, p, m);
		return SSH_OK;
	case ENDS_ALL:
		p->asked_ends = 0;
		worker_told_all(s);
		exits_settle(s);
		if (p->adopted && s->d->values->SurviveCrash)
			handoff_want(s);	/* only a child's death tells what its successor must know (survive.h) */
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}
