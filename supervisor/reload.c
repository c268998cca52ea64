#include "supervisor/reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/broker.h"
#include "supervisor/command.h"
#include "supervisor/control.h"
#include "supervisor/detach.h"
#include "supervisor/lastgood.h"
#include "supervisor/listen.h"
#include "supervisor/lookup.h"
#include "supervisor/manager.h"
#include "supervisor/proc.h"
#include "supervisor/reload_internal.h"
#include "supervisor/resume_internal.h"
#include "supervisor/spawn.h"
#include "supervisor/timer.h"
#include "supervisor/watchdog.h"

static void begin(struct daemon *, const struct request *);

static void refuse(struct daemon *, const struct proc *culprit, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- timers ---------------------------------------------------------------------------------- */

static int is_waited_for(const struct reload *r, const struct proc *p)
{
	return r->trial != NULL && p->tried == r->trial->generation && !p->voted;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct reload *r = d->reload;
	uint64_t spent = clock_ms() - r->began_ms;

	(void)fd, (void)what;
	if (r->trial == NULL)
		return;
	if (r->lookup != NULL) {
		refuse(d, NULL, "the names in ListenAddress were not found within %d s", RELOAD_VOTE_MS / 1000);
		return;
	}
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (!is_waited_for(r, p))
			continue;
		refuse(d, p, "%s (pid %d) did not answer within %d s", ipc_role_name(p->role), (int)p->pid, RELOAD_VOTE_MS / 1000);
		return;
	}
	if (spent < RELOAD_START_MS)
		timer_start(r->deadline, RELOAD_START_MS - spent);
	else
		refuse(d, r->keysign != NULL && !r->keysign->is_ready ? r->keysign : r->nursery, "a new %s did not come up within %d s",
		    r->keysign != NULL && !r->keysign->is_ready ? "keysign" : "nursery", RELOAD_START_MS / 1000);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct reload *r = d->reload;

	(void)fd, (void)what;
	if (r->trial != NULL || !r->has_next)
		return;
	r->has_next = 0;
	begin(d, &r->next);
}

/* Time is up: what was there before comes back, whatever is asked for meanwhile. */
static void on_unconfirmed(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct reload *r = d->reload;
	struct request back = { .kind = RELOAD_BACK };
	struct client *c = r->has_next && r->next.client != 0 ? client_find(d, r->next.client) : NULL;

	(void)fd, (void)what;
	log_ev(LOGL_ERROR, "Configuration %llu was not confirmed in time: the previous one comes back.", (unsigned long long)d->generation);
	timer_start(r->confirm, RELOAD_AGAIN_MS);	/* in case that is refused; stopped when it is done */
	if (c != NULL)
		client_done(c, 1, "the configuration was not confirmed in time and goes back: reload again after that");
	r->next = back;
	r->has_next = 1;
	if (r->trial == NULL)
		on_again(-1, 0, d);
}

struct reload *reload_state(struct daemon *d)
{
	struct reload *r = d->reload;

	if (r != NULL)
		return r;
	if ((r = calloc(1, sizeof *r)) == NULL)
		return NULL;
	r->deadline = evtimer_new(d->base, on_deadline, d);
	r->again = evtimer_new(d->base, on_again, d);
	r->confirm = evtimer_new(d->base, on_unconfirmed, d);
	r->last_generation = d->generation;
	r->last_keys = d->keys;
	r->since = (int64_t)time(NULL);
	r->before_fd = -1;
	d->reload = r;
	return r->deadline != NULL && r->again != NULL && r->confirm != NULL ? r : NULL;
}

/* ---- the end of one ----------------------------------------------------------------------------- */

static void finish(struct daemon *d)
{
	struct reload *r = d->reload;

	event_del(r->deadline);
	r->keysign = r->nursery = NULL;
	if (r->has_next)
		timer_start(r->again, 0);
}

