#include "supervisor/resume_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/adopt.h"
#include "supervisor/boxes.h"
#include "supervisor/cgroup.h"
#include "supervisor/drain.h"
#include "supervisor/effects.h"
#include "supervisor/exits.h"
#include "supervisor/grant.h"
#include "supervisor/halt.h"
#include "supervisor/held.h"
#include "supervisor/introduce.h"
#include "supervisor/listen.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/reload.h"
#include "supervisor/resume.h"
#include "supervisor/session.h"
#include "supervisor/state.h"
#include "supervisor/upgrade.h"
#include "supervisor/worker.h"

int resume_decode(const struct resume *rs, const struct journal_record *rec, struct saved *s)
{
	s->kind = (enum state_kind)rec->kind;
	s->id = rec->id;
	return state_decode(s, rs->im.from.format, rec->value) == SSH_OK;
}

static int find(const struct resume *rs, enum state_kind kind, uint64_t id, struct saved *s)
{
	const struct journal_record *rec = journal_find(&rs->im, kind, id);

	return rec != NULL && resume_decode(rs, rec, s);
}

static const struct kid_row *row_named(struct view name)
{
	for (int id = 0; id < KID_COUNT; id++)
		if (view_is(name, kid_row((enum kid_id)id)->name))
			return kid_row((enum kid_id)id);
	return NULL;
}

static struct kid *kid_of(struct daemon *d, uint64_t node)
{
	struct sup_node *n = d->tree != NULL ? sup_find(d->tree, node) : NULL;

	return n != NULL ? n->ctx : NULL;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static int has_works(const struct resume *rs, uint64_t conn)
{
	struct saved s;

	RESUME_EACH(rec, rs, STATE_WORK, s)
		if (s.u.WORK.conn == conn && s.u.WORK.begun > 0)
			return 1;
	return 0;
}

/*
 * A session whose connection has no process was not begun yet, and its client is still in the acceptor's socket; or it was
 * ending, with programs left.
 */
static int is_session(const struct resume *rs, uint64_t id)
{
	struct saved s;

	return find(rs, STATE_SESSION, id, &s) && (table_get(&rs->proc_of, s.u.SESSION.connection) != NULL || has_works(rs, id));
}

/* What a leaf is now, by its process: what it was does not matter. */
static enum sup_state leaf_state(struct resume *rs, const struct kid_row *row, const struct saved *s)
{
	const struct journal_record *rec = table_get(&rs->proc_of, s->id);
	struct saved p;

	if (rec == NULL && (s->u.NODE.state == SUP_ST_DOWN || s->u.NODE.state == SUP_ST_WAITING || s->u.NODE.state == SUP_ST_DEAD || s->u.NODE.state == SUP_ST_RETRY))
		return (enum sup_state)s->u.NODE.state;
	if (rec == NULL || !resume_decode(rs, rec, &p))
		rs->end[rs->nend++] = s->id;
	else if (row->role == ROLE_CONN && !(p.u.PROC.flags & PROC_READY))
		return SUP_ST_STARTING;
	return SUP_ST_UP;
}

static enum sup_state super_state(const struct resume *rs, const struct saved *s)
{
	/* Nothing is written down when a supervisor node begins to start its children. */
	if (s->u.NODE.state == SUP_ST_DOWN && table_get(&rs->busy, s->id) != NULL)
		return SUP_ST_STARTING;
	switch (s->u.NODE.state) {
	case SUP_ST_STARTING: case SUP_ST_DOWN: case SUP_ST_DEAD: case SUP_ST_RETRY: case SUP_ST_WAITING:
		return (enum sup_state)s->u.NODE.state;
	default:
		return SUP_ST_UP;	/* what it was stopping for is found again, or it is in stop */
	}
}

static struct kid *restore_node(struct daemon *d, const struct kid_row *row, const struct saved *s)
{
	struct resume *rs = d->resume;
	uint64_t window[SUP_INTENSITY_MAX];
	struct rd in = rd_view(s->u.NODE.window);
	struct sup_saved n = {
		.id = s->id, .reason = (enum sup_reason)s->u.NODE.reason, .restarts = s->u.NODE.restarts, .window = window,
		.dynamic = (s->u.NODE.flags & NODE_DYNAMIC) != 0, .fresh = (s->u.NODE.flags & NODE_FRESH) != 0,
		.removing = 0, .gone = (s->u.NODE.flags & NODE_GONE) != 0, .held = (s->u.NODE.flags & (NODE_HELD | NODE_REMOVING)) != 0,
		.byhand = (s->u.NODE.flags & NODE_BYHAND) != 0, .fails = s->u.NODE.fails, .due_ms = s->u.NODE.due_ms,
	};
	struct kid *k;
	char name[104];

