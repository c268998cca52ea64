#include "supervisor/handoff.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "ipc/clock.h"
#include "ipc/values.h"
#include "supervisor/boxes.h"
#include "supervisor/cgroup.h"
#include "supervisor/command.h"
#include "supervisor/exits.h"
#include "supervisor/introduce.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/reports.h"
#include "supervisor/spare.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/survive.h"

struct handoff {
	struct list link;		/* daemon.handoffs.active */
	struct session *s;
	uint32_t number;
	int memfd, far;			/* the state; where the predecessor's descriptors lie */
	uint32_t length;
	struct proc *old, *next;	/* next: NULL until the state is there */
	int adopted;
	uint64_t began_us;
	struct event *deadline;
};

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- the end of a move ---------------------------------------------------------------- */

/* Keys: whoever should have wiped them may not have come to it. */
static void wipe(struct handoff *h)
{
	void *p;

	if (h->memfd < 0)
		return;
	if (h->length > 0 && (p = mmap(NULL, h->length, PROT_READ | PROT_WRITE, MAP_SHARED, h->memfd, 0)) != MAP_FAILED) {
		secret_wipe(p, h->length);
		munmap(p, h->length);
	}
	fallocate(h->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HANDOFF_SIZE);
}

static void handoff_free(struct handoff *h)
{
	list_remove(&h->link);
	h->s->d->handoffs.nactive--;
	h->s->move = NULL;
	if (h->deadline != NULL)
		event_free(h->deadline);
	close_fd(h->memfd);
	close_fd(h->far);
	free(h);
}

/* It has no right to touch anything; but it holds the client's socket, so it has to go at once. */
static void drop_successor(struct handoff *h)
{
	struct proc *p = h->next;

	h->next = NULL;
	if (p == NULL)
		return;
	p->adopts = NULL;
	if (p->pid > 0)
		proc_kill(p);
	else
		h->s->orphan_of = p->forked_by;
	proc_disown(p);
}

static void finish(struct handoff *h, enum handoff_result result, const char *why)
{
	struct session *s = h->s;
	struct handoff_outcome o = {
		.conn = s->conn, .result = result, .why = why, .from = h->old->pid, .bytes = h->length,
		.pause_us = (uint32_t)(clock_us() - h->began_us),
	};

	if (result == MOVE_DONE)
		o.to = s->connection->proc->pid;
	handoff_free(h);
	exits_settle(s);
	handoffs_outcome(s, &o);
}

/* A duplicate that waits in the socket of a successor nobody has forked yet must not keep the client from seeing the end. */
static void hang_up(const struct session *s)
{
	for (int i = 0; i < 2; i++)
		if (s->sock[i] >= 0)
			shutdown(s->sock[i], SHUT_RDWR);
}

/* The predecessor goes on. */
static void abandon(struct handoff *h, enum handoff_result result, const char *why)
{
	struct link *l = h->old->link;

	if (result == MOVE_ENDED && h->next != NULL)
		hang_up(h->s);
	drop_successor(h);
	wipe(h);
	if (l != NULL) {
		link_hold(l, 0);
		link_send(l, IPC_SERVE, &(struct ipc_SERVE){ .move = h->number });
		link_give(l, l);
	}
	finish(h, result, why);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct handoff *h = arg;

	(void)fd, (void)what;
	if (h->next == NULL)	/* it is not asked twice: each question costs descriptors until it is heard */
		h->s->move_unanswered = h->number;
	abandon(h, MOVE_LATER, "it took too long");
}

/* ---- the beginning ------------------------------------------------------------------------ */

/* NULL when it may begin. */
static const char *hindrance(const struct session *s)
{
	const struct proc *p = s->connection != NULL ? s->connection->proc : NULL;

	if (p == NULL || p->link == NULL || p->pid <= 0 || p->ending || p->killed)
		return "no process";
	if (!p->is_ready || s->grant == NULL)
		return "login not finished";
	if (s->connection->node->state != SUP_ST_UP || s->kid->node->state != SUP_ST_UP || s->d->stopping)
		return "starting or stopping";
	if (s->move != NULL || s->orphan_of != 0)
		return "another move is not over";
	if (s->move_unanswered != 0)
		return "it does not answer";
	if (!nursery_can_fork(s->d))
		return "no nursery";
	if (!spare_fds(SPARE_MOVE))
		return "out of descriptors";
	return NULL;
}

