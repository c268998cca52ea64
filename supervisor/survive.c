#include "supervisor/survive.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ipc/clock.h"
#include "ipc/memory.h"
#include "ipc/values.h"
#include "supervisor/boxes.h"
#include "supervisor/cgroup.h"
#include "supervisor/command.h"
#include "supervisor/counters.h"
#include "supervisor/effects.h"
#include "supervisor/ends.h"
#include "supervisor/introduce.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/procfs.h"
#include "supervisor/reports.h"
#include "supervisor/state.h"

#define EXITS_KEPT    SUP_SESSION_CHANNELS	/* as many programs as a session may have at once: the others' were heard */
#define REFUSALS_KEPT SUP_SESSION_CHANNELS
#define ENDS_KEPT     SUP_SESSION_CHANNELS

struct survival {
	int books;			/* the memfd; -1 */
	int old;			/* what a successor is reading; -1 */
	unsigned reviving : 1;		/* a successor reads them */
	unsigned seen : 1;		/* rchar and wchar were read of the process that died last */
	uint64_t rchar, wchar;
	uint64_t old_rchar, old_wchar, old_heard;	/* of the one whose books are old */
	pid_t died;
	uint64_t packets;		/* where the last one died + 1; 0: none has */
	uint64_t faults[SURVIVE_FAULTS];	/* when, ms; a ring */
	unsigned nfaults;		/* ever */
	struct ipc_WORKER_EXIT exits[EXITS_KEPT];
	unsigned nexits;		/* ever */
	struct ipc_SPAWNED refusals[REFUSALS_KEPT];
	unsigned nrefusals;		/* ever */
	struct { uint64_t worker; uint32_t req; int ends[ENDS]; } kept[ENDS_KEPT];
	unsigned nkept;
};

/* ---- the books ------------------------------------------------------------------------- */

/* Keys lie in it. */
static void books_close(int *fd)
{
	if (*fd < 0)
		return;
	fallocate(*fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(struct memory));
	close(*fd);
	*fd = -1;
}

