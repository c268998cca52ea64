#include "supervisor/state.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "supervisor/drain.h"
#include "supervisor/exits.h"
#include "supervisor/grant.h"
#include "supervisor/journal.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/reload.h"
#include "supervisor/resume_internal.h"
#include "supervisor/state_codec.h"
#include "supervisor/store.h"
#include "supervisor/tree_internal.h"
#include "supervisor/worker.h"

/* Numbers given out since the last DAEMON record stay below what it says. */
#define MARGIN 256u

/* Where records go: our own journal, or the one written for a successor. */
struct pen { struct journal *j; unsigned format; int error; };

static void put(struct pen *pen, const struct saved *s)
{
	static struct buf b;
	int r;

	if (!state_knows(s->kind, pen->format))
		return;		/* whoever reads it would not know what to do */
	if (b.max == 0)
		buf_init(&b, JOURNAL_VALUE_MAX, &mem_reserve);
	buf_truncate(&b, 0);
	if ((r = state_encode(&b, pen->format, s)) == SSH_OK)
		r = journal_put(pen->j, s->kind, s->id, view_of(buf_head(&b), buf_len(&b)));
	if (r < 0 && pen->error == SSH_OK)
		pen->error = r;
}

/* The everyday case. A record that does not fit is missing: said once, and the next supervisor ends what it was about. */
static void note(struct daemon *d, const struct saved *s)
{
	static int complained;
	struct pen pen = { d->journal, program_version.format, SSH_OK };

	put(&pen, s);
	if (pen.error < 0 && !complained++)
		log_ev(LOGL_ERROR, "ev=journal a record is missing: %s; after a SIGKILL of this process sessions may be lost", err_text(pen.error));
}

/* ---- each kind ---------------------------------------------------------------------------- */

static struct saved of_daemon(const struct daemon *d, unsigned margin)
{
	return (struct saved){ .kind = STATE_DAEMON, .u.DAEMON = {
		.generation = d->generation, .last_serial = d->last_serial + margin,
		.last_node = (d->tree != NULL ? d->tree->last_id : 0) + margin, .last_listener = d->last_listener + margin, .keys = d->keys,
		.stopping = d->stopping || !d->up, .began = d->began, .upgraded = d->upgraded, .upgrades = d->upgrades,
		.adoptions = d->adoptions, .came_from = view_str(d->came_from), .replacing = (uint8_t)d->renewing,
		.level = (uint8_t)(d->log_level + 1) } };
}

static struct saved of_listener(const struct listener *l)
{
	return (struct saved){ .kind = STATE_LISTENER, .id = l->id, .u.LISTENER = {
		.asked = l->asked, .local = l->local, .announced = l->announced != 0, .activated = l->activated != 0,
		.name = view_str(l->name), .path = view_str(l->path), .node = l->kid != NULL ? l->kid->node->id : 0,
		.halt = (uint8_t)l->halt, .added = l->added != 0 } };
}

static struct saved of_node(const struct kid *k, struct buf *window)
{
	const struct sup_node *n = k->node;
	struct wr w = wr_to(window);
	struct saved s = { .kind = STATE_NODE, .id = n->id, .u.NODE = {
		.parent = n->parent != NULL ? n->parent->id : 0, .row = view_str(k->row->name), .name = view_str(k->name),
		.state = (uint8_t)n->state, .reason = (uint8_t)n->reason, .restarts = n->restarts, .fails = n->fails, .due_ms = n->due_ms, .up_ms = k->up_ms, .lived_ms = k->lived_ms,
		.last_pid = k->last_pid, .last_exit = view_str(k->last_exit) } };

	s.u.NODE.flags = (uint8_t)((n->dynamic ? NODE_DYNAMIC : 0) | (n->fresh ? NODE_FRESH : 0) | (n->removing ? NODE_REMOVING : 0)
	    | (n->gone ? NODE_GONE : 0) | (n->held ? NODE_HELD : 0) | (n->byhand ? NODE_BYHAND : 0));
	for (unsigned i = 0; i < n->window_used; i++)
		wr_u64(&w, n->window[i]);
	if (wr_done(&w) == SSH_OK)
		s.u.NODE.window = view_of(buf_head(window), buf_len(window));
	return s;
}

static struct saved of_proc(const struct proc *p)
{
	struct saved s = { .kind = STATE_PROC, .id = p->serial, .u.PROC = {
		.pid = p->pid, .role = (uint8_t)p->role, .node = p->kid != NULL ? p->kid->node->id : 0,
		.when = p->link != NULL ? (uint8_t)link_state(p->link) : 0, .born_ms = p->born_ms, .forked_by = p->forked_by, .asked = p->asked, .unmet = p->unmet, .keys = p->keys, .slot = p->slot,
		.slice = p->slice } };