	while (rd_left(&in) >= 8 && n.window_used < SUP_INTENSITY_MAX)
		window[n.window_used++] = rd_u64(&in);
	snprintf(name, sizeof name, "%.*s", (int)s->u.NODE.name.len, (const char *)s->u.NODE.name.p);
	n.state = row->spec.kind == SUP_SUPERVISOR ? super_state(rs, s) : leaf_state(rs, row, s);
	if ((k = fx_restore(d, kid_of(d, s->u.NODE.parent), row->id, name, &n)) == NULL)
		return NULL;
	k->up_ms = s->u.NODE.up_ms;
	k->lived_ms = s->u.NODE.lived_ms;
	k->last_pid = s->u.NODE.last_pid;
	snprintf(k->last_exit, sizeof k->last_exit, "%.*s", (int)s->u.NODE.last_exit.len, (const char *)s->u.NODE.last_exit.p);
	if (s->u.NODE.flags & NODE_REMOVING)
		rs->stop[rs->nstop++] = s->id;
	return k;
}

/* Records come in the order of their ids: parents before their children. */
static int restore_nodes(struct daemon *d)
{
	struct resume *rs = d->resume;
	struct saved s, w;

	if ((rs->end = calloc(rs->im.n + 1, sizeof *rs->end)) == NULL || (rs->stop = calloc(rs->im.n + 1, sizeof *rs->stop)) == NULL)
		return SSH_E_NOMEM;
	RESUME_EACH(rec, rs, STATE_PROC, s)
		if (s.u.PROC.node != 0 && !(s.u.PROC.flags & PROC_NEXT) && table_put(&rs->proc_of, s.u.PROC.node, (void *)(uintptr_t)rec) < 0)
			return SSH_E_NOMEM;
	RESUME_EACH(rec, rs, STATE_NODE, s)
		if (s.u.NODE.parent != 0 && table_get(&rs->proc_of, rec->id) != NULL && table_put(&rs->busy, s.u.NODE.parent, rs) < 0)
			return SSH_E_NOMEM;
	RESUME_EACH(rec, rs, STATE_NODE, s) {
		const struct kid_row *row = row_named(s.u.NODE.row);

		if (row == NULL || (row->id == KID_SESSION && !is_session(rs, rec->id)))
			continue;	/* its children do not find their parent then */
		if (row->id == KID_WORKER && (!find(rs, STATE_WORK, rec->id, &w) || w.u.WORK.begun == 0))
			continue;	/* its process ends without an order, and SPAWN is in the socket still */
		if (restore_node(d, row, &s) == NULL && row->id == KID_ROOT)
			return SSH_E_NOMEM;
	}
	return d->tree != NULL ? SSH_OK : SSH_E_FORMAT;
}

/* ---- what belongs to them -------------------------------------------------------------------- */

static void restore_listeners(struct daemon *d)
{
	struct resume *rs = d->resume;
	struct saved s;

	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (!find(rs, STATE_LISTENER, l->id, &s) || (l->kid = kid_of(d, s.u.LISTENER.node)) == NULL || l->kid->row->id != KID_LISTENER) {
			l->kid = NULL;
			continue;
		}
		l->kid->listener = l;
		LIST_EACH(c, &l->kid->node->children)
			((struct kid *)LIST_OF(c, struct sup_node, link)->ctx)->listener = l;
	}
	/* A node without its socket serves nobody. */
	LIST_EACH(at, &sup_root(d->tree)->children) {
		struct kid *k = LIST_OF(at, struct sup_node, link)->ctx;

		if (k->row->id == KID_LISTENER && k->listener == NULL)
			rs->stop[rs->nstop++] = k->node->id;
	}
}

static void restore_session(struct daemon *d, const struct saved *s)
{
	struct kid *k = kid_of(d, s->id), *connection = kid_of(d, s->u.SESSION.connection);
	struct session *se;
	struct saved g;

	if (k == NULL || k->row->id != KID_SESSION)
		return;
	if (connection != NULL && connection->row->id != KID_CONN)
		connection = NULL;
	if ((se = session_restore(d, k, connection, &s->u.SESSION)) == NULL)
		return;
	if (find(d->resume, STATE_GRANT, s->id, &g) && grant_restore(&se->grant, &g.u.GRANT) < 0)
		d->resume->stop[d->resume->nstop++] = s->id;	/* who it is cannot be known: better nobody */
	if (table_get(&d->resume->proc_of, s->u.SESSION.connection) == NULL)
		d->resume->stop[d->resume->nstop++] = s->id;
	if (se->grant != NULL)
		cgroup_session_adopt(se);
	for (int i = 0; i < 2; i++)
		se->sock[i] = held_take(d->held, KEPT_SESSION, s->id, i);
}

