#include "supervisor/effects.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/boot.h"
#include "supervisor/command_child.h"
#include "supervisor/counters.h"
#include "supervisor/listen.h"
#include "supervisor/manager.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/replace.h"
#include "supervisor/report.h"
#include "supervisor/reports.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/supervise.h"
#include "supervisor/timer.h"
#include "supervisor/worker.h"

/* ---- kids ------------------------------------------------------------------- */

static void kid_free(struct kid *k)
{
	list_remove(&k->pending);
	replace_forget(k);
	state_forget_node(k);
	reports_drop(k);
	event_free(k->timer);
	if (k->proc != NULL)
		proc_disown(k->proc);
	if (k->row->count == COUNT_ONE)
		k->d->kids[k->row->id] = NULL;
	if (k->work != NULL)
		worker_forget(k);
	if (k->row->id == KID_CONN && k->session != NULL)
		k->session->connection = NULL;	/* the session's other kids go after it */
	if (k->row->id == KID_SESSION)
		session_forget(k->session);
	else if (k->row->id == KID_LISTENER)
		listen_forget(k->listener);
	k->node->ctx = NULL;
	free(k);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	fx_event(arg, SUP_EV_TIMEOUT, SUP_NORMAL);
}

static struct kid *kid_new(struct daemon *d, const struct kid_row *row, const char *name)
{
	struct kid *k = calloc(1, sizeof *k);

	/* Its timer is there before anything depends on it: a back-off without one would turn for ever. */
	if (k == NULL || timer_make(&k->timer, d->base, on_timer, k) < 0) {
		free(k);
		return NULL;
	}
	k->d = d;
	k->row = row;
	k->last_status = -1;
	k->up_ms = clock_ms();
	list_init(&k->pending);
	snprintf(k->name, sizeof k->name, "%s", name);
	if (row->count == COUNT_ONE)
		d->kids[row->id] = k;
	return k;
}

/* It never had a node. */
static void kid_drop(struct kid *k)
{
	if (k->row->count == COUNT_ONE)
		k->d->kids[k->row->id] = NULL;
	event_free(k->timer);
	free(k);
}

struct kid *fx_add(struct daemon *d, struct kid *parent, enum kid_id id, const char *name, int dynamic)
{
	struct kid *k = kid_new(d, kid_row(id), name);

	if (k == NULL)
		return NULL;
	if ((k->node = sup_add(parent->node, supervise_spec(d, id), dynamic)) == NULL) {
		kid_drop(k);
		return NULL;
	}
	k->node->ctx = k;
	state_node(k);
	return k;
}

static int plant_root(struct daemon *d)
{
	struct kid *root = kid_new(d, kid_row(KID_ROOT), "coppiced");

	list_init(&d->pending);
	if (root == NULL || (d->tree = sup_tree_new(supervise_spec(d, KID_ROOT))) == NULL)
		return SSH_E_NOMEM;
	root->node = sup_root(d->tree);
	root->node->ctx = root;
	return SSH_OK;
}

struct kid *fx_restore(struct daemon *d, struct kid *parent, enum kid_id id, const char *name, const struct sup_saved *s)
{
	struct kid *k;

	if (id == KID_ROOT) {
		if (plant_root(d) < 0)
			return NULL;
		sup_restore(d->tree, NULL, supervise_spec(d, KID_ROOT), s);
		return d->kids[KID_ROOT];
	}
	if (parent == NULL || (kid_row(id)->count == COUNT_ONE && d->kids[id] != NULL) || (k = kid_new(d, kid_row(id), name)) == NULL)
		return NULL;
	if ((k->node = sup_restore(d->tree, parent->node, supervise_spec(d, id), s)) == NULL) {
		kid_drop(k);
		return NULL;
	}
	k->node->ctx = k;
	return k;
}

void fx_restored(struct daemon *d, uint64_t last_node)
{
	sup_restored(d->tree, last_node, clock_ms());
	fx_settle(d);
}

/* Some rows need not be there. */
static int is_wanted(const struct daemon *d, enum kid_id id)
{
	return id != KID_KEEPER || d->keep != NULL;
}

int fx_plant(struct daemon *d)
{
	int r;

	if (d->tree == NULL)
		TRY(plant_root(d));
	for (int id = KID_ROOT + 1; id < KID_COUNT; id++) {
		const struct kid_row *row = kid_row((enum kid_id)id);

		if (row->count == COUNT_ONE && d->kids[id] == NULL && is_wanted(d, row->id)
		    && fx_add(d, d->kids[row->parent], row->id, row->name, 0) == NULL)
			return SSH_E_NOMEM;
	}
	return SSH_OK;
}