/* It keeps its size, so that nobody who maps it meets an end that moved. */
static int make_memfd(void)
{
	int fd = memfd_create("coppice-connection", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, HANDOFF_SIZE) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ask(struct handoff *h)
{
	struct ipc_HANDOFF m = { .move = h->number, .size = HANDOFF_SIZE };
	int pair[2], fds[2];

	if ((h->memfd = make_memfd()) < 0 || link_pair(pair) < 0)
		return SSH_E_SYS;
	h->far = pair[0];
	fds[0] = fcntl(h->memfd, F_DUPFD_CLOEXEC, 3);
	fds[1] = pair[1];
	if (fds[0] < 0) {
		close(fds[1]);
		return SSH_E_SYS;
	}
	return link_send_fds(h->old->link, IPC_HANDOFF, &m, fds, 2);
}

static struct handoff *handoff_new(struct session *s)
{
	struct timeval tv = { HANDOFF_MS / 1000, HANDOFF_MS % 1000 * 1000 };
	struct handoff *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->s = s;
	h->memfd = h->far = -1;
	h->number = ++s->d->handoffs.last;
	h->old = s->connection->proc;
	h->began_us = clock_us();
	list_add_tail(&s->d->handoffs.active, &h->link);
	s->d->handoffs.nactive++;
	s->move = h;
	h->deadline = evtimer_new(s->d->base, on_deadline, h);
	if (h->deadline == NULL || event_add(h->deadline, &tv) < 0) {
		handoff_free(h);
		return NULL;
	}
	return h;
}

void handoff_session(struct session *s)
{
	const char *why = hindrance(s);
	struct handoff_outcome o = { .conn = s->conn, .result = MOVE_LATER };
	struct handoff *h;

	if (why != NULL || (h = handoff_new(s)) == NULL) {
		o.why = why != NULL ? why : err_text(SSH_E_NOMEM);
		if (s->connection != NULL && s->connection->proc != NULL)
			o.from = s->connection->proc->pid;
		handoffs_outcome(s, &o);
		return;
	}
	if (ask(h) < 0)
		finish(h, MOVE_LATER, "it cannot be asked");
	else
		link_hold(h->old->link, 1);	/* what comes after HANDOFF is for whoever goes on */
}

/* ---- the successor ------------------------------------------------------------------------- */

static int send_adopt(struct handoff *h, struct proc *p)
{
	const struct session *s = h->s;
	struct ipc_ADOPT m = { .move = h->number, .conn = s->conn, .length = h->length, .peer = s->peer, .local = s->local };
	int from[4] = { h->memfd, h->far, s->sock[0], s->sock[1] }, fds[4], n = s->sock[1] >= 0 ? 4 : 3;

	for (int i = 0; i < n; i++)
		if ((fds[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3)) < 0) {
			while (i-- > 0)
				close(fds[i]);
			return SSH_E_SYS;
		}
	return link_send_fds(p->link, IPC_ADOPT, &m, fds, n);
}

static int fork_successor(struct handoff *h)
{
	struct daemon *d = h->s->d;
	int pair[2], r;

	if (link_pair(pair) < 0)
		return SSH_E_SYS;
	if ((h->next = proc_new(d, NULL, ROLE_CONN, 0, pair[0])) == NULL) {
		close(pair[1]);
		return SSH_E_NOMEM;
	}
	h->next->adopts = h->s;
	h->next->slot = boxes_take(d);
	if ((r = send_adopt(h, h->next)) < 0)
		close(pair[1]);
	else
		r = nursery_fork_now(d, h->next, h->s->conn, pair[1]);
	if (r == SSH_OK) {	/* the successor has the only ones now: a predecessor's death is not to be hidden from it */
		close_fd(h->far);
		h->far = -1;
	}
	return r;
}

int handoff_state(struct proc *p, const struct ipc_HANDOFF_STATE *m)
{
	static const char *const why[] = {
		[HANDOFF_LOGIN] = "login not finished", [HANDOFF_KEX] = "key exchange under way",
		[HANDOFF_FULL] = "too much under way", [HANDOFF_FAILED] = "it could not",
	};
	struct session *s = p->kid->session;
	struct handoff *h = s->move;

	if (m->move == s->move_unanswered)
		s->move_unanswered = 0;
	if (h == NULL || h->old != p || m->move != h->number || h->next != NULL)
		return SSH_OK;		/* of a move that was given up */
	if (m->status > HANDOFF_FAILED || m->length > HANDOFF_SIZE || (m->status == HANDOFF_STILL) != (m->length > 0))
		return SSH_E_RULE;
	h->length = m->length;
	if (m->status != HANDOFF_STILL)
		abandon(h, MOVE_LATER, why[m->status]);
	else if (fork_successor(h) < 0)
		abandon(h, MOVE_LATER, "no successor could be made");
	return SSH_OK;
}

/* The point of no return: from here on the successor is the connection. */
static void commit(struct handoff *h)
{
	struct proc *old = h->old, *p = h->next;
	struct kid *k = h->s->connection;

	h->next = NULL;
	p->adopts = NULL;
	p->kid = k;
	p->greeted = p->is_ready = 1;
	k->proc = p;
	k->last_pid = p->pid;
	k->up_ms = p->born_ms;
	old->kid = NULL;
	store_succeed(p, old);
	state_proc(p);		/* in this order: of two that claim a node, the later one has it */
	state_proc(old);
	link_send(p->link, IPC_SERVE, &(struct ipc_SERVE){ .move = h->number });
	link_hold(old->link, 0);
	link_send(old->link, IPC_LEAVE, &(struct ipc_LEAVE){ .move = h->number });
	link_give(p->link, old->link);
	introduce_successor(p);
	cgroup_session_moved(h->s);
	command_tell_level(p);
	survive_begin(h->s);
	log_ev(LOGL_VERBOSE, "ev=handoff conn=%lu pid=%d takes over from pid=%d bytes=%u us=%lu", (unsigned long)h->s->conn, (int)p->pid,
	    (int)old->pid, h->length, (unsigned long)(clock_us() - h->began_us));
	reports_tell(h->s->d, HAPPENS_HANDOFF, LOGL_DEBUG, NULL, (struct tell[]){ TELL_NUMBER("session", h->s->conn), TELL_NUMBER("pid", p->pid),
		TELL_NUMBER("from", old->pid), TELL_NUMBER("bytes", h->length), TELL_NUMBER("pause_us", clock_us() - h->began_us), TELL_END });
	finish(h, MOVE_DONE, "");
	proc_disown(old);
}

/* Dead, and not reaped yet: the kernel knows it before we hear of it. */
static int is_dead(const struct proc *p)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
	siginfo_t si = { 0 };

	if (p->pidfd >= 0)
		return poll(&f, 1, 0) != 0;
	return waitid(P_PID, (id_t)p->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == p->pid;
}

static void commit_when_complete(struct handoff *h)
{
	if (!h->adopted || h->next->pid <= 0)
		return;
	if (h->old->link == NULL || h->s->connection->node->state != SUP_ST_UP)
		abandon(h, MOVE_ENDED, "it ended meanwhile");
	else if (is_dead(h->next))
		abandon(h, MOVE_FAILED, "the successor died");
	else
		commit(h);
}

int handoff_adopted(struct proc *p, const struct ipc_ADOPTED *m)
{
	struct handoff *h = p->adopts->move;

	if (h == NULL || h->next != p || m->move != h->number || m->status > ADOPT_FAILED)
		return SSH_E_RULE;
	if (m->status != ADOPT_OK) {
		abandon(h, MOVE_FAILED, m->status == ADOPT_STATE ? "the program cannot read its state" : "the successor could not");
		return SSH_OK;
	}
	h->adopted = 1;
	link_enter(p->link, W_AUTHED);
	commit_when_complete(h);
	return SSH_OK;
}

int handoff_forked(struct session *s, struct proc *n, pid_t pid)
{
	struct handoff *h = s->move;

	if (s->orphan_of == n->serial) {
		s->orphan_of = 0;	/* it saw its link close, and is reaped as a stranger */
		return 1;
	}
	if (h == NULL || h->next == NULL || h->next->pid != 0 || h->next->forked_by != n->serial)
		return 0;
	if (pid < 0) {
		h->next->forked_by = 0;
		abandon(h, MOVE_LATER, "no successor could be forked");
	} else if (proc_name_pid(h->next, pid) < 0) {
		abandon(h, MOVE_FAILED, "the successor is no child of ours");
		s->orphan_of = 0;
	} else if (s->move == h) {	/* else it had died already, and handoff_lost() knows */
		commit_when_complete(h);
	}
	return 1;
}

/* ---- whatever else may happen ------------------------------------------------------------------ */

void handoff_nursery_died(struct daemon *d, uint64_t serial)
{
	struct session *s;
	size_t at = 0;

	LIST_EACH_SAFE(l, next, &d->handoffs.active) {
		struct handoff *h = LIST_OF(l, struct handoff, link);

		if (h->next != NULL && h->next->pid == 0 && h->next->forked_by == serial)
			abandon(h, MOVE_LATER, "the nursery died");
	}
	while ((s = table_next(&d->sessions, &at)) != NULL)
		if (s->orphan_of == serial)
			s->orphan_of = 0;
}

int handoff_lost(struct proc *p, int reaped)
{
	struct session *s = p->adopts != NULL ? p->adopts : p->role == ROLE_CONN && p->kid != NULL ? p->kid->session : NULL;
	struct handoff *h = s != NULL ? s->move : NULL;
	int successor = p->adopts != NULL;

	if (h != NULL && h->next == p && reaped) {
		h->next = NULL;		/* nobody is to kill that number now */
		p->adopts = NULL;
		abandon(h, MOVE_FAILED, "the successor died");
	} else if (h != NULL && h->next == p) {
		abandon(h, MOVE_FAILED, "the successor died");
	} else if (h != NULL && h->old == p) {
		abandon(h, MOVE_ENDED, "it ended meanwhile");
	}
	return successor;
}

void handoff_abandon_all(struct daemon *d)
{
	LIST_EACH_SAFE(l, next, &d->handoffs.active)
		abandon(LIST_OF(l, struct handoff, link), MOVE_LATER, "the daemon is replaced");
}

void handoff_cancel(struct session *s)
{
	struct handoff_outcome o = { .conn = s->conn, .result = MOVE_ENDED, .why = "it ended" };

	if (s->move != NULL)
		abandon(s->move, MOVE_ENDED, "it ended meanwhile");
	else if (handoff_waits(s))
		handoffs_outcome(s, &o);
}