static void restore_sessions(struct daemon *d)
{
	struct resume *rs = d->resume;
	struct saved s;

	RESUME_EACH(rec, rs, STATE_SESSION, s)
		restore_session(d, &s);
	RESUME_EACH(rec, rs, STATE_WORK, s) {
		struct session *se = table_get(&d->sessions, s.u.WORK.conn);
		struct kid *k = kid_of(d, rec->id);
		struct work *w;

		if (se == NULL || k == NULL || k->row->id != KID_WORKER || (w = worker_restore(se, k, &s.u.WORK)) == NULL)
			continue;
		for (int i = 0; i < ENDS; i++)
			w->ends[i] = held_take(d->held, KEPT_WORK, rec->id, i);
	}
	RESUME_EACH(rec, rs, STATE_EXITED, s) {
		struct session *se = table_get(&d->sessions, s.u.EXITED.conn);

		if (se != NULL)
			exits_restore(se, rec->id, &s.u.EXITED);
	}
}

/* ---- processes ----------------------------------------------------------------------------------- */

/* The keeper we came by, when it is no child of ours: which of two has the node depends on nothing else. */
static int is_our_keeper(const struct daemon *d, const struct saved *s)
{
	return s->u.PROC.pid == d->resume->keeper_pid;
}

/* Its link: the keeper's is the one we came by. */
static int link_of(struct daemon *d, const struct saved *s)
{
	int fd = held_take(d->held, KEPT_PROC, s->id, PROC_LINK);

	if (s->u.PROC.role == ROLE_KEEP && !d->resume->by_exec) {
		if (fd >= 0)
			close(fd);
		fd = -1;
		if (is_our_keeper(d, s)) {
			fd = d->resume->keeper;
			d->resume->keeper = -1;
		}
	}
	return fd;
}

/* Whose process it is; NULL: a predecessor's, or a successor's. A connection that was moving has two: the successor, once it is said to be the connection. */
static struct kid *kid_of_proc(struct daemon *d, const struct saved *s)
{
	struct kid *k = kid_of(d, s->u.PROC.node);

	if (s->u.PROC.role == ROLE_KEEP && d->resume->keeper_pid != 0)
		return is_our_keeper(d, s) ? d->kids[KID_KEEPER] : NULL;
	if (s->u.PROC.role >= ROLE_COUNT || (s->u.PROC.flags & PROC_NEXT) || (k != NULL && k->proc != NULL)
	    || table_get(&d->resume->proc_of, s->u.PROC.node) != journal_find(&d->resume->im, STATE_PROC, s->id))
		return NULL;
	return k;
}

static void restore_flags(struct proc *p, const struct saved *s)
{
	uint32_t f = s->u.PROC.flags;

	p->born_ms = s->u.PROC.born_ms;
	p->greeted = (f & PROC_GREETED) != 0;
	p->is_ready = (f & PROC_READY) != 0;
	p->ending = (f & PROC_ENDING) != 0;
	p->killed = (f & PROC_KILLED) != 0;
	p->broke_rules = (f & PROC_BROKE) != 0;
	p->forked_by = s->u.PROC.forked_by;
	p->asked = s->u.PROC.asked;
	p->unmet = s->u.PROC.unmet;
	p->keys = s->u.PROC.keys;
	p->slot = s->u.PROC.slot > 0 ? boxes_claim(p->d, s->u.PROC.slot) : 0;
	p->slice = s->u.PROC.slice;
	p->box = held_take(p->d->held, KEPT_PROC, s->id, PROC_BOX);
	p->replay = !p->d->resume->by_exec;
	p->asked_ends = p->role == ROLE_CONN;
	p->resumed = 1;
	if (p->link != NULL && (s->u.PROC.when == W_UP || s->u.PROC.when == W_AUTHED))
		link_enter(p->link, (enum ipc_when)s->u.PROC.when);
	if (p->is_ready && p->link != NULL && p->role == ROLE_CONN && p->kid != NULL && p->kid->session != NULL && p->kid->session->grant != NULL)
		link_enter(p->link, W_AUTHED);
}

