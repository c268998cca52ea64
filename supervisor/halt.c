#include "supervisor/halt.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/drain.h"
#include "supervisor/effects.h"
#include "supervisor/health.h"
#include "supervisor/store.h"

#define HALT_MS 2000		/* an acceptor takes its last clients at once, or it hangs */

/* ---- what listen.c asks --------------------------------------------------------------- */

/* Whoever else holds a duplicate: no client is to wait in its queue for nobody. A passed socket is the manager's. */
static void close_socket(struct listener *l)
{
	if (l->fd < 0 || l->activated)
		return;
	store_forget_listener(l);
	shutdown(l->fd, SHUT_RDWR);
	close(l->fd);
	l->fd = -1;
}

int halt_keeps(struct listener *l)
{
	char ip[ADDR_TEXT_MAX];

	if (l->halting != NULL)
		event_free(l->halting);
	l->halting = NULL;
	if (l->place != NULL)
		health_forget(l);
	if (l->halt == LISTEN_ON || l->d->stopping)
		return 0;
	close_socket(l);
	l->kid = NULL;
	l->announced = 0;
	log_ev(LOGL_INFO, "Server no longer listening on %s port %u.", addr_ip_text(&l->local, ip), addr_port(&l->local));
	drain_look_again(l->d);
	return 1;
}

int halt_holds(struct listener *l, int running)
{
	if (l->halt == LISTEN_ON && running && drain_is_closed(l->d)) {	/* new in the configuration */
		close_socket(l);
		l->halt = LISTEN_DRAINED;
	}
	return l->halt != LISTEN_ON;
}

int halt_drop(struct listener *l)
{
	l->halt = LISTEN_ON;
	if (l->kid != NULL)
		return 0;	/* its node's end takes it along */
	listen_forget(l);
	return 1;
}

/* ---- halting one and opening it again ----------------------------------------------- */

struct listener *halt_find(struct daemon *d, struct view text)
{
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);
		char local[ADDR_TEXT_MAX];

		if (view_is(text, addr_text(&l->local, local)))
			return l;
	}
	return NULL;
}

static void close_now(struct listener *l)
{
	if (l->halting != NULL)
		event_del(l->halting);
	if (l->kid != NULL && !l->kid->node->removing)
		fx_stop(l->kid);	/* its end closes the socket */
}

static void on_halt_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	close_now(arg);
}

static struct proc *acceptor_of(const struct listener *l)
{
	LIST_EACH(at, &l->d->procs) {
		struct proc *p = LIST_OF(at, struct proc, all);

		if (p->role == ROLE_ACC && p->kid != NULL && p->kid->listener == l && p->is_ready && p->link != NULL)
			return p;
	}
	return NULL;
}

void halt_listener(struct listener *l, enum listen_state why)
{
	static const struct timeval patience = { HALT_MS / 1000, HALT_MS % 1000 * 1000 };
	struct ipc_ACCEPT_STOP m = { .listener = l->id };
	struct proc *p = acceptor_of(l);

	if (l->halt != LISTEN_ON)
		return;
	l->halt = why;
	if (l->kid == NULL)
		return;
	if (l->halting == NULL)
		l->halting = evtimer_new(l->d->base, on_halt_late, l);
	if (p == NULL || l->halting == NULL || event_add(l->halting, &patience) < 0 || link_send(p->link, IPC_ACCEPT_STOP, &m) < 0)
		close_now(l);
}

int halt_stopped(struct proc *p, const struct ipc_ACCEPT_STOPPED *m)
{
	struct listener *l = p->kid != NULL ? p->kid->listener : NULL;

	if (l != NULL && l->id != m->listener)
		return SSH_E_RULE;
	if (l != NULL && l->halt != LISTEN_ON)	/* it may have been dropped from the configuration meanwhile */
		close_now(l);
	return SSH_OK;
}

int halt_undo(struct listener *l)
{
	if (l->halt == LISTEN_ON)
		return SSH_OK;
	if (l->kid != NULL)
		return SSH_E_NOT_NOW;	/* still closing */
	if (l->fd < 0 && (l->fd = listen_bind_one(&l->local)) < 0)
		return SSH_E_SYS;
	l->halt = LISTEN_ON;
	return listen_plant_one(l, 0) < 0 ? SSH_E_NOMEM : fx_start(l->kid);
}