static void drop_below(struct sup_node *n)
{
	LIST_EACH_SAFE(l, next, &n->children)
		drop_below(LIST_OF(l, struct sup_node, link));
	if (n->ctx != NULL)
		kid_free(n->ctx);
}

void fx_drop(struct daemon *d)
{
	if (d->tree != NULL)
		drop_below(sup_root(d->tree));
	sup_tree_free(d->tree);
	d->tree = NULL;
}

const char *fx_path(const struct kid *k, char *out, size_t size)
{
	char above[400];

	if (k->node->parent == NULL || k->node->parent->parent == NULL)
		snprintf(out, size, "%s", k->name);
	else
		snprintf(out, size, "%s/%s", fx_path(k->node->parent->ctx, above, sizeof above), k->name);
	return out;
}

/* ---- actions ------------------------------------------------------------------ */

static int start(struct kid *k)
{
	k->up_ms = clock_ms();
	k->last_status = -1;
	k->last_pid = 0;
	k->lived_ms = 0;
	k->killed = 0;
	k->why[0] = '\0';
	k->hung = 0;
	switch (k->row->role) {
	case ROLE_CONN: return session_connect(k);
	case ROLE_WRK:  return worker_start(k);
	case ROLE_NUR:  return nursery_start(k);
	case ROLE_ACC: case ROLE_KEY: case ROLE_AUTH: case ROLE_REP: case ROLE_KEEP: return spawn_helper(k);
	case ROLE_SUP: case ROLE_CTL: case ROLE_COUNT: break;
	}
	return SSH_E_BUG;
}

static void end(struct kid *k, int insist)
{
	if (k->proc == NULL) {
		fx_answer(k, SUP_EV_EXITED);
		return;
	}
	if (insist)
		proc_kill(k->proc);
	else if (k->row->role == ROLE_WRK)
		worker_hang_up(k);
	else
		proc_ask_to_end(k->proc);
}

static void set_timer(struct kid *k, uint32_t ms)
{
	if (ms == 0)
		event_del(k->timer);
	else
		timer_start(k->timer, ms);
}

static void count_restart(enum ipc_role role)
{
	static const int counters[ROLE_COUNT] = { [ROLE_REP] = COUNT_RESTART_REPORTER, [ROLE_KEY] = COUNT_RESTART_KEYSIGN,
		[ROLE_AUTH] = COUNT_RESTART_AUTH, [ROLE_NUR] = COUNT_RESTART_NURSERY, [ROLE_ACC] = COUNT_RESTART_ACCEPTOR };

	if (counters[role] != 0)
		count((enum counter)counters[role]);
}

/* The sentence for people; a supervisor whose start failed says which child it was. */
static void last_exit(struct kid *k, enum sup_did did)
{
	int failed = did == SUP_DID_BACK_OFF || did == SUP_DID_FAIL_START, n;
	struct kid *above = k->node->parent != NULL ? k->node->parent->ctx : NULL;

	if (k->node->spec.kind == SUP_SUPERVISOR) {
		snprintf(k->last_exit, sizeof k->last_exit, "%s", failed && k->why[0] != '\0' ? k->why : "shutdown");
	} else {
		report_last_exit(k->last_exit, sizeof k->last_exit, k->last_status);
		n = (int)strlen(k->last_exit);
		if (k->last_status == -1 && k->why[0] != '\0')
			snprintf(k->last_exit + n, sizeof k->last_exit - (size_t)n, ": %s", k->why);
		else if (WIFEXITED(k->last_status) && WEXITSTATUS(k->last_status) == SPAWN_NO_EXEC)
			snprintf(k->last_exit + n, sizeof k->last_exit - (size_t)n, ": the program cannot be executed");
		else if (failed && k->killed)
			snprintf(k->last_exit + n, sizeof k->last_exit - (size_t)n, ": not ready in time");
	}
	if (did == SUP_DID_FAIL_START && above != NULL)
		snprintf(above->why, sizeof above->why, "%.20s: %.55s", k->name, k->last_exit);
}

