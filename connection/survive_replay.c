#include <event2/event.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/secret.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "connection/import.h"
#include "connection/survive.h"
#include "ipc/values.h"

#define ENDS_MAX (2 * SUP_SESSION_CHANNELS)	/* programs that run, and those whose output is not read yet */
#define ENDS 4		/* END_* as bits */

struct replay {
	struct memory_slot *slot;	/* private copies */
	uint8_t *log;
	uint32_t at, end;
	uint32_t copied, slot_state;	/* bytes of its log and state that are there */
	struct { uint64_t worker; int fds[ENDS]; } channels[ENDS_MAX];	/* -1: the supervisor has it no more */
	unsigned nchannels;
	int nothing;			/* stands in for it; -1 */
	enum log_level level;		/* while it runs nothing is logged twice */
	struct survive_count seen;
	int running;
};

/* ---- the end of it ------------------------------------------------------------------- */

static void replay_free(struct conn *c)
{
	struct replay *r = c->survive.replay;

	c->survive.replay = NULL;
	for (unsigned i = 0; i < r->nchannels; i++)
		for (int k = 0; k < ENDS; k++)
			if (r->channels[i].fds[k] >= 0)
				close(r->channels[i].fds[k]);
	if (r->nothing >= 0)
		close(r->nothing);
	if (r->running)
		log_set_level(r->level);
	secret_wipe(r->slot, offsetof(struct memory_slot, state) + r->slot_state);
	secret_wipe(r->log, r->copied);
	munmap(r->slot, sizeof *r->slot);
	munmap(r->log, MEMORY_LOG);
	free(r);
}

void survive_die(struct conn *c, const char *why)
{
	log_ev(LOGL_ERROR, "ev=revive conn=%llu: %s", (unsigned long long)c->id, why);
	_exit(1);
}

/* ---- reading back --------------------------------------------------------------------- */

static size_t length(const struct memory_entry *e)
{
	return sizeof *e + e->extent;
}

static struct memory_entry *peek(const struct replay *r)
{
	return (struct memory_entry *)(void *)(r->log + r->at);
}

void replay_differs(struct conn *c)
{
	survive_die(c, "the history differs");
}

struct memory_entry *replay_next(struct conn *c, enum memory_kind kind, uint32_t chan, unsigned which, size_t asked)
{
	struct replay *r = c->survive.replay;
	struct memory_entry *e = peek(r);
	struct ssh_mark mark;

	if (r->at >= r->end) {
		replay_free(c);
		return NULL;
	}
	ssh_get_mark(c->ssh, &mark);
	if (e->kind != kind || e->chan != chan || e->which != which || (kind != BOOK_READ_CLIENT && e->asked != asked) || e->chain != mark.chain || mark.once > 0) {
		log_ev(LOGL_ERROR, "ev=revive conn=%llu at=%u of=%u kind=%u/%u chan=%u/%u which=%u/%u asked=%u/%zu chain=%d", (unsigned long long)c->id,
		    r->at, r->end, e->kind, kind, e->chan, chan, e->which, which, e->asked, asked, e->chain == mark.chain);
		replay_differs(c);
	}
	r->at += (uint32_t)length(e);
	return e;
}

/* ---- the ends of channels --------------------------------------------------------------- */

/*
 * survive_take_fn. The supervisor closed what the predecessor told it to close; then something stands in, and the history goes on to
 * the place where it is closed. Nothing is read from it or written to it: that comes out of the log, and replay_check() watches.
 */
static int take_end(struct conn *c, uint64_t worker, unsigned end)
{
	const struct replay *r = c->survive.replay;

	for (unsigned i = 0; i < r->nchannels; i++)
		for (unsigned k = 0; k < ENDS; k++)
			if (r->channels[i].worker == worker && end == 1u << k && r->channels[i].fds[k] >= 0)
				return fcntl(r->channels[i].fds[k], F_DUPFD_CLOEXEC, 0);
	c->survive.stand_ins = 1;
	return fcntl(r->nothing, F_DUPFD_CLOEXEC, 0);
}

/* The supervisor marks it so; no end of a program's pipe or terminal is ever opened like that on our side. */
static int stands_in(int fd)
{
	return fd >= 0 && (fcntl(fd, F_GETFL) & O_APPEND);
}

void replay_check(struct conn *c, int fd)
{
	if (c->survive.stand_ins && stands_in(fd))
		survive_die(c, "the history does not close what was closed");
}

