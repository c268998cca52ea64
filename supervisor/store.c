#include "supervisor/store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "ipc/clock.h"
#include "supervisor/activation.h"
#include "supervisor/become.h"
#include "supervisor/health.h"
#include "supervisor/journal.h"
#include "supervisor/listen.h"
#include "supervisor/notify.h"
#include "supervisor/proc.h"
#include "supervisor/resume_internal.h"
#include "supervisor/session.h"
#include "supervisor/store_name.h"
#include "supervisor/timer.h"

#define AT_ONCE   5u		/* messages; the manager's queue may be as short as 10 */
#define NEXT_MS   10u
#define AGAIN_MS  1000u		/* at most, when it takes nothing */
#define OWN       7u		/* logs, metrics, health, journal */
#define RESERVE   64u		/* for listening sockets, and what systemd has open itself when it starts us */

/* A name that is to leave. */
struct gone { struct list link; char name[]; };

static struct {
	struct list gone;
	struct event *timer;
	uint64_t due_ms;		/* of the timer */
	unsigned room, wait_ms;		/* messages that may go out now; what is next waits that long */
	unsigned limit, n;		/* descriptors; n: stored, of processes */
	char before[STORE_NAME_MAX];	/* the journal we took over from: leaves when ours is there; "" : none */
	unsigned own;			/* so many of our own are told */
	unsigned begun : 1, full : 1;	/* full: and said so */
} store = { .limit = STORE_LIMIT, .wait_ms = NEXT_MS };

static void arm(unsigned ms);

void store_open(void)
{
	const char *limit = getenv("FDSTORE");

	if (limit != NULL)
		store.limit = (unsigned)strtoul(limit, NULL, 10);
	unsetenv("FDSTORE");
	if (store.limit > become_soft_limit())	/* systemd could not start us again: what it passes has to fit below LimitNOFILE= */
		store.limit = become_soft_limit();
}

static int may_say(void)
{
	if (store.room == 0)
		return SSH_E_NOT_NOW;
	store.room--;
	return SSH_OK;
}

static int put(const char *name, const int *fd, int n)
{
	int r;

	TRY(may_say());
	return notify_store(name, fd, n);
}

void store_leave(const char *name)
{
	size_t n = strlen(name) + 1;
	struct gone *last, *g;

	if (!notify_is_on())
		return;
	if (store.gone.next == NULL)
		list_init(&store.gone);
	last = list_empty(&store.gone) ? NULL : LIST_OF(store.gone.prev, struct gone, link);
	if ((last != NULL && strcmp(last->name, name) == 0) || (g = reserve_resize(NULL, sizeof *g + n)) == NULL)
		return;			/* without memory it stays until the next start */
	memcpy(g->name, name, n);
	list_add_tail(&store.gone, &g->link);
	arm(NEXT_MS);
}

static int tell_gone(void)
{
	int r;

	while (!list_empty(&store.gone)) {
		struct gone *g = LIST_OF(store.gone.next, struct gone, link);

		TRY(may_say());
		TRY(notify_unstore(g->name));
		list_remove(&g->link);
		reserve_free(g);
	}
	return SSH_OK;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int tell_listeners(struct daemon *d)
{
	char name[ACTIVATION_NAME_MAX];
	int r;

	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (l->activated || l->stored || l->fd < 0)
			continue;
		TRY(put(activation_listening_name(&l->local, name), &l->fd, 1));	/* the manager ignores what it has */
		l->stored = 1;
	}
	return SSH_OK;
}

void store_forget_listener(struct listener *l)
{
	char name[ACTIVATION_NAME_MAX];

	if (!l->activated && (l->stored || !store.begun))
		store_leave(activation_listening_name(&l->local, name));
	l->stored = 0;
}

static int tell(enum store_what what, uint64_t number, const int *fd, int n)
{
	char name[STORE_NAME_MAX];

	return fd[0] < 0 ? SSH_OK : put(store_name(what, number, name), fd, n);
}

