/*
 * keeper - holds the supervisor's descriptors, so that sessions live on when it is killed
 *
 * RUNS AS     coppice-key, empty root directory; its filter knows messages and descriptors, and no file
 * HEARS       CONFIG PING KEEP KEEP_DOOR KEEPER_LEAVE (supervisor)
 * SAYS        HELLO READY CONFIG_OK PONG (supervisor); KEPT KEPT_END (the next supervisor, at the door)
 * NEVER       reads or writes a descriptor it holds; hands anything out while the supervisor's link is open
 * IF IT DIES  the supervisor fills a new one; if both die, every link ends, and with the links everything else
 */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "keeper/holds.h"

#define PACE_US 1000		/* a socket takes some 250 messages at a time */

static struct {
	struct child self;
	struct holds holds;
	int door;			/* -1: nobody can come */
	struct event *knock, *patience, *pace;
	struct list *next;		/* what the new owner is told next */
	uint32_t told, wait_s;
	uid_t daemon;			/* whose supervisors we believe */
	int leave, owned;
} keeper = { .door = -1 };

/* ---- the next supervisor ---------------------------------------------------------------- */

static int tell(const struct hold *h)
{
	struct ipc_KEPT m = { .kind = h->kind, .id = h->id, .slots = h->slots };

	return link_lend_fds(keeper.self.sup, IPC_KEPT, &m, h->fds, h->nfds);
}

static int tell_more(void)
{
	struct timeval tv = { 0, PACE_US };
	struct ipc_KEPT_END m = { 0 };
	int r;

	while (keeper.next != &keeper.holds.all && link_queued(keeper.self.sup) == 0) {
		TRY(tell(LIST_OF(keeper.next, struct hold, link)));
		keeper.next = keeper.next->next;
		keeper.told++;
	}
	if (keeper.next != &keeper.holds.all)
		return event_add(keeper.pace, &tv) < 0 ? SSH_E_NOMEM : SSH_OK;
	keeper.next = NULL;
	m.count = keeper.told;
	return link_send(keeper.self.sup, IPC_KEPT_END, &m);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (keeper.next != NULL && keeper.self.sup != NULL)
		tell_more();
}

static int tell_all(void)
{
	keeper.next = keeper.holds.all.next;
	keeper.told = 0;
	return tell_more();
}

static int may_own(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == keeper.daemon);
}

static void on_knock(evutil_socket_t fd, short what, void *arg)
{
	static const struct ipc_KEPT_END busy = { .status = 1 };
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what, (void)arg;
	if (s < 0)
		return;
	if (!may_own(s)) {
		close(s);
		return;
	}
	if (keeper.owned) {
		link_say(s, ROLE_KEEP, ROLE_SUP, W_UP, IPC_KEPT_END, &busy, NULL, 0);
		close(s);
		return;
	}
	event_del(keeper.patience);
	keeper.owned = 1;
	if (child_take_over(&keeper.self, s) < 0 || tell_all() < 0)
		event_base_loopbreak(keeper.self.base);
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	log_ev(LOGL_ERROR, "ev=keeper no supervisor came in %u s; sessions end", keeper.wait_s);
	keeper.leave = 1;
	event_base_loopbreak(keeper.self.base);
}

/* ---- our supervisor --------------------------------------------------------------------------- */

static int on_door(struct ipc_msg *m)
{
	if (keeper.knock != NULL)
		event_free(keeper.knock);
	if (keeper.door >= 0)
		close(keeper.door);
	keeper.door = ipc_take_fd(m, 0);
	keeper.wait_s = m->u.KEEP_DOOR.wait_s;
	keeper.knock = event_new(keeper.self.base, keeper.door, EV_READ | EV_PERSIST, on_knock, NULL);
	return keeper.knock != NULL && event_add(keeper.knock, NULL) == 0 ? SSH_OK : SSH_E_NOMEM;
}

static int on_message(struct child *c, struct ipc_msg *m)
{
	(void)c;
	switch (m->type) {
	case IPC_KEEP:
		return keeper.next == NULL ? holds_put(&keeper.holds, m) : SSH_E_RULE;
	case IPC_KEEP_DOOR:
		return on_door(m);
	case IPC_KEEPER_LEAVE:
		keeper.leave = 1;
		event_base_loopbreak(keeper.self.base);
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}

/* The link is at its end. 1: wait for the next supervisor, 0: there is nothing to wait for. */
static int orphaned(void)
{
	struct timeval tv = { keeper.wait_s, 0 };

	keeper.owned = 0;
	keeper.next = NULL;
	if (keeper.leave || keeper.door < 0 || keeper.wait_s == 0 || keeper.holds.n == 0)
		return 0;
	log_ev(LOGL_ERROR, "ev=keeper the supervisor is gone; holding %zu names for the next one, for %u s", keeper.holds.n, keeper.wait_s);
	return event_add(keeper.patience, &tv) == 0;
}

int main(void)
{
	struct child *c = &keeper.self;

	keeper.daemon = geteuid();
	keeper.owned = 1;
	holds_init(&keeper.holds);
	c->message = on_message;
	child_begin(c, ROLE_KEEP);
	keeper.patience = evtimer_new(c->base, on_patience_over, NULL);
	keeper.pace = evtimer_new(c->base, on_pace, NULL);
	if (keeper.patience == NULL || keeper.pace == NULL)
		return 1;
	child_lock(c, sandbox_keeper);
	child_ready(c);
	do
		child_run(c);
	while (!keeper.leave && orphaned());
	holds_drop(&keeper.holds);
	return 0;
}
