#include "supervisor/watchdog.h"


#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/adopt.h"
#include "supervisor/listen.h"
#include "supervisor/manager.h"
#include "supervisor/proc.h"
#include "supervisor/timer.h"

#define IDLE_MS    30000u	/* a round when nobody asks for anything */
#define SUSPECT_MS 500u		/* for an answer that lies in our socket already */
#define LATE_MS    1000u	/* a timer that is this late: it was us who slept */

/* ms a helper may owe an answer; 0: for ever. We repair before the manager loses its patience with us. */
static uint32_t limit_of(const struct daemon *d)
{
	uint32_t ms = d->values->WatchdogInterval * 1000u, manager = manager_watchdog_ms() / 3;

	return manager > 0 && manager < ms ? manager : ms;
}

/* ms between two rounds; 0: none, nobody wants them. */
static uint32_t round_ms(const struct daemon *d)
{
	uint32_t manager = manager_watchdog_ms() / 2, ms = limit_of(d) > 0 ? IDLE_MS : 0;

	if (manager > 0 && (ms == 0 || manager < ms))
		ms = manager;
	return ms;
}

/* A helper that serves; the tree waits for the others itself. */
static int serves(const struct proc *p)
{
	return p->pid > 0 && p->kid != NULL && p->link != NULL && p->is_ready && !p->ending && !p->killed && p->role != ROLE_WRK;
}

static int is_helper(const struct proc *p)
{
	return p->role != ROLE_CONN && serves(p);
}

static void ping(struct proc *p)
{
	struct ipc_PING m = { .seq = ++p->ping_seq };

	p->pinged_ms = clock_ms();
	p->suspect = 0;
	link_send(p->link, IPC_PING, &m);	/* a link that is full is an answer that never comes */
}

static void set_tick(struct daemon *d, uint64_t at_ms)
{
	uint64_t now = clock_ms(), ms = at_ms > now ? at_ms - now : 0;

	d->watchdog.due_ms = now + ms;
	timer_start(d->watchdog.tick, ms);
}

/* When somebody's time is up, or the next round is due, whatever comes first. */
static void set_next(struct daemon *d)
{
	uint64_t at = d->watchdog.round_ms;

	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);
		uint64_t up;

		if (p->pinged_ms == 0 || !serves(p) || limit_of(d) == 0)
			continue;
		up = p->pinged_ms + limit_of(d) + (p->suspect ? SUSPECT_MS : 0);
		if (up < at)
			at = up;
	}
	set_tick(d, at);
}

static void all_well(struct daemon *d)
{
	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);

		if (is_helper(p) && p->pinged_ms != 0)
			return;
	}
	if (!d->watchdog.told)
		manager_alive();
	d->watchdog.told = 1;
}

static void hung(struct proc *p)
{
	log_ev(LOGL_ERROR, "ev=hung role=%s pid=%d: it does not answer for %ums; killed", ipc_role_name(p->role), (int)p->pid,
	    (unsigned)(clock_ms() - p->pinged_ms));
	p->hung = 1;
	proc_kill(p);
}

/* 1: its time is up. late: so it may only seem, because we did not run ourselves. */
static int overdue(struct proc *p, uint64_t now, uint32_t limit, int late)
{
	if (p->pinged_ms == 0 || limit == 0)
		return 0;
	if (late)
		p->pinged_ms = now, p->suspect = 0;
	if (now < p->pinged_ms + limit)
		return 0;
	if (!p->suspect) {	/* once more through the loop: its answer may be there */
		p->suspect = 1;
		return 0;
	}
	return now >= p->pinged_ms + limit + SUSPECT_MS;
}

static void begin_round(struct daemon *d, uint64_t now)
{
	d->watchdog.round_ms = now + round_ms(d);
	d->watchdog.busy = 0;
	d->watchdog.told = 0;
	if (!listen_intact(d))
		manager_damaged("a listening socket of ours does not listen any more");
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->pinged_ms == 0 && (is_helper(p) || (serves(p) && link_queued(p->link) > 0)))
			ping(p);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	uint64_t now = clock_ms();
	int late = now > d->watchdog.due_ms + LATE_MS;

	(void)fd, (void)what;
	LIST_EACH(l, &d->procs) {	/* proc_kill() frees nobody who has a pid */
		struct proc *p = LIST_OF(l, struct proc, all);

		if (serves(p) && overdue(p, now, limit_of(d), late))
			hung(p);
	}
	if (now >= d->watchdog.round_ms)
		begin_round(d, now);
	all_well(d);
	set_next(d);
}

void watchdog_start(struct daemon *d)
{
	if (d->opt.inetd || round_ms(d) == 0) {
		watchdog_drop(d);
		return;
	}
	if (d->watchdog.tick == NULL)
		d->watchdog.tick = evtimer_new(d->base, on_tick, d);
	if (d->watchdog.tick == NULL)
		return;
	d->watchdog.round_ms = 0;	/* at once */
	set_tick(d, 0);
}

void watchdog_touch(struct daemon *d)
{
	uint64_t soon;

	if (d->watchdog.tick == NULL || d->watchdog.busy || limit_of(d) == 0)
		return;
	d->watchdog.busy = 1;
	soon = clock_ms() + limit_of(d);
	if (soon < d->watchdog.round_ms)
		d->watchdog.round_ms = soon;
	if (soon < d->watchdog.due_ms)
		set_tick(d, soon);
}

void watchdog_expect(struct proc *p)
{
	if (p->d->watchdog.tick == NULL || !serves(p) || p->pinged_ms != 0)
		return;
	ping(p);
	set_next(p->d);
}

int watchdog_pong(struct proc *p, uint32_t seq)
{
	if (p->pinged_ms == 0 || seq != p->ping_seq)
		return SSH_OK;		/* the answer to a supervisor that was killed */
	p->pinged_ms = 0;
	p->suspect = 0;
	adopt_look(p);
	if (p->d->watchdog.tick != NULL)
		all_well(p->d);
	return SSH_OK;
}

void watchdog_drop(struct daemon *d)
{
	if (d->watchdog.tick != NULL)
		event_free(d->watchdog.tick);
	d->watchdog.tick = NULL;
}