static void report(struct kid *k, enum sup_did did, uint32_t ms)
{
	char path[400], line[LOG_LINE_MAX];
	const struct sup_node *s = k->node->parent != NULL ? k->node->parent : k->node;
	int leaf = k->node->spec.kind == SUP_WORKER;
	struct report r = {
		.node = fx_path(k, path, sizeof path), .role = leaf ? k->row->name : "supervisor", .pid = leaf ? k->last_pid : 0,
		.wstatus = leaf ? k->last_status : -1, .restarts = sup_window(s, clock_ms()), .intensity = s->spec.intensity,
		.period_ms = s->spec.period_ms, .did = did, .by_us = k->killed, .hung = leaf && k->hung,
		.lived_ms = leaf ? k->lived_ms : clock_ms() - k->up_ms,
	};

	last_exit(k, did);
	if (did == SUP_DID_RESTART)
		manager_restarted();
	if (did == SUP_DID_RESTART && leaf)
		count_restart(k->row->role);
	report_line(line, sizeof line, &r);
	if (did == SUP_DID_BACK_OFF)
		snprintf(line + strlen(line), sizeof line - strlen(line), " fails=%u next=%ums: %s", k->node->fails, ms, k->last_exit);
	else if (ms > 0)
		snprintf(line + strlen(line), sizeof line - strlen(line), " next=%ums", ms);
	/* A child that failed its supervisor's start is as loud as the supervisor. */
	if (supervise_worth_a_line(did == SUP_DID_FAIL_START ? s : k->node) || (did != SUP_DID_BACK_OFF && did != SUP_DID_FAIL_START)) {
		log_ev(report_level(&r), "%s", line);
		reports_decided(k, did, ms);
	} else {
		reports_drop(k);
	}
}

static void is_up(struct kid *k)
{
	k->up_ms = clock_ms();
	reports_up(k);
	if (k->row->id == KID_LISTENER)
		listen_announce(k->listener);
	else if (k->row->id == KID_ROOT)
		boot_done(k->d);
}

static void falls(struct kid *k)
{
	if (k->row->id == KID_SESSION) {
		session_falls(k->session);
	} else if (k->row->id == KID_ROOT) {
		k->d->stopping = 1;
		manager_stopping(k->d);
	}
}

static void obey(struct daemon *d, const struct sup_action *a)
{
	struct kid *k = a->node->ctx;

	if (k == NULL)
		return;
	if (a->verb != SUP_DO_FORGET && a->verb != SUP_DO_TIMER)
		state_node(k);
	switch (a->verb) {
	case SUP_DO_START:
		if (start(k) < 0)
			fx_answer(k, SUP_EV_FAILED);
		break;
	case SUP_DO_TERM:   end(k, 0); break;
	case SUP_DO_KILL:   end(k, 1); break;
	case SUP_DO_TIMER:  set_timer(k, a->ms); break;
	case SUP_DO_REPORT:
		report(k, a->did, a->ms);
		state_node(k);
		if (k->node->parent != NULL && k->node->parent->ctx != NULL)
			state_node(k->node->parent->ctx);	/* its window */
		break;
	case SUP_DO_UP:     is_up(k); break;
	case SUP_DO_FALL:   falls(k); break;
	case SUP_DO_FORGET: kid_free(k); break;
	case SUP_DO_EXIT:
		d->status = (int)a->ms;
		event_base_loopbreak(d->base);
		break;
	}
}

static void obey_all(struct daemon *d)
{
	struct sup_action a;

	while (sup_next(d->tree, &a))
		obey(d, &a);
}

static void settle_once(struct daemon *d)
{
	obey_all(d);
	while (!list_empty(&d->pending)) {
		struct kid *k = LIST_OF(d->pending.next, struct kid, pending);

		list_remove(&k->pending);
		sup_event(k->node, k->answer, k->answer == SUP_EV_EXITED ? SUP_SHUTDOWN : SUP_ABNORMAL, clock_ms());
		obey_all(d);
	}
}

/* Carries out what the last call to the tree decided, and what follows from that. */
void fx_settle(struct daemon *d)
{
	if (d->obeying)
		return;
	d->obeying = 1;
	do
		settle_once(d);
	while (command_child_settled(d));
	d->obeying = 0;
	manager_touch(d);
}

void fx_answer(struct kid *k, enum sup_event ev)
{
	k->answer = ev;
	list_remove(&k->pending);
	list_add_tail(&k->d->pending, &k->pending);
}

void fx_event(struct kid *k, enum sup_event ev, enum sup_reason reason)
{
	struct daemon *d = k->d;
	char path[400];

	if (d->obeying) {	/* found out while carrying out an action: in its turn */
		fx_answer(k, ev);
		return;
	}
	if (ev == SUP_EV_READY && k->node->state == SUP_ST_STARTING)
		reports_up(k);
	if (ev == SUP_EV_READY && k->node->fails > 0)
		log_ev(LOGL_INFO, "ev=ready node=%s fails=%u: it is back", fx_path(k, path, sizeof path), k->node->fails);
	sup_event(k->node, ev, reason, clock_ms());
	fx_settle(d);
}

int fx_start(struct kid *k)
{
	struct daemon *d = k->d;
	int r;

	if (d->obeying)
		return SSH_E_NOT_NOW;
	if ((r = sup_start(k->node, clock_ms())) == SSH_OK)
		fx_settle(d);
	return r;
}

void fx_stop(struct kid *k)
{
	struct daemon *d = k->d;

	if (d->obeying)
		return;
	sup_stop(k->node, clock_ms());
	fx_settle(d);
}
