#include "supervisor/replace.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/introduce.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/timer.h"

#define WAIT_MS 30000		/* for a successor */
#define AGAIN_MS 20

struct replace {
	struct daemon *d;
	void (*done)(struct daemon *);
	uint64_t *node;			/* still to do, by id */
	size_t n, at;
	uint64_t now;			/* serial of the successor under way; 0: none */
	struct event *next, *patience;
	unsigned replaced, failed;
};

/* In the order of the tree. The nursery has a way of its own. */
static size_t collect(const struct sup_node *n, uint64_t *out, size_t at)
{
	const struct kid *k = n->ctx;

	if (k != NULL && n->spec.kind == SUP_WORKER && k->row->role != ROLE_CONN && k->row->role != ROLE_WRK) {
		if (out != NULL)
			out[at] = n->id;
		at++;
	}
	LIST_EACH(l, &n->children)
		at = collect(LIST_OF(l, struct sup_node, link), out, at);
	return at;
}

static void finish(struct replace *r)
{
	struct daemon *d = r->d;
	void (*done)(struct daemon *) = r->done;

	log_ev(r->failed > 0 ? LOGL_ERROR : LOGL_INFO, "ev=replace %u helpers replaced, %u stay as they were", r->replaced, r->failed);
	replace_drop(d);
	if (done != NULL)
		done(d);
}

static void soon(struct replace *r)
{
	r->now = 0;
	event_del(r->patience);
	timer_start(r->next, 0);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
	struct replace *r = arg;
	struct sup_node *n;
	struct proc *p;
	struct kid *k;

	(void)fd, (void)what;
	if (r->at == r->n && r->d->nursery.next != NULL && !r->d->stopping) {	/* what follows wants the new one */
		timer_start(r->next, AGAIN_MS);
		return;
	}
	if (r->d->stopping || r->at == r->n) {
		finish(r);
		return;
	}
	n = sup_find(r->d->tree, r->node[r->at++]);
	k = n != NULL ? n->ctx : NULL;
	if (k == NULL || n->state != SUP_ST_UP || k->proc == NULL) {	/* what is started anew is new */
		soon(r);
		return;
	}
	if (k->row->role == ROLE_NUR) {
		nursery_replace(r->d);
		r->replaced++;
		soon(r);
		return;
	}
	if ((p = spawn_for(r->d, k->row, NULL)) == NULL) {
		r->failed++;
		soon(r);
		return;
	}
	p->heir_of = k;
	r->now = p->serial;
	timer_start(r->patience, WAIT_MS);
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
	struct replace *r = arg;
	struct proc *p = proc_by_serial(r->d, r->now);

	(void)fd, (void)what;
	if (p != NULL)
		proc_kill(p);		/* replace_died() goes on */
}

int replace_all(struct daemon *d, void (*done)(struct daemon *))
{
	struct replace *r;

	if (d->replace != NULL)
		return SSH_E_NOT_NOW;
	if ((r = calloc(1, sizeof *r)) == NULL)
		return SSH_E_NOMEM;
	d->replace = r;
	r->d = d;
	r->done = done;
	r->n = collect(sup_root(d->tree), NULL, 0);
	r->node = calloc(r->n + 1, sizeof *r->node);
	r->next = evtimer_new(d->base, on_next, r);
	r->patience = evtimer_new(d->base, on_patience_over, r);
	if (r->node == NULL || r->next == NULL || r->patience == NULL) {
		replace_drop(d);
		return SSH_E_NOMEM;
	}
	collect(sup_root(d->tree), r->node, 0);
	soon(r);
	return SSH_OK;
}

int replace_under_way(const struct daemon *d)
{
	return d->replace != NULL;
}

int replace_ready(struct proc *p)
{
	struct daemon *d = p->d;
	struct kid *k = p->heir_of;
	struct proc *old = k->proc;
	int r = SSH_OK;

	p->heir_of = NULL;
	if (k->node->state != SUP_ST_UP || old == NULL) {	/* it is being restarted or stopped meanwhile: that one counts */
		proc_disown(p);
	} else {
		log_ev(LOGL_VERBOSE, "ev=replace role=%s pid=%d takes over from pid=%d", ipc_role_name(p->role), (int)p->pid, (int)old->pid);
		k->proc = p;
		p->kid = k;
		k->last_pid = p->pid;
		k->up_ms = p->born_ms;
		old->kid = NULL;
		state_proc(p);
		state_node(k);
		if (p->role == ROLE_KEEP)
			keep_ready(p);
		if (p->role == ROLE_KEY || p->role == ROLE_AUTH)
			introduce_guard(p);
		if (p->role == ROLE_KEEP)
			keep_leave(old, 1);
		if (p->role == ROLE_ACC)
			r = listen_give(p);
		proc_ask_to_end(old);
		proc_set_deadline(old);
		if (d->replace != NULL)
			d->replace->replaced++;
	}
	if (d->replace != NULL)
		soon(d->replace);
	return r;
}

void replace_died(struct daemon *d)
{
	log_ev(LOGL_ERROR, "ev=replace a successor failed to start; the old one goes on");
	if (d->replace == NULL)
		return;
	d->replace->failed++;
	soon(d->replace);
}

void replace_forget(struct kid *k)
{
	struct daemon *d = k->d;
	struct proc *p = d->replace != NULL ? proc_by_serial(d, d->replace->now) : NULL;

	if (p == NULL || p->heir_of != k)
		return;
	p->heir_of = NULL;
	proc_disown(p);
	soon(d->replace);
}

void replace_drop(struct daemon *d)
{
	struct replace *r = d->replace;

	if (r == NULL)
		return;
	if (r->next != NULL)
		event_free(r->next);
	if (r->patience != NULL)
		event_free(r->patience);
	free(r->node);
	free(r);
	d->replace = NULL;
}
