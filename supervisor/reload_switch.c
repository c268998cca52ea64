#include "base/log.h"
#include "supervisor/broker.h"
#include "supervisor/command.h"
#include "supervisor/introduce.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/reload_internal.h"
#include "supervisor/state.h"

/* reload_switch - the second half of a reload: all processes take the new configuration, successors their places. */

void reload_catch_up(struct proc *p)
{
	struct daemon *d = p->d;

	if (p->kid == NULL || p->link == NULL || p->ending || p->generation >= d->slice_since[p->role])
		return;
	if (p->role == ROLE_NUR) {
		nursery_replace(d);
	} else if (p->role == ROLE_KEY && p->keys != d->keys) {
		proc_ask_to_end(p);	/* its supervisor starts it anew, with the keys of now */
	} else {
		p->tried = d->generation;
		if (broker_configure(p, d->slice[p->role], d->slice_len[p->role], d->generation) < 0)
			proc_kill(p);
	}
}

void reload_switch(struct proc *p, uint64_t generation)
{
	if (link_send(p->link, IPC_CONFIG_COMMIT, &(struct ipc_CONFIG_COMMIT){ .generation = generation, .commit = 1 }) < 0) {
		log_ev(LOGL_ERROR, "ev=config role=%s pid=%d: cannot be told to switch; it starts anew", ipc_role_name(p->role), (int)p->pid);
		proc_kill(p);
	}
	command_tell_level(p);	/* the slice has a level of its own */
	p->generation = generation;
	p->slice = config_digest(p->d, (int)p->role);
	p->tried = 0;
	p->voted = 0;
	state_proc(p);		/* after it was told: a supervisor that is killed between the two tells it again (reload_resume) */
}

/* The successor is the keysign of now; the old one stays for those who showed its keys. */
static void take_keys(struct daemon *d, struct proc *p)
{
	struct kid *k = d->kids[KID_KEYSIGN];
	struct proc *old = k->proc;

	k->proc = p;
	k->last_pid = p->pid;
	k->up_ms = p->born_ms;
	p->kid = k;
	p->trial = 0;
	p->slice = config_digest(d, ROLE_KEY);
	if (old != NULL)
		old->kid = NULL;
	d->keys = p->keys;
	state_proc(p);
	if (old != NULL)
		state_proc(old);
	state_daemon(d);
	introduce_take_over(p);
	log_ev(LOGL_INFO, "ev=keysign pid=%d has the new host keys; pid=%d serves the connections that began with the old ones", (int)p->pid,
	    old != NULL ? (int)old->pid : 0);
}

static void take_nursery(struct daemon *d, struct proc *p)
{
	struct proc *other = d->nursery.next;

	p->trial = 0;
	d->nursery.next = p;
	if (other != NULL)
		proc_disown(other);	/* it knows the old configuration only */
	nursery_successor_ready(d);
}

void reload_switch_all(struct daemon *d)
{
	struct reload *r = d->reload;

	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->voted && p->tried == d->generation)
			reload_switch(p, d->generation);
	}
	if (r->keysign != NULL)
		take_keys(d, r->keysign);
	if (r->nursery != NULL)
		take_nursery(d, r->nursery);
	introduce_retire(d);
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->is_ready)
			reload_catch_up(p);
	}
}