	s.u.PROC.flags = (p->greeted ? PROC_GREETED : 0) | (p->is_ready ? PROC_READY : 0) | (p->ending ? PROC_ENDING : 0)
	    | (p->killed ? PROC_KILLED : 0) | (p->broke_rules ? PROC_BROKE : 0) | (p->d->nursery.next == p || p->heir_of != NULL || p->trial ? PROC_NEXT : 0)
	    | (p->link != NULL ? PROC_LINKED : 0);
	return s;
}

static struct saved of_session(const struct session *se)
{
	return (struct saved){ .kind = STATE_SESSION, .id = se->conn, .u.SESSION = {
		.connection = se->connection != NULL ? se->connection->node->id : 0, .peer = se->peer, .local = se->local,
		.acceptor = se->acceptor, .slot = se->slot, .fate_told = se->fate_told != 0, .tries = se->tries,
		.id = view_of(se->id, se->id_len), .host = view_of(se->host, se->host_len), .phase = se->phase, .deadline_ms = se->deadline_ms, .last_worker = se->last_worker,
		.header = se->header, .via = se->via, .since = (uint64_t)se->since, .level = (uint8_t)(se->log_level + 1) } };
}

static struct saved of_grant(const struct session *se, struct buf *groups)
{
	const struct grant *g = se->grant;
	struct wr w = wr_to(groups);
	struct saved s = { .kind = STATE_GRANT, .id = se->conn, .u.GRANT = {
		.uid = g->uid, .gid = g->gid, .permits = g->permits, .max_sessions = g->max_sessions, .user = view_str(g->user),
		.home = view_str(g->home), .shell = view_str(g->shell), .forced = view_str(g->forced),
		.subsystems = view_str(g->subsystems), .environment = g->environment,
		.accept_env = view_str(g->accept_env[0] != '\0' ? g->accept_env : " ") } };

	for (size_t i = 0; i < g->ngroups; i++)
		wr_u32(&w, g->groups[i]);
	if (wr_done(&w) == SSH_OK)
		s.u.GRANT.groups = view_of(buf_head(groups), buf_len(groups));
	return s;
}

static struct saved of_work(const struct work *w)
{
	struct saved s = { .kind = STATE_WORK, .id = w->kid->node->id, .u.WORK = {
		.conn = w->s->conn, .worker = w->id, .req = w->req, .begun = w->answered ? 2 : w->ordered ? 1 : 0, .hung_up = w->hung_up != 0,
		.sftp = w->sftp != 0 } };

	for (int i = 0; i < ENDS; i++)
		s.u.WORK.ends |= (uint8_t)(w->ends[i] >= 0 ? 1u << i : 0);
	return s;
}

static void forget(struct daemon *d, enum state_kind kind, uint64_t id)
{
	if (d->journal != NULL)
		journal_del(d->journal, kind, id);
}

/* ---- as they change -------------------------------------------------------------------------- */

void state_daemon(struct daemon *d)
{
	struct saved s;

	if (d->journal == NULL)
		return;
	s = of_daemon(d, MARGIN);
	note(d, &s);
}

void state_listener(struct listener *l)
{
	struct saved s;

	if (l->d->journal == NULL)
		return;
	s = of_listener(l);
	note(l->d, &s);
}

void state_drain(struct daemon *d)
{
	struct saved s = { .kind = STATE_DRAIN };

	if (d->journal == NULL)
		return;
	if (drain_save(d, &s.u.DRAIN))
		note(d, &s);
	else
		forget(d, STATE_DRAIN, 0);
}

void state_unconfirmed(struct daemon *d)
{
	struct saved s = { .kind = STATE_UNCONFIRMED, .u.UNCONFIRMED = { .confirm_by_ms = reload_confirm_by(d) } };

	if (d->journal == NULL)
		return;
	if (s.u.UNCONFIRMED.confirm_by_ms != 0)
		note(d, &s);
	else
		forget(d, STATE_UNCONFIRMED, 0);
}

void state_node(struct kid *k)
{
	struct buf window;
	struct saved s;

	if (k->d->journal == NULL || k->node == NULL)
		return;
	if (k->node->id % MARGIN == 0)
		state_daemon(k->d);
	buf_init(&window, 8192, &mem_reserve);
	s = of_node(k, &window);
	note(k->d, &s);
	buf_drop(&window);
}

void state_proc(struct proc *p)
{
	struct saved s;

	if (p->d->journal == NULL)
		return;
	if (p->serial % MARGIN == 0)
		state_daemon(p->d);
	s = of_proc(p);
	note(p->d, &s);
	store_touch(p->d, STORE_AFTER_MS);
}

void state_session(struct session *se)
{
	struct saved s;

	if (se->d->journal == NULL)
		return;
	s = of_session(se);
	note(se->d, &s);
}

void state_grant(struct session *se)
{
	struct buf groups;
	struct saved s;

	if (se->d->journal == NULL || se->grant == NULL)
		return;
	buf_init(&groups, 4096, &mem_reserve);
	s = of_grant(se, &groups);
	note(se->d, &s);
	buf_drop(&groups);
}