static void give_up(struct proc **successor)
{
	if (*successor != NULL && (*successor)->pid > 0)
		proc_disown(*successor);
	*successor = NULL;
}

/* Nothing has happened anywhere. culprit: whose fault it is, or NULL. */
static void refuse(struct daemon *d, const struct proc *culprit, const char *format, ...)
{
	struct reload *r = d->reload;
	struct config *c = r->trial;
	struct ipc_CONFIG_COMMIT no = { .generation = c != NULL ? c->generation : 0, .commit = 0 };
	char why[sizeof r->refused];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof why, format, ap);
	va_end(ap);
	snprintf(r->refused, sizeof r->refused, "%s", why);
	if (c != NULL)
		reload_tell_roles(d, culprit, why);
	r->trial = NULL;
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (c != NULL && p->tried == c->generation && p->link != NULL)
			link_send(p->link, IPC_CONFIG_COMMIT, &no);
		p->voted = 0;
	}
	lookup_cancel(r->lookup);
	r->lookup = NULL;
	give_up(&r->keysign);
	give_up(&r->nursery);
	listen_cancel(d);
	control_forget(d);
	detach_forget_pid(d);
	if (r->now.kind == RELOAD_BACK && r->before == NULL)
		r->before = c;		/* for the next try */
	else
		config_free(c);
	reload_tell(d, NULL, why);
	finish(d);
}

/* ---- the second half ------------------------------------------------------------------------------ */

/* Which configuration comes back when somebody wants to go back. Takes was; gives what nobody wants back, to be freed. */
static struct config *remember(struct daemon *d, struct config *was)
{
	struct reload *r = d->reload;
	struct config *over = was;

	if (r->now.kind == RELOAD_BACK) {
		r->confirm_by_ms = 0;
		event_del(r->confirm);
		if (r->next.kind == RELOAD_BACK && r->next.client == 0)
			r->has_next = 0;
	} else if (r->confirm_by_ms == 0) {	/* else was is not confirmed either: the one before all of them is the one to go back to */
		over = r->before;
		r->before = was;
	}
	if (r->now.confirm_s > 0) {
		r->confirm_by_ms = clock_ms() + r->now.confirm_s * UINT64_C(1000);
		timer_start(r->confirm, r->now.confirm_s * UINT64_C(1000));
	}
	reload_keep(d);
	if (r->confirm_by_ms == 0)
		lastgood_save(d);
	return over;
}

static void commit(struct daemon *d)
{
	struct reload *r = d->reload;
	struct config *c = r->trial, *over;
	char text[200];

	reload_tell_roles(d, NULL, NULL);
	r->trial = NULL;
	detach_commit_pid(d);
	config_swap(d, &c, c->generation);	/* c is now what was in force; Supervise lines hold (supervise_apply) */
	over = remember(d, c);		/* before anybody hears of it: whoever did may kill us */
	control_commit(d);
	reload_switch_all(d);
	listen_commit(d);
	watchdog_start(d);
	free(d->fallback);
	d->fallback = NULL;
	r->since = (int64_t)time(NULL);
	r->refused[0] = '\0';
	snprintf(text, sizeof text, "Configuration %llu in force%s.", (unsigned long long)d->generation, r->now.kind == RELOAD_BACK ? " (the previous one)" : "");
	reload_tell(d, c, text);
	config_free(over);
	finish(d);
}

static void maybe_commit(struct daemon *d)
{
	struct reload *r = d->reload;
	const struct kid *keysign = d->kids[KID_KEYSIGN], *nursery = d->kids[KID_NURSERY];

	if ((r->keysign != NULL && !r->keysign->is_ready) || (r->nursery != NULL && !r->nursery->is_ready))
		return;
	if (r->new_keys && r->nursery == NULL)
		return;		/* its turn comes when the keys are there */
	LIST_EACH(l, &d->procs)
		if (is_waited_for(r, LIST_OF(l, struct proc, all)))
			return;
	if (r->keysign != NULL && (keysign == NULL || keysign->node->state != SUP_ST_UP))
		refuse(d, NULL, "keysign is being restarted: try again");
	else if (r->nursery != NULL && (nursery == NULL || nursery->node->state != SUP_ST_UP))
		refuse(d, NULL, "the nursery is being restarted: try again");
	else
		commit(d);
}