static void no_stand_ins(struct conn *c)
{
	const struct session *s;
	size_t at = 0;

	while ((s = table_next(&c->sessions, &at)) != NULL) {
		replay_check(c, s->relay.in.fd);
		replay_check(c, s->relay.out.fd);
		replay_check(c, s->relay.err.fd);
	}
	c->survive.stand_ins = 0;
}

/* ---- all of it again ------------------------------------------------------------------------ */

static void hear(struct conn *c, const struct memory_entry *e)
{
	struct ipc_msg m;

	if (survive_read_heard(c, e, take_end, &m) < 0 || conn_hear(c, &m) < 0)
		survive_die(c, "the history has words that cannot be");
	ipc_close_fds(&m);
}

static void run(struct conn *c)
{
	struct replay *r = c->survive.replay;

	r->running = 1;
	r->level = log_get_level();
	log_set_level(r->level < LOGL_ERROR ? r->level : LOGL_ERROR);
	while ((r = c->survive.replay) != NULL && !c->over) {
		const struct memory_entry *e = peek(r);
		uint32_t before = r->at;

		if (r->at >= r->end) {
			replay_free(c);
			return;
		}
		if (e->kind == BOOK_OUTPUT || e->kind == BOOK_INPUT_ROOM) {
			struct session *s = session_find(c, e->chan);

			if (s == NULL || s->state != SES_RUNNING)
				survive_die(c, "the history has another channel");
			relay_replay(&s->relay, (enum memory_kind)e->kind, e->which);
		} else if (e->kind == BOOK_HEARD) {
			hear(c, e);
		} else if (e->kind == BOOK_TURN) {
			conn_turn(c);
		} else {
			loop_replay(c, (enum memory_kind)e->kind);
		}
		if (c->survive.replay != NULL && c->survive.replay->at == before)
			survive_die(c, "the history does not go on");
	}
	if ((r = c->survive.replay) == NULL)
		return;
	if (r->at < r->end)
		survive_die(c, "the history is longer than the life");
	replay_free(c);
}

/* ---- becoming it ------------------------------------------------------------------------- */

/* As far as it is written, with the call in doubt and all it may have brought; the rest is a hole, and reading it would fill it. */
static uint32_t copy_log(uint8_t *to, const uint8_t *from, uint32_t log_len)
{
	const struct memory_entry *doubt = (const struct memory_entry *)(const void *)(from + log_len);
	size_t n = log_len + sizeof *doubt;

	if (doubt->kind != BOOK_NONE)
		n += doubt->extent;
	n = n + sizeof *doubt < MEMORY_LOG ? n + sizeof *doubt : MEMORY_LOG;
	memcpy(to, from, n);
	return (uint32_t)n;
}