void state_work(struct work *w)
{
	struct saved s;

	if (w->s->d->journal == NULL || w->kid == NULL)
		return;
	s = of_work(w);
	note(w->s->d, &s);
}

void state_exited(struct session *se, const struct kept_exit *e)
{
	struct saved s = exits_record(se, e);

	if (se->d->journal != NULL)
		note(se->d, &s);
}

void state_forget_exited(struct session *se, uint64_t node)
{
	forget(se->d, STATE_EXITED, node);
}

void state_parked(struct session *se, unsigned place, struct view message)
{
	struct saved s = { .kind = STATE_PARKED, .id = se->conn * 8 + place, .u.PARKED = { .message = message } };

	if (se->d->journal != NULL)
		note(se->d, &s);
}

void state_forget_listener(struct listener *l)
{
	forget(l->d, STATE_LISTENER, l->id);
	keep_drop(l->d, KEPT_LISTENER, l->id);
}

void state_forget_node(struct kid *k)
{
	if (k->node != NULL)
		forget(k->d, STATE_NODE, k->node->id);
}

void state_forget_proc(struct proc *p)
{
	forget(p->d, STATE_PROC, p->serial);
	keep_gone(p);
}

void state_forget_session(struct session *se)
{
	state_forget_parked(se);
	forget(se->d, STATE_GRANT, se->conn);
	forget(se->d, STATE_SESSION, se->conn);
}

void state_forget_work(struct work *w)
{
	if (w->kid != NULL)
		forget(w->s->d, STATE_WORK, w->kid->node->id);
}

void state_forget_parked(struct session *se)
{
	for (unsigned i = 0; i < PARK_MAX; i++)
		forget(se->d, STATE_PARKED, se->conn * 8 + i);
}

int state_put(struct journal *j, unsigned format, const struct saved *s)
{
	struct pen pen = { j, format, SSH_OK };

	put(&pen, s);
	return pen.error;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static void write_session(struct pen *pen, struct session *se, struct buf *b)
{
	struct saved s = of_session(se);

	put(pen, &s);
	for (const struct kept_exit *e = exits_next(se, NULL); e != NULL; e = exits_next(se, e)) {
		s = exits_record(se, e);
		put(pen, &s);
	}
	if (se->grant == NULL)
		return;
	buf_truncate(b, 0);
	s = of_grant(se, b);
	put(pen, &s);
}

static void write_nodes(struct pen *pen, const struct sup_node *n, struct buf *b)
{
	struct kid *k = n->ctx;
	struct saved s;

	if (k != NULL) {
		buf_truncate(b, 0);
		s = of_node(k, b);
		put(pen, &s);
		if (k->work != NULL) {
			s = of_work(k->work);
			put(pen, &s);
		}
	}
	LIST_EACH(l, &n->children)
		write_nodes(pen, LIST_OF(l, struct sup_node, link), b);
}

int state_write_all(struct daemon *d, struct journal *j, unsigned format)
{
	struct pen pen = { j, format, SSH_OK };
	struct saved s = of_daemon(d, j == d->journal ? MARGIN : 0);
	struct session *se;
	size_t at = 0;
	struct buf b;

	buf_init(&b, 8192, NULL);
	put(&pen, &s);
	LIST_EACH(l, &d->listeners) {
		s = of_listener(LIST_OF(l, struct listener, link));
		put(&pen, &s);
	}
	LIST_EACH(l, &d->procs) {
		s = of_proc(LIST_OF(l, struct proc, all));
		put(&pen, &s);
	}
	s = (struct saved){ .kind = STATE_DRAIN };
	if (drain_save(d, &s.u.DRAIN))
		put(&pen, &s);
	s = (struct saved){ .kind = STATE_UNCONFIRMED, .u.UNCONFIRMED = { .confirm_by_ms = reload_confirm_by(d) } };
	if (s.u.UNCONFIRMED.confirm_by_ms != 0)
		put(&pen, &s);
	while ((se = table_next(&d->sessions, &at)) != NULL)
		write_session(&pen, se, &b);
	if (d->tree != NULL)
		write_nodes(&pen, sup_root(d->tree), &b);
	buf_drop(&b);
	return pen.error;
}

void state_origin(struct journal_origin *o, unsigned format)
{
	*o = (struct journal_origin){ .format = format, .proto = IPC_PROTO, .pid = getpid() };
	snprintf(o->build, sizeof o->build, "%s", program_version.name);
}

int state_open(struct daemon *d)
{
	struct journal_origin o;
	int r;

	state_origin(&o, program_version.format);
	o.number = d->resume != NULL ? d->resume->im.from.number + 1 : 1;
	if ((r = journal_new(&d->journal, JOURNAL_HALF_MAX, &o)) < 0)
		log_ev(LOGL_ERROR, "journal: %s; sessions will not outlive a killed supervisor", err_text(r));
	return r;
}

void state_close(struct daemon *d)
{
	journal_free(d->journal);
	d->journal = NULL;
}