/* ---- the first half ---------------------------------------------------------------------------------- */

static int start_successor(struct daemon *d, enum kid_id id, struct proc **res)
{
	if ((*res = spawn_for(d, kid_row(id), NULL)) == NULL)
		return SSH_E_SYS;
	(*res)->trial = 1;
	(*res)->keys = d->reload->keys;
	return SSH_OK;
}

/* CONFIG to every process of a role whose part changes, except those that are replaced. */
static int ask_processes(struct daemon *d)
{
	struct reload *r = d->reload;
	const struct config *c = r->trial;

	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->kid == NULL || p->link == NULL || !p->is_ready || p->ending || !(r->changed & 1u << p->role))
			continue;
		if (p->role == ROLE_NUR || (p->role == ROLE_KEY && r->new_keys))
			continue;
		p->voted = 0;
		if (broker_configure(p, c->slice[p->role], c->slice_len[p->role], c->generation) < 0) {
			refuse(d, p, "%s (pid %d) cannot be asked", ipc_role_name(p->role), (int)p->pid);
			return SSH_E_GONE;
		}
		p->tried = c->generation;
	}
	return SSH_OK;
}

static void ask(struct daemon *d)
{
	struct reload *r = d->reload;
	char why[600] = "";

	if (listen_prepare(d, r->trial->addr, r->trial->addrs, why, sizeof why) < 0
	    || control_prepare(d, r->trial->values, why, sizeof why) < 0
	    || detach_prepare_pid(d, r->trial->values, why, sizeof why) < 0) {
		refuse(d, NULL, "%s", why);
		return;
	}
	if (ask_processes(d) < 0)
		return;
	if (r->new_keys && start_successor(d, KID_KEYSIGN, &r->keysign) < 0) {
		refuse(d, NULL, "a new keysign cannot be started");
		return;
	}
	if (!r->new_keys && (r->changed & 1u << ROLE_NUR) && start_successor(d, KID_NURSERY, &r->nursery) < 0) {
		refuse(d, NULL, "a new nursery cannot be started");
		return;
	}
	timer_start(r->deadline, RELOAD_VOTE_MS);
	maybe_commit(d);
}

static void on_places(struct daemon *d, struct addr *a, size_t n, const char *why)
{
	struct reload *r = d->reload;

	r->lookup = NULL;
	if (a == NULL) {
		refuse(d, NULL, "%s", why);
		return;
	}
	r->trial->addr = a;
	r->trial->addrs = n;
	r->trial->unresolved = 0;
	ask(d);
}

/*
 * Roles with a process that holds something else than what is in force: the supervisor before us was killed in the middle of a commit, or the
 * file was edited before this one read it.
 */
static unsigned differing(const struct daemon *d)
{
	unsigned roles = 0;

	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);

		if (p->kid != NULL && p->is_ready && p->slice != 0 && p->role != ROLE_NUR && p->slice != config_digest(d, (int)p->role))
			roles |= 1u << p->role;
	}
	return roles;
}

/* What to try: the file as it is now, or what was there before. */
static struct config *choose(struct daemon *d, const struct request *q, struct conf_error *e)
{
	struct reload *r = d->reload;
	struct conf_values *v;
	struct conf *conf;
	struct config *c;

	if (q->kind == RELOAD_BACK) {
		c = r->before;
		r->before = NULL;
		snprintf(e->text, sizeof e->text, "there is no configuration to go back to");
		return c;
	}
	if (config_load(d, 0, &conf, &v, e) < 0 || config_make(d, conf, v, &c, e) < 0)
		return NULL;
	return c;
}

