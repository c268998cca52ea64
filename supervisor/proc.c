#include "supervisor/proc.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "ipc/clock.h"
#include "supervisor/adopt.h"
#include "supervisor/boxes.h"
#include "supervisor/broker.h"
#include "supervisor/counters.h"
#include "supervisor/effects.h"
#include "supervisor/handoff.h"
#include "supervisor/introduce.h"
#include "supervisor/keep.h"
#include "supervisor/nursery.h"
#include "supervisor/reload.h"
#include "supervisor/replace.h"
#include "supervisor/report.h"
#include "supervisor/reports.h"
#include "supervisor/samples.h"
#include "supervisor/session.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/survive.h"
#include "supervisor/timer.h"
#include "supervisor/upgrade.h"
#include "supervisor/worker.h"

#define LAST_WAIT_MS 500

static void on_gone(struct link *l, int error, void *ctx);
static const struct link_ops ops = { broker_message, on_gone };

/* Our end is not the only one: the keeper has one, too. */
static void drop_link(struct proc *p)
{
	if (p->link != NULL)
		link_hang_up(p->link);
	p->link = NULL;
}

static void proc_free(struct proc *p)
{
	list_remove(&p->all);
	state_forget_proc(p);
	store_forget(p);
	if (p->kid != NULL && p->kid->proc == p)
		p->kid->proc = NULL;
	if (p->pid > 0 && table_get(&p->d->by_pid, (uint64_t)p->pid) == p)
		table_remove(&p->d->by_pid, (uint64_t)p->pid);
	if (p->deadline != NULL)
		event_free(p->deadline);
	adopt_unwatch(p);
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->order >= 0)
		close(p->order);
	if (p->box >= 0)
		close(p->box);
	boxes_give_back(p->d, p->slot);
	drop_link(p);
	reserve_free(p);
}

struct proc *proc_new(struct daemon *d, struct kid *k, enum ipc_role role, pid_t pid, int fd)
{
	return proc_restore(d, k, role, pid, fd, ++d->last_serial);
}

struct proc *proc_restore(struct daemon *d, struct kid *k, enum ipc_role role, pid_t pid, int fd, uint64_t serial)
{
	struct proc *p = reserve_zalloc(sizeof *p);