static int next_own(struct daemon *d, unsigned i)
{
	int logs[] = { d->log_trusted.send, d->log_trusted.receive, d->log_untrusted.send, d->log_untrusted.receive };
	int health = health_fd(d), journal = journal_fd(d->journal);

	switch (i) {
	case 4:
		return tell(STORE_METRICS, 0, &d->metrics, 1);
	case 5:
		return tell(STORE_HEALTH, 0, &health, 1);
	case 6:
		return tell(STORE_STATE, journal_number(d->journal), &journal, 1);
	default:
		return tell(STORE_LOG, i, &logs[i], 1);
	}
}

/* The journal last: until it is there nobody believes the rest. */
static int tell_own(struct daemon *d)
{
	int r;

	for (; store.own < OWN; store.own++) {
		TRY(next_own(d, store.own));
		if (store.own == OWN - 1 && store.before[0] != '\0')
			store_leave(store.before);
	}
	return SSH_OK;
}

/* ---- processes ------------------------------------------------------------------------------- */

enum worth { NOT_WORTH, TOO_YOUNG, WORTH };

static enum worth worth_of(const struct proc *p, uint64_t now)
{
	if (p->pid <= 0 || p->pidfd < 0)
		return NOT_WORTH;
	switch (p->role) {
	case ROLE_CONN:		/* who is not logged in yet can come again */
		if (p->kid == NULL || p->link == NULL || p->kid->session == NULL || p->kid->session->grant == NULL)
			return NOT_WORTH;
		return now - p->born_ms < STORE_AFTER_MS ? TOO_YOUNG : WORTH;
	case ROLE_WRK:		/* before GO it has done nothing */
		if (p->kid == NULL || p->order >= 0)
			return NOT_WORTH;
		return now - p->born_ms < STORE_AFTER_MS ? TOO_YOUNG : WORTH;
	case ROLE_KEY:		/* with other host keys than the present ones it has no node */
		return p->is_ready ? WORTH : NOT_WORTH;
	default:
		return p->is_ready && p->kid != NULL ? WORTH : NOT_WORTH;
	}
}

static int tell_proc(struct proc *p)
{
	int fd[2] = { p->pidfd, -1 }, n = 1, r;
	unsigned others = p->role == ROLE_WRK ? store.limit / 4 : 0;	/* a connection ends without it, a program only loses its exit status */

	/* The keeper has to see the end of its link when we die, or nobody could ever come to its door. */
	if (p->link != NULL && p->role != ROLE_KEEP)
		fd[n++] = link_fd(p->link);
	if (store.n + (unsigned)n + OWN + RESERVE + others > store.limit) {
		if (p->role == ROLE_WRK)
			return SSH_OK;
		if (!store.full)
			log_ev(LOGL_WARN, "ev=store full at %u descriptors (FileDescriptorStoreMax=, LimitNOFILE=): connections beyond it do not outlive supervisor and keeper together",
			    store.limit);
		store.full = 1;
		return SSH_OK;
	}
	TRY(tell(STORE_PROC, p->serial, fd, n));
	p->stored = (unsigned)n & 3u;
	store.n += (unsigned)n;
	return SSH_OK;
}

/* SSH_OK: the manager knows everything. SSH_E_NOT_NOW: it does not take more. SSH_E_TIMEOUT: some have to get older. */
static int tell_all(struct daemon *d)
{
	uint64_t now = clock_ms();
	int young = 0, r;

	TRY(tell_gone());
	TRY(tell_listeners(d));
	if (d->journal == NULL)
		return SSH_OK;
	TRY(tell_own(d));
	TRY(tell_gone());
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);
		enum worth w = p->stored > 0 ? NOT_WORTH : worth_of(p, now);

		young |= w == TOO_YOUNG;
		if (w == WORTH)
			TRY(tell_proc(p));
	}
	return young ? SSH_E_TIMEOUT : SSH_OK;
}