/* After an exec those that a supervisor before us had adopted are still nobody's children. */
static int is_our_child(pid_t pid, int pidfd)
{
	siginfo_t nothing;

	return waitid(pidfd >= 0 ? P_PIDFD : P_PID, (id_t)(pidfd >= 0 ? pidfd : pid), &nothing, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* How we shall learn of its end. SSH_OK, or SSH_E_GONE: it ended, and nobody knows how. */
static int know(struct proc *p, pid_t pid, int pidfd)
{
	if (pid <= 0)	/* the service manager has nothing of a connection that was being born */
		return p->d->resume->from_store ? SSH_E_GONE : SSH_OK;
	if (pidfd < 0 && p->d->resume->from_store && p->role == ROLE_WRK)
		pidfd = adopt_find(pid, p->born_ms);	/* too young to be stored */
	p->pid = pid;
	p->pidfd = pidfd;
	if (p->kid != NULL)
		p->kid->last_pid = pid;
	if (p->d->resume->by_exec && is_our_child(pid, pidfd))
		return table_put(&p->d->by_pid, (uint64_t)pid, p);
	return pidfd >= 0 ? adopt_watch(p) : SSH_E_GONE;
}

static void restore_proc(struct daemon *d, const struct saved *s)
{
	struct kid *k = kid_of_proc(d, s);
	int fd = link_of(d, s), pidfd = held_take(d->held, KEPT_PROC, s->id, PROC_PIDFD);
	pid_t pid = s->u.PROC.pid;
	struct proc *p;

	if (k != NULL && k->session != NULL && k->row->id == KID_CONN && pid == 0 && k->session->sock[0] < 0)
		for (int i = 0; i < 2; i++)	/* the keeper has the client of a connection that is not born */
			k->session->sock[i] = held_take(d->held, KEPT_PROC, s->id, PROC_SOCK + i);
	if ((p = proc_restore(d, k, (enum ipc_role)s->u.PROC.role, 0, fd, s->id)) == NULL) {
		if (pidfd >= 0)
			close(pidfd);
		return;
	}
	restore_flags(p, s);
	if (know(p, pid, pidfd) < 0) {
		p->pid = pid;
		proc_lost(p);
		if (k != NULL)
			d->resume->end[d->resume->nend++] = k->node->id;
	}
}

int resume_tree(struct daemon *d)
{
	struct resume *rs = d->resume;
	const struct saved_DAEMON *was = &rs->daemon.u.DAEMON;
	struct saved s;
	int r;

	d->generation += was->generation + !rs->by_exec;	/* one it tried when it was killed may be answered yet */
	d->last_serial = was->last_serial;
	d->keys = was->keys;
	d->began = was->began;
	d->upgraded = was->upgraded;
	d->upgrades = was->upgrades;
	d->adoptions = was->adoptions + !rs->by_exec;
	if (was->level > 0 && was->level <= LOGL_TRACE + 1) {
		d->log_level = was->level - 1;
		log_set_level((enum log_level)d->log_level);
	}
	if (rs->by_exec && !d->opt.back)
		snprintf(d->came_from, sizeof d->came_from, "%s", rs->im.from.build);
	else
		snprintf(d->came_from, sizeof d->came_from, "%.*s", (int)was->came_from.len, (const char *)was->came_from.p);
	TRY(restore_nodes(d));
	restore_listeners(d);
	restore_sessions(d);
	RESUME_EACH(rec, rs, STATE_PROC, s)
		restore_proc(d, &s);
	d->up = 1;
	d->renewing = was->replacing;
	RESUME_EACH(rec, rs, STATE_DRAIN, s)
		drain_restore(d, &s.u.DRAIN);
	reload_restore(d);
	return fx_plant(d);
}

/* Whether they were given their sockets before the kill is not known. */
static void give_again(struct daemon *d)
{
	LIST_EACH_SAFE(l, next, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role == ROLE_ACC && p->is_ready && p->kid != NULL && p->link != NULL && !p->ending && p->kid->listener != NULL
		    && p->kid->listener->halt == LISTEN_ON && listen_give(p) < 0)
			proc_kill(p);
	}
}

/* ---- and on ------------------------------------------------------------------------------------------ */

/* Static rows this program has and the old one had not, or whose record was lost. */
static void start_missing(struct daemon *d)
{
	for (int id = KID_ROOT + 1; id < KID_COUNT; id++) {
		struct kid *k = d->kids[id];

		if (k != NULL && k->node->state == SUP_ST_DOWN && journal_find(&d->resume->im, STATE_NODE, k->node->id) == NULL)
			fx_start(k);
	}
}

void resume_go_on(struct daemon *d)
{
	struct resume *rs = d->resume;
	struct session *se;
	struct saved s;
	size_t at = 0;

	while ((se = table_next(&d->sessions, &at)) != NULL)
		session_start_grace(se);
	RESUME_EACH(rec, rs, STATE_PARKED, s)
		if ((se = table_get(&d->sessions, rec->id / 8)) != NULL)
			worker_restore_parked(se, s.u.PARKED.message);
	if (!rs->by_exec) {
		nursery_adopted(d);
		give_again(d);
	}
	introduce_go_on(d, !rs->by_exec);
	start_missing(d);
	listen_commit(d);
	halt_resume(d);
	drain_resume(d);
	reload_resume(d);
	upgrade_go_on(d);
	if (rs->by_exec)
		proc_reap(d);
	else
		nursery_replace(d);	/* its forks would not be our children */
}