/* Whether keysign would hold others than now. */
static int other_keys(const struct conf_values *a, const struct conf_values *b)
{
	const char *x = a->HostKeyAgent != NULL ? a->HostKeyAgent : "", *y = b->HostKeyAgent != NULL ? b->HostKeyAgent : "";

	return !config_same_list(&a->HostKey, &b->HostKey) || !config_same_list(&a->HostCertificate, &b->HostCertificate) ||
	    strcmp(x, y) != 0 || strcmp(a->HostKeyAlgorithms, b->HostKeyAlgorithms) != 0;
}

static void begin(struct daemon *d, const struct request *q)
{
	struct reload *r = d->reload;
	struct conf_error e = { "" };

	if (d->stopping)
		return;
	r->now = *q;
	r->began_ms = clock_ms();
	manager_reloading(d);
	if ((r->trial = choose(d, q, &e)) == NULL) {
		refuse(d, NULL, "%s", e.text);
		return;
	}
	r->trial->generation = ++r->last_generation;
	r->changed = config_changed(d, r->trial) | differing(d);
	r->new_keys = other_keys(d->values, r->trial->values) || (differing(d) & 1u << ROLE_KEY);
	r->keys = r->new_keys ? ++r->last_keys : d->keys;
	if (r->trial->values->HostKey.n == 0) {
		refuse(d, NULL, "no host key is configured, and there is none in %s", d->places.keys);
		return;
	}
	if (!r->trial->unresolved) {
		ask(d);
		return;
	}
	if ((r->lookup = lookup_start(d, r->trial->values, on_places)) == NULL)
		refuse(d, NULL, "the names in ListenAddress cannot be looked up");
	else
		timer_start(r->deadline, RELOAD_VOTE_MS);
}

/* ---- what happens meanwhile ---------------------------------------------------------------------------- */

const struct config *reload_trial(const struct daemon *d)
{
	return d->reload != NULL ? d->reload->trial : NULL;
}

int reload_answer(struct proc *p, const struct ipc_CONFIG_OK *m)
{
	struct daemon *d = p->d;
	struct reload *r = d->reload;
	char why[LOG_LINE_MAX];

	if (p->tried == 0 || m->generation != p->tried)
		return p->adopted || (r != NULL && m->generation <= r->last_generation) ? SSH_OK : SSH_E_RULE;	/* late: that reload is over, or that supervisor */
	log_escape(why, sizeof why, m->why.p, m->why.len);
	if (r != NULL && r->trial != NULL && r->trial->generation == m->generation) {
		if (!m->accepted) {
			refuse(d, p, "%s (pid %d): %s", ipc_role_name(p->role), (int)p->pid, why);
			return SSH_OK;
		}
		p->voted = 1;
		maybe_commit(d);
	} else if (m->generation == d->generation && m->accepted) {
		reload_switch(p, m->generation);
		reload_catch_up(p);
	} else if (m->generation == d->generation) {
		log_ev(LOGL_ERROR, "ev=config role=%s pid=%d: keeps its old configuration: %s", ipc_role_name(p->role), (int)p->pid, why);
	}
	return SSH_OK;
}

void reload_ready(struct proc *p)
{
	struct daemon *d = p->d;
	struct reload *r = d->reload;

	if (r == NULL || r->trial == NULL || (p != r->keysign && p != r->nursery))
		return;		/* given up; it is ending */
	if (p == r->keysign && start_successor(d, KID_NURSERY, &r->nursery) < 0)
		refuse(d, NULL, "a new nursery cannot be started");
	else
		maybe_commit(d);
}

void reload_newcomer(struct proc *p)
{
	reload_catch_up(p);
}