	if (p == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	p->d = d;
	p->box = -1;
	p->role = role;
	p->kid = k;
	p->serial = serial;
	p->pidfd = -1;
	p->order = -1;
	if (role == ROLE_WRK) {		/* it says nothing; there is nothing to wait for */
		p->order = fd;
		fd = -1;
	}
	p->born_ms = clock_ms();
	list_add_tail(&d->procs, &p->all);
	if ((fd >= 0 && link_new(&p->link, d->base, fd, ROLE_SUP, role, &ops, p) < 0)
	    || (pid > 0 && table_put(&d->by_pid, (uint64_t)pid, p) < 0)) {
		proc_free(p);
		return NULL;
	}
	if (p->link != NULL)
		link_careful(p->link);
	p->pid = pid;
	if (pid > 0 && d->keep != NULL)
		p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (k != NULL) {
		k->proc = p;
		k->last_pid = pid;
	}
	if (pid == 0 && role != ROLE_CONN)
		return p;		/* not forked yet: proc_born() */
	keep_proc(p);
	state_proc(p);
	return p;
}

void proc_undo(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int proc_born(struct proc *p, pid_t pid)
{
	if (table_put(&p->d->by_pid, (uint64_t)pid, p) < 0) {
		proc_undo(pid);
		return SSH_E_NOMEM;
	}
	p->pid = pid;
	if (p->d->keep != NULL)
		p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p->kid != NULL)
		p->kid->last_pid = pid;
	keep_proc(p);
	state_proc(p);
	return SSH_OK;
}

/* ---- ending -------------------------------------------------------------------- */

/* A connection that ends well says so; a sanitizer's exit status is a crash, too. */
static int has_crashed(const struct proc *p, int wstatus)
{
	if (p->hung)
		return 1;
	if (p->killed || p->starved)
		return 0;
	return report_crashed(wstatus) || (p->role == ROLE_CONN && WIFEXITED(wstatus) && WEXITSTATUS(wstatus) != 0);
}

/* It is no longer anyone's: tells the tree, and frees it. */
void proc_ended(struct proc *p, int wstatus, const struct rusage *used)
{
	struct daemon *d = p->d;
	struct kid *k = p->kid;
	int crashed = has_crashed(p, wstatus);
	enum sup_reason reason = p->starved ? SUP_STARVED : p->broke_rules || p->killed ? SUP_ABNORMAL : report_reason(wstatus);
	uint64_t serial = p->serial, keys = p->keys;
	enum ipc_role role = p->role;
	int heir;

	if (crashed)
		count(role == ROLE_CONN ? COUNT_CRASH_CONN : role == ROLE_WRK ? COUNT_CRASH_WORKER : COUNT_CRASH_HELPER);
	/* What a helper said before it died counts: its peers may have acted on it already. */
	if (p->link != NULL && role != ROLE_CONN && role != ROLE_WRK)
		link_drain(p->link);
	samples_ended(p, used);
	if (k != NULL) {
		k->last_status = wstatus;
		k->last_pid = p->pid;
		k->killed = p->killed && !p->hung;
		k->hung = p->hung;
		k->lived_ms = clock_ms() - p->born_ms;
		reports_ended(p, wstatus, used, crashed);
	}
	if (survive_revives(p, wstatus)) {
		if (crashed)
			nursery_taint(d);	/* the successor must not have the layout that was attacked */
		reports_revived(k);
		survive_revive(p);
		return;
	}
	if (k != NULL) {
		if (role == ROLE_WRK)
			worker_ended(k, wstatus);
		else if (role == ROLE_CONN)
			session_connection_ended(k->session, crashed);
	}
	reload_lost(p);
	if (d->nursery.next == p)
		nursery_successor_died(d);
	heir = p->heir_of != NULL;
	handoff_lost(p, 1);
	proc_free(p);
	if (heir)
		replace_died(d);
	if (role == ROLE_CONN || role == ROLE_NUR)
		introduce_retire(d);
	else if (role == ROLE_KEY && k == NULL)
		introduce_orphans(d, keys);
	if (role == ROLE_CONN && crashed)
		nursery_taint(d);
	if (role == ROLE_NUR)
		proc_nursery_died(d, serial);
	if (k != NULL) {
		introduce_lost(d, role, keys);
		/* A client that left at once: its connection ended well, and its READY has not been read. */
		if (role == ROLE_CONN && reason == SUP_NORMAL && k->node->state == SUP_ST_STARTING)
			fx_event(k, SUP_EV_READY, SUP_NORMAL);
		fx_event(k, SUP_EV_EXITED, reason);
	}
}

void proc_lost(struct proc *p)
{
	p->pid = 0;
	proc_free(p);
}

/* Unknown to us: without its link it ends by itself. */
static void give_up_nameless(struct proc *p)
{
	struct kid *k = p->kid;

	proc_disown(p);
	if (k != NULL)
		fx_event(k, SUP_EV_EXITED, SUP_ABNORMAL);
}

void proc_signal(struct proc *p, int sig)
{
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
	else if (p->pid > 0)
		kill(p->pid, sig);
}

void proc_kill(struct proc *p)
{
	p->killed = 1;
	if (p->pid > 0) {
		proc_signal(p, SIGKILL);
	} else {
		give_up_nameless(p);
	}
}

void proc_starve(struct proc *p)
{
	p->starved = 1;
	proc_kill(p);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct proc *p = arg;

	(void)fd, (void)what;
	log_ev(LOGL_WARN, "ev=kill role=%s pid=%d: it does not end", ipc_role_name(p->role), (int)p->pid);
	proc_kill(p);
}

void proc_set_deadline(struct proc *p)
{
	if (timer_set(&p->deadline, p->d->base, PROC_GONE_MS, on_deadline, p) < 0)
		proc_kill(p);
}

void proc_ask_to_end(struct proc *p)
{
	if (p->pid == 0) {
		give_up_nameless(p);
		return;
	}
	p->ending = 1;
	state_proc(p);
	if (p->role == ROLE_KEEP)
		keep_leave(p, 0);
	if (p->link != NULL && p->role != ROLE_CONN && p->role != ROLE_WRK) {
		link_finish(p->link);	/* a grant may be on its way, an accepted client, a pid */
		return;
	}
	drop_link(p);
	keep_proc(p);
}

void proc_disown(struct proc *p)
{
	if (p->kid != NULL && p->kid->proc == p)
		p->kid->proc = NULL;
	p->kid = NULL;
	if (p->role == ROLE_KEEP)
		keep_leave(p, 1);
	drop_link(p);
	if (p->pid == 0) {
		proc_free(p);
		return;
	}
	keep_proc(p);
	state_proc(p);
	proc_set_deadline(p);
}

void proc_forget(struct proc *p)
{
	proc_free(p);
}

/* The link of a connection whose pid was never told is gone. */
static void nameless_gone(struct proc *p)
{
	struct proc *n = proc_of(p->d, KID_NURSERY);
	struct kid *k = p->kid;

	if (k == NULL)
		return;
	if (n != NULL && n->serial == p->forked_by && !p->is_ready)
		return;		/* FORKED comes and names it */
	if (!p->is_ready && (survive_again(p) || session_connect_again(k) == SSH_OK))
		return;
	k->last_status = -1;
	proc_disown(p);
	session_connection_ended(k->session, 0);
	fx_event(k, SUP_EV_EXITED, SUP_ABNORMAL);
}

static void on_gone(struct link *l, int error, void *ctx)
{
	struct proc *p = ctx;

	link_free(l);
	p->link = NULL;
	if (error == SSH_E_NOMEM || error == SSH_E_SYS) {
		log_ev(LOGL_ERROR, "ev=starved role=%s pid=%d: it cannot be served: %s", ipc_role_name(p->role), (int)p->pid, err_text(error));
		p->starved = 1;
	} else if (error != 0) {
		log_ev(LOGL_ERROR, "ev=broken-rules role=%s pid=%d: %s", ipc_role_name(p->role), (int)p->pid, err_text(error));
		p->broke_rules = 1;
		count(COUNT_RULES_BROKEN);
	}
	if (handoff_lost(p, 0))
		return;			/* a successor: killed or forgotten there */
	if (p->pid == 0)
		nameless_gone(p);
	else if (error != 0)
		proc_signal(p, SIGKILL);
	else
		proc_set_deadline(p);
}

void proc_nursery_died(struct daemon *d, uint64_t serial)
{
	struct list *l;

	handoff_nursery_died(d, serial);
	l = d->procs.next;
	while (l != &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		l = l->next;
		if (p->role == ROLE_CONN && p->pid == 0 && p->link == NULL && p->forked_by == serial) {
			nameless_gone(p);
			l = d->procs.next;	/* anything may have changed */
		}
	}
}

/* ---- reaping --------------------------------------------------------------------- */

static pid_t next_dead(void)
{
	siginfo_t si = { 0 };

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 ? si.si_pid : -1;
}

void proc_reap(struct daemon *d)
{
	struct rusage used;
	int wstatus;
	pid_t pid;

	while ((pid = next_dead()) > 0) {
		struct proc *p = table_get(&d->by_pid, (uint64_t)pid);

		if (p != NULL)
			survive_look(p);	/* while the kernel still has its accounts */
		if (wait4(pid, &wstatus, WNOHANG, &used) != pid)
			break;

		if (p != NULL) {
			proc_ended(p, wstatus, &used);
			continue;
		}
		if (upgrade_reaped(d, pid, wstatus))
			continue;
		/* A connection that died before the nursery told us its pid. */
		d->strangers[d->stranger_at].pid = pid;
		d->strangers[d->stranger_at].wstatus = wstatus;
		d->strangers[d->stranger_at].used = used;
		d->stranger_at = (d->stranger_at + 1) % (sizeof d->strangers / sizeof d->strangers[0]);
		if (report_crashed(wstatus))
			nursery_taint(d);
	}
}

static int reaped_already(struct daemon *d, pid_t pid, int *wstatus, struct rusage *used)
{
	for (unsigned i = 0; i < sizeof d->strangers / sizeof d->strangers[0]; i++)
		if (d->strangers[i].pid == pid) {
			*wstatus = d->strangers[i].wstatus;
			*used = d->strangers[i].used;
			d->strangers[i].pid = 0;
			return 1;
		}
	return 0;
}

int proc_name_pid(struct proc *p, pid_t pid)
{
	struct daemon *d = p->d;
	struct rusage used = { .ru_maxrss = 0 };
	siginfo_t si = { 0 };
	int wstatus;

	if (pid <= 1 || p->pid != 0 || table_get(&d->by_pid, (uint64_t)pid) != NULL)
		return SSH_E_RULE;
	/* The kernel first: a stranger nobody asked for may have had the same number long ago. */
	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
		if (d->adoptions > 0 && adopt_claim(p, pid) == SSH_OK)
			return SSH_OK;
		/* No child of ours, or reaped; so many may have come and gone since that its status is forgotten. */
		if (!reaped_already(d, pid, &wstatus, &used))
			wstatus = 0;
		p->pid = pid;
		proc_ended(p, wstatus, &used);
		return SSH_OK;
	}
	if (table_put(&d->by_pid, (uint64_t)pid, p) < 0)
		return SSH_E_NOMEM;
	p->pid = pid;
	if (d->keep != NULL)
		p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	keep_proc(p);
	state_proc(p);
	if (p->kid != NULL)
		p->kid->last_pid = pid;
	if (p->link == NULL)
		proc_set_deadline(p);
	return SSH_OK;
}

struct proc *proc_of(struct daemon *d, enum kid_id id)
{
	struct kid *k = d->kids[id];

	return k != NULL && k->proc != NULL && k->proc->is_ready && !k->proc->ending && k->proc->link != NULL ? k->proc : NULL;
}

struct proc *proc_by_serial(struct daemon *d, uint64_t serial)
{
	LIST_EACH(l, &d->procs)
		if (LIST_OF(l, struct proc, all)->serial == serial)
			return LIST_OF(l, struct proc, all);
	return NULL;
}

void proc_drop_all(struct daemon *d)
{
	LIST_EACH(l, &d->procs)
		if (LIST_OF(l, struct proc, all)->pid > 0)
			proc_signal(LIST_OF(l, struct proc, all), SIGKILL);
	while (!list_empty(&d->procs)) {
		struct proc *p = LIST_OF(d->procs.next, struct proc, all);

		for (int i = 0; i < LAST_WAIT_MS && p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == 0; i++)
			poll(NULL, 0, 1);	/* whoever sees us gone is to see them gone */
		proc_free(p);
	}
}