/* A private copy of the active slot; the books are wiped. */
static int take_books(struct replay *r, int fd)
{
	struct memory *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const struct memory_slot *from;
	int ok;

	if (m == MAP_FAILED)
		return SSH_E_SYS;
	r->slot = mmap(NULL, sizeof *r->slot, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r->log = mmap(NULL, MEMORY_LOG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok = r->slot != MAP_FAILED && r->log != MAP_FAILED && m->magic == MEMORY_MAGIC && m->version == MEMORY_VERSION && m->valid == 1 && m->active < 2;
	if (ok) {
		madvise(r->slot, sizeof *r->slot, MADV_DONTDUMP);
		madvise(r->log, MEMORY_LOG, MADV_DONTDUMP);
		from = &m->slot[m->active];
		memcpy(r->slot, from, offsetof(struct memory_slot, state));
		ok = r->slot->log_len <= MEMORY_LOG - sizeof(struct memory_entry) && r->slot->state_len <= MEMORY_STATE;
	}
	if (ok) {
		r->slot_state = r->slot->state_len;
		r->copied = copy_log(r->log, m->log, r->slot->log_len);
		memcpy(r->slot->state, from->state, r->slot_state);
		m->valid = 0;		/* once */
	}
	munmap(m, sizeof *m);
	return ok ? SSH_OK : SSH_E_STATE;
}

int survive_revive(struct conn *c, struct ipc_msg *m)
{
	const struct ipc_REVIVE *q = &m->u.REVIVE;
	struct replay *r;
	int books, nothing, in, out, e;

	if (c->ssh != NULL || c->still || c->survive.replay != NULL || q->conn != c->id || q->size != sizeof(struct memory))
		return SSH_E_RULE;
	if ((r = calloc(1, sizeof *r)) == NULL)
		return SSH_E_NOMEM;
	books = ipc_take_fd(m, 0);
	nothing = ipc_take_fd(m, 1);
	in = ipc_take_fd(m, 2);
	out = m->nfds > 3 ? ipc_take_fd(m, 3) : in;
	r->nothing = nothing;
	r->seen = (struct survive_count){ q->rchar, q->wchar };
	c->survive.leave_out = q->heard;
	c->peer = q->peer;
	c->local = q->local;
	e = take_books(r, books);
	close(books);
	c->survive.replay = r;
	if (e == SSH_OK)
		e = loop_start(c, in, out);
	if (e < 0)
		survive_die(c, err_text(e));
	return SSH_OK;
}

int survive_ends(struct conn *c, struct ipc_msg *m)
{
	struct replay *r = c->survive.replay;
	unsigned ends = m->u.REVIVE_ENDS.ends;
	int n = 0;

	if (r == NULL || r->running || r->nchannels == ENDS_MAX || ends >= 1u << ENDS || m->nfds != __builtin_popcount(ends))
		return SSH_E_RULE;
	r->channels[r->nchannels].worker = m->u.REVIVE_ENDS.worker;
	for (unsigned k = 0; k < ENDS; k++)
		r->channels[r->nchannels].fds[k] = ends & 1u << k ? ipc_take_fd(m, n++) : -1;
	r->nchannels++;
	return SSH_OK;
}

/* carried_fn */
static int carried(void *ctx, uint32_t chan, unsigned ends, int fds[3])
{
	struct conn *c = ctx;
	const struct session *s = session_find(c, chan);
	int n = 0;

	for (unsigned i = 0; i < 3; i++)
		if ((ends & 1u << i) && (fds[n++] = take_end(c, s->worker, s->relay.pty ? END_PTY : 1u << i)) < 0)
			return SSH_E_SYS;	/* whoever called us leaves */
	return SSH_OK;
}

static int decide(struct replay *y)
{
	struct memory_slot *s = y->slot;
	struct survive_count c = { s->rchar, s->wchar };
	const struct memory_entry *doubt;
	int32_t result = 0;
	int e, r;

	TRY(survive_walk(s, y->log, &c, &doubt));
	if ((e = survive_doubt(doubt, c, y->seen, &result)) < 0) {
		log_ev(LOGL_ERROR, "ev=revive doubt=%d recorded=%llu/%llu seen=%llu/%llu", doubt != NULL ? doubt->kind : 0, (unsigned long long)c.rchar,
		    (unsigned long long)c.wchar, (unsigned long long)y->seen.rchar, (unsigned long long)y->seen.wchar);
		return e;
	}
	y->end = s->log_len;
	if (e > 0) {
		struct memory_entry *w = (struct memory_entry *)(void *)(y->log + s->log_len);

		w->result = result;
		if (length(w) > MEMORY_LOG - s->log_len)
			return SSH_E_STATE;
		y->end += (uint32_t)length(w);
	}
	return SSH_OK;
}

int survive_go(struct conn *c)
{
	struct replay *y = c->survive.replay;
	struct ipc_ADOPTED answer = { .status = ADOPT_OK };
	uint32_t entries;
	int e, r;

	if (y == NULL || y->running)
		return SSH_E_RULE;
	survive_seed(c, y->slot->seed);
	c->survive.import_now = y->slot->now;
	if (c->survive.leave_out < y->slot->said)
		survive_die(c, "the supervisor heard less than it was told");
	c->survive.leave_out -= y->slot->said;
	if ((e = decide(y)) < 0 || (e = conn_import(c, view_of(y->slot->state, y->slot->state_len), carried, c)) < 0)
		survive_die(c, err_text(e));
	ssh_mark_start(c->ssh);
	if (y->slot->paused)
		loop_pause(c);
	entries = y->end;
	TRY(link_send(c->sup, IPC_ADOPTED, &answer));
	link_enter(c->sup, W_AUTHED);
	run(c);
	log_ev(LOGL_VERBOSE, "ev=revive conn=%llu log=%u", (unsigned long long)c->id, entries);
	c->loop.active = 1;
	loop_turn(c);
	no_stand_ins(c);
	return SSH_OK;
}