/* In ms from now, if it is not to be sooner. */
static void arm(unsigned ms)
{
	uint64_t due = clock_ms() + ms;

	if (store.timer == NULL || (event_pending(store.timer, EV_TIMEOUT, NULL) && store.due_ms <= due))
		return;
	store.due_ms = due;
	timer_start(store.timer, ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	int r;

	(void)fd, (void)what;
	store.room = AT_ONCE;
	r = tell_all(arg);
	if (r == SSH_E_NOT_NOW) {	/* a manager that takes nothing is not asked all the time */
		store.wait_ms = store.room == AT_ONCE - 1 ? store.wait_ms * 2 : NEXT_MS;
		if (store.wait_ms > AGAIN_MS)
			store.wait_ms = AGAIN_MS;
		arm(store.wait_ms);
		return;
	}
	store.wait_ms = NEXT_MS;
	if (r < 0)
		arm(STORE_AFTER_MS);
}

void store_touch(struct daemon *d, unsigned ms)
{
	(void)d;
	if (store.begun)
		arm(ms);
}

void store_succeed(struct proc *p, const struct proc *old)
{
	store.room = 1;
	if (store.begun && old->stored > 0 && p->pidfd >= 0)
		tell_proc(p);
	store_touch(p->d, 0);
}

void store_forget(struct proc *p)
{
	char name[STORE_NAME_MAX];

	if (!store.begun || (p->stored == 0 && !p->perhaps_stored))
		return;
	store_leave(store_name(STORE_PROC, p->serial, name));
	store.n -= p->stored;
	p->stored = 0;
	p->perhaps_stored = 0;
}

/* ---- begin and end ------------------------------------------------------------------------------ */

/* What the manager passed to us, and has still. */
static void settle(struct daemon *d)
{
	const struct resume *rs = d->resume;
	enum store_what what;
	const char *name;
	uint64_t number;
	size_t at = 0;
	int fd;

	while (activation_next(&at, &name, &fd)) {
		int known = store_name_parse(name, &what, &number) == SSH_OK;
		struct proc *p = known && what == STORE_PROC && rs != NULL ? proc_by_serial(d, number) : NULL;
		int ours = p != NULL && p->pidfd >= 0 && (fd >= 0 ? store_is_of(fd, p) : rs->from_store);

		if (ours && p->stored < 3) {
			p->stored = (p->stored + 1u) & 3u;
			store.n++;
		} else if (!known || what == STORE_PROC || rs == NULL || (what == STORE_STATE && number != rs->im.from.number)) {
			store_leave(name);
		}
		if (fd >= 0 && ours)
			close(fd);
		else if (fd >= 0)
			store_end_link(fd);
	}
}

void store_begin(struct daemon *d)
{
	if (store.begun || !notify_is_on() || d->opt.inetd)
		return;
	store.begun = 1;
	if (store.gone.next == NULL)
		list_init(&store.gone);
	store.timer = evtimer_new(d->base, on_timer, d);
	settle(d);
	if (d->resume != NULL) {
		store_name(STORE_STATE, d->resume->im.from.number, store.before);
		LIST_EACH(l, &d->procs)	/* the program before us has stored we do not know whom */
			LIST_OF(l, struct proc, all)->perhaps_stored = d->resume->by_exec != 0;
	}
	on_timer(-1, 0, d);
}

void store_flush(struct daemon *d)
{
	(void)d;
	store.room = UINT_MAX;
	if (store.begun)
		tell_gone();
}

void store_close(struct daemon *d)
{
	char name[STORE_NAME_MAX];

	if (!store.begun)
		return;
	if (d->journal != NULL)
		notify_unstore(store_name(STORE_STATE, journal_number(d->journal), name));
	for (uint64_t i = 0; i < 4; i++)
		store_leave(store_name(STORE_LOG, i, name));
	store_leave(store_name(STORE_METRICS, 0, name));
	store_leave(store_name(STORE_HEALTH, 0, name));
	store_flush(d);
	while (!list_empty(&store.gone)) {
		struct gone *g = LIST_OF(store.gone.next, struct gone, link);

		list_remove(&g->link);
		reserve_free(g);
	}
	if (store.timer != NULL)
		event_free(store.timer);
	store.timer = NULL;
	store.begun = 0;
}