void reload_lost(struct proc *p)
{
	struct daemon *d = p->d;
	struct reload *r = d->reload;

	if (r == NULL || r->trial == NULL)
		return;
	if (p == r->keysign || p == r->nursery) {
		if (p == r->keysign)
			r->keysign = NULL;
		else
			r->nursery = NULL;
		refuse(d, p, "a new %s does not come up with it%s", ipc_role_name(p->role), p->role == ROLE_KEY ? " (can no host key be loaded?)" : "");
	} else if (p->tried == r->trial->generation) {
		refuse(d, p, "%s (pid %d) died meanwhile", ipc_role_name(p->role), (int)p->pid);
	}
}

/* ---- what starts one --------------------------------------------------------------------------------------- */

/* 1: it begins or waits. 0: another one waits already, for somebody who hears. */
static int submit(struct daemon *d, const struct request *q)
{
	struct reload *r = reload_state(d);

	if (r == NULL || d->stopping || d->opt.inetd)
		return 0;
	if (r->trial == NULL && !r->has_next && d->up) {
		begin(d, q);
		return 1;
	}
	if (r->has_next && (r->next.client != 0 || r->next.kind == RELOAD_BACK))
		return q->client == 0 && q->kind == RELOAD_FILE;	/* SIGHUP: whatever waits reads the file, too */
	r->next = *q;
	r->has_next = 1;
	return 1;
}

void reload(struct daemon *d)
{
	submit(d, &(struct request){ .kind = RELOAD_FILE });
}

static int submit_for(struct client *c, const struct request *q)
{
	return submit(client_daemon(c), q) ? SSH_OK : client_done(c, 1, "a reload is under way and another one waits: try again");
}

int reload_for(struct client *c, uint32_t confirm_s)
{
	return submit_for(c, &(struct request){ .kind = RELOAD_FILE, .client = client_id(c), .confirm_s = confirm_s });
}

int reload_rollback_for(struct client *c)
{
	return submit_for(c, &(struct request){ .kind = RELOAD_BACK, .client = client_id(c) });
}

int reload_confirm_for(struct client *c)
{
	struct daemon *d = client_daemon(c);
	struct reload *r = d->reload;

	if (r == NULL || r->confirm_by_ms == 0)
		return client_done(c, 1, "no configuration waits for confirmation");
	if (r->trial != NULL)
		return client_done(c, 1, "a reload is under way: try again");
	r->confirm_by_ms = 0;
	event_del(r->confirm);
	if (r->has_next && r->next.kind == RELOAD_BACK && r->next.client == 0)
		r->has_next = 0;
	reload_keep(d);
	lastgood_save(d);
	log_ev(LOGL_INFO, "Configuration %llu confirmed.", (unsigned long long)d->generation);
	return client_done(c, 0, "configuration %llu confirmed", (unsigned long long)d->generation);
}

void reload_booted(struct daemon *d)
{
	struct reload *r = d->opt.inetd ? NULL : reload_state(d);

	if (r == NULL)
		return;
	if (d->fallback == NULL)
		lastgood_save(d);
	if (r->has_next)
		timer_start(r->again, 0);
}

void reload_resume(struct daemon *d)
{
	uint64_t now = clock_ms(), by = reload_confirm_by(d);

	if (by != 0)
		timer_start(d->reload->confirm, by > now ? by - now : 0);
	if (!d->resume->by_exec && differing(d) != 0 && reload_state(d) != NULL) {
		log_ev(LOGL_INFO, "ev=config processes have another configuration than the file: it is reloaded");
		d->reload->next = (struct request){ .kind = RELOAD_FILE };
		d->reload->has_next = 1;
		timer_start(d->reload->again, 0);
	}
}

void reload_drop(struct daemon *d)
{
	struct reload *r = d->reload;

	if (r == NULL)
		return;
	if (r->deadline != NULL)
		event_free(r->deadline);
	if (r->again != NULL)
		event_free(r->again);
	if (r->confirm != NULL)
		event_free(r->confirm);
	lookup_cancel(r->lookup);
	config_free(r->trial);
	config_free(r->before);
	if (r->before_fd >= 0)
		close(r->before_fd);
	free(r);
	d->reload = NULL;
}