/* They keep their size, so that nobody who maps them meets an end that moved. */
static int books_make(void)
{
	int fd = memfd_create("coppice-books", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, sizeof(struct memory)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* New ones, for this process. */
static int books_open(struct survival *v, struct proc *p)
{
	int fd;

	books_close(&v->books);
	if ((v->books = books_make()) < 0 || (fd = fcntl(v->books, F_DUPFD_CLOEXEC, 3)) < 0)
		return SSH_E_SYS;
	return link_send_fds(p->link, IPC_MEMORY, &(struct ipc_MEMORY){ .size = sizeof(struct memory) }, &fd, 1);
}

void survive_begin(struct session *s)
{
	struct proc *p = s->connection->proc;
	struct survival *v = s->survival;

	if (!s->d->values->SurviveCrash || p == NULL || p->link == NULL)
		return;
	if (v == NULL) {
		if ((v = s->survival = calloc(1, sizeof *v)) == NULL)
			return;
		v->books = v->old = -1;
	}
	if (books_open(v, p) < 0)
		books_close(&v->books);
}

static void close_kept(struct survival *v, unsigned i, unsigned bits)
{
	int any = 0;

	for (unsigned k = 0; k < ENDS; k++) {
		if ((bits & 1u << k) && v->kept[i].ends[k] >= 0) {
			close(v->kept[i].ends[k]);
			v->kept[i].ends[k] = -1;
		}
		any |= v->kept[i].ends[k] >= 0;
	}
	if (!any)
		v->kept[i] = v->kept[--v->nkept];
}

void survive_drop(struct session *s)
{
	struct survival *v = s->survival;

	if (v == NULL)
		return;
	while (v->nkept > 0)
		close_kept(v, v->nkept - 1, ~0u);
	books_close(&v->books);
	books_close(&v->old);
	free(v);
	s->survival = NULL;
}

void survive_note_exit(struct session *s, const struct ipc_WORKER_EXIT *m)
{
	if (s->survival != NULL)
		s->survival->exits[s->survival->nexits++ % EXITS_KEPT] = *m;
}

void survive_note_refusal(struct session *s, const struct ipc_SPAWNED *m)
{
	if (s->survival != NULL)
		s->survival->refusals[s->survival->nrefusals++ % REFUSALS_KEPT] = *m;
}

void survive_keep_ends(struct work *w)
{
	struct survival *v = w->s->survival;
	int any = 0;

	for (unsigned k = 0; k < ENDS; k++)
		any |= w->ends[k] >= 0;
	if (v == NULL)
		return;
	if (w->hung_up || (any && v->nkept == ENDS_KEPT)) {	/* a connection that has not heard of it never will */
		survive_note_refusal(w->s, &(struct ipc_SPAWNED){ .req = w->req, .status = SPAWNED_FAILED });
		return;
	}
	if (!any)
		return;
	v->kept[v->nkept].worker = w->id;
	v->kept[v->nkept].req = w->req;
	memcpy(v->kept[v->nkept++].ends, w->ends, sizeof w->ends);
	for (unsigned k = 0; k < ENDS; k++)
		w->ends[k] = -1;
}

void survive_shut(struct session *s, const struct ipc_CHAN_SHUT *m)
{
	struct survival *v = s->survival;

	for (unsigned i = 0; v != NULL && i < v->nkept; i++)
		if (v->kept[i].worker == m->worker) {
			close_kept(v, i, m->ends);
			return;
		}
}

/* ---- a death ---------------------------------------------------------------------------- */

void survive_look(struct proc *p)
{
	struct survival *v = p->role == ROLE_CONN && p->kid != NULL && p->kid->session != NULL ? p->kid->session->survival : NULL;
	char path[40], text[512];

	if (v == NULL || v->books < 0)
		return;
	snprintf(path, sizeof path, "/proc/%d/io", (int)p->pid);
	v->seen = procfs_read(path, text, sizeof text) == SSH_OK && sscanf(text, "rchar: %" SCNu64 " wchar: %" SCNu64, &v->rchar, &v->wchar) == 2;
}

static int not_again(const char *why)
{
	count(COUNT_REVIVALS_FAILED);
	log_ev(LOGL_ERROR, "ev=revive no successor: %s", why);
	return 0;
}

struct look { int good; uint64_t packets; };

/* good: a successor can go on from them. */
static struct look books_look(int fd)
{
	const struct memory *m = mmap(NULL, sizeof *m, PROT_READ, MAP_SHARED, fd, 0);
	struct look x = { 0, 0 };

	if (m == MAP_FAILED)
		return x;
	x.packets = m->packets;
	x.good = m->magic == MEMORY_MAGIC && m->valid == 1;
	munmap((void *)(uintptr_t)m, sizeof *m);
	return x;
}

/* Once per packet position. */
static int may_go_on(struct survival *v)
{
	struct look x = books_look(v->books);

	if (!x.good)
		return not_again("its books were closed");
	if (v->packets != 0 && x.packets < v->packets)
		return not_again("the last one died at the same packet");
	v->packets = x.packets + 1;
	return 1;
}

/* A client that can crash its process must not be able to do so for ever, not even with another packet each time. SIGKILL is not its doing. */
static int too_many_faults(struct survival *v, int wstatus)
{
	uint64_t now = clock_ms(), *oldest = &v->faults[v->nfaults % SURVIVE_FAULTS];

	if (WTERMSIG(wstatus) == SIGKILL)
		return 0;
	if (v->nfaults >= SURVIVE_FAULTS && now - *oldest < SURVIVE_FAULTS_MS)
		return 1;
	*oldest = now;
	v->nfaults++;
	return 0;
}

int survive_revives(struct proc *p, int wstatus)
{
	struct session *s = p->role == ROLE_CONN && p->kid != NULL && p->kid->proc == p ? p->kid->session : NULL;
	struct survival *v = s != NULL ? s->survival : NULL;

	if (v != NULL && v->reviving && p->link != NULL)
		link_drain(p->link);	/* it may have come further than we know */
	if (v == NULL || !s->d->values->SurviveCrash || s->grant == NULL || s->d->stopping)
		return 0;
	if (!WIFSIGNALED(wstatus) || p->killed || p->broke_rules || p->ending || s->move != NULL)
		return 0;
	if (s->connection->node->state != SUP_ST_UP || s->kid->node->state != SUP_ST_UP)
		return 0;
	if (p->link != NULL && link_drain(p->link) < 0)
		return not_again("it broke the rules");
	if (s->survival == NULL || s->connection->node->state != SUP_ST_UP || s->kid->node->state != SUP_ST_UP)
		return 0;	/* what it had said ended it */
	if (too_many_faults(v, wstatus))
		return not_again("it crashes again and again");
	if (v->reviving)	/* killed before it had read anything: it has seen no packet */
		return books_look(v->old).good || not_again("the successor died, too");
	return v->books >= 0 && (v->seen || not_again("the kernel does not tell what it read and wrote")) && may_go_on(v);
}

/* ---- the successor ------------------------------------------------------------------------ */

/* Its mark is O_APPEND (connection/survive_replay.c), which an end of a channel never has. */
static int pipe_to_nowhere(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	close(p[1]);
	fcntl(p[0], F_SETFL, O_APPEND);
	return p[0];
}

static int send_books(struct session *s, struct proc *p)
{
	const struct survival *v = s->survival;
	struct ipc_REVIVE m = {
		.conn = s->conn, .size = sizeof(struct memory), .rchar = v->old_rchar, .wchar = v->old_wchar, .heard = v->old_heard, .peer = s->peer,
		.local = s->local,
	};
	int nowhere = pipe_to_nowhere(), r;

	if (nowhere < 0)
		return SSH_E_SYS;
	r = link_lend_fds(p->link, IPC_REVIVE, &m, (int[]){ v->old, nowhere, s->sock[0], s->sock[1] }, s->sock[1] >= 0 ? 4 : 3);
	close(nowhere);
	return r;
}

/* Those that are open, in the order of their bits. */
static int open_ends(const int ends[ENDS], int fds[ENDS], uint8_t *bits)
{
	int n = 0;

	*bits = 0;
	for (unsigned k = 0; k < ENDS; k++)
		if (ends[k] >= 0) {
			*bits |= (uint8_t)(1u << k);
			fds[n++] = ends[k];
		}
	return n;
}

static int send_ends(struct proc *p, uint64_t worker, const int ends[ENDS])
{
	struct ipc_REVIVE_ENDS m = { .worker = worker };
	int fds[ENDS], n = open_ends(ends, fds, &m.ends);

	return n > 0 ? link_lend_fds(p->link, IPC_REVIVE_ENDS, &m, fds, n) : SSH_OK;
}

static int send_all(struct session *s, struct proc *p)
{
	struct survival *v = s->survival;
	int r;

	TRY(send_books(s, p));
	TRY(books_open(v, p));
	LIST_EACH(l, &s->works) {
		const struct work *w = LIST_OF(l, struct work, link);

		TRY(send_ends(p, w->id, w->ends));
	}
	for (unsigned i = 0; i < v->nkept; i++)
		TRY(send_ends(p, v->kept[i].worker, v->kept[i].ends));
	return link_send(p->link, IPC_REVIVE_GO, &(struct ipc_REVIVE_GO){ 0 });
}

static int start(struct session *s)
{
	struct proc *p;
	int pair[2], r;

	if (link_pair(pair) < 0)
		return SSH_E_SYS;
	if ((p = proc_new(s->d, s->connection, ROLE_CONN, 0, pair[0])) == NULL) {
		close(pair[1]);
		return SSH_E_NOMEM;
	}
	p->slot = boxes_take(s->d);
	p->greeted = 1;
	state_proc(p);
	if ((r = send_all(s, p)) < 0)
		close(pair[1]);
	else
		r = nursery_fork(s->d, p, s->conn, pair[1]);
	if (r < 0)
		proc_disown(p);
	return r;
}

static void give_up(struct session *s)
{
	struct kid *k = s->connection;

	not_again("it could not be started");
	survive_drop(s);
	session_connection_ended(s, 1);
	fx_event(k, SUP_EV_EXITED, SUP_ABNORMAL);
}

void survive_revive(struct proc *p)
{
	struct kid *k = p->kid;
	struct session *s = k->session;
	struct survival *v;
	pid_t pid = p->pid;

	uint64_t heard = p->heard;	/* all it had said: survive_revives() */

	k->proc = NULL;
	p->kid = NULL;
	proc_forget(p);
	if ((v = s->survival) == NULL)
		return;
	if (!v->reviving) {
		books_close(&v->old);
		v->old = v->books;
		v->old_rchar = v->rchar;
		v->old_wchar = v->wchar;
		v->old_heard = heard;
		v->books = -1;
		v->reviving = 1;
		v->died = pid;
	}
	log_ev(LOGL_WARN, "ev=revive %s pid=%d was killed: a fresh process takes over", s->kid->name, (int)pid);
	if (start(s) < 0)
		give_up(s);
}

int survive_again(struct proc *p)
{
	struct session *s = p->kid != NULL ? p->kid->session : NULL;
	struct survival *v = s != NULL ? s->survival : NULL;

	if (v == NULL || !v->reviving || p->kid != s->connection || s->d->stopping || !books_look(v->old).good)
		return 0;
	proc_disown(p);
	if (start(s) < 0)
		give_up(s);
	return 1;
}

static void say_kept(struct proc *p, uint32_t req, uint64_t worker, const int ends[ENDS])
{
	struct ipc_SPAWNED m = { .req = req, .status = SPAWNED_OK, .worker = worker };
	uint8_t bits;
	int fds[ENDS], n = open_ends(ends, fds, &bits);

	if (ends_complete(ends))
		link_lend_fds(p->link, IPC_SPAWNED, &m, fds, n);
}

/* What the dead one may not have read, or not written down. Who knows it already takes no notice. An exit comes behind its program. */
static void say_again(struct session *s, struct proc *p)
{
	const struct survival *v = s->survival;

	LIST_EACH(l, &s->works)
		worker_say_again(LIST_OF(l, struct work, link));
	for (unsigned i = 0; i < v->nkept; i++)
		say_kept(p, v->kept[i].req, v->kept[i].worker, v->kept[i].ends);
	for (unsigned i = v->nrefusals > REFUSALS_KEPT ? v->nrefusals - REFUSALS_KEPT : 0; i < v->nrefusals; i++)
		link_send(p->link, IPC_SPAWNED, &v->refusals[i % REFUSALS_KEPT]);
	for (unsigned i = v->nexits > EXITS_KEPT ? v->nexits - EXITS_KEPT : 0; i < v->nexits; i++)
		link_send(p->link, IPC_WORKER_EXIT, &v->exits[i % EXITS_KEPT]);
	command_notice_again(s);
}

int survive_adopted(struct proc *p)
{
	struct session *s = p->kid->session;
	struct survival *v = s->survival;

	if (v == NULL || !v->reviving || s->connection->proc != p)
		return SSH_OK;
	p->is_ready = 1;
	link_enter(p->link, W_AUTHED);
	introduce_successor(p);
	cgroup_session_moved(s);
	command_tell_level(p);
	v->reviving = 0;
	books_close(&v->old);
	say_again(s, p);
	count(COUNT_REVIVALS);
	log_ev(LOGL_INFO, "ev=revive %s goes on as pid=%d", s->kid->name, (int)p->pid);
	reports_tell(s->d, HAPPENS_REVIVE, LOGL_DEBUG, NULL, (struct tell[]){ TELL_NUMBER("session", s->conn), TELL_NUMBER("pid", p->pid),
		TELL_NUMBER("from", v->died), TELL_END });
	return SSH_OK;
}
