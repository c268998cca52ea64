/*
 * nursery - forks one warmed connection worker per client, as a child of the supervisor
 *
 * RUNS AS     coppice-net, empty root directory, no new privileges; its filter lets it clone and nothing new be opened
 * HEARS       FORK CONFIG PEER_LINK PEER_GONE PING LOGLEVEL (supervisor); HOSTKEYS (keysign)
 * SAYS        HELLO CONFIG_OK READY FORKED PONG (supervisor)
 * NEVER       reads a byte from a client; holds a private key
 * IF IT DIES  the supervisor execs a fresh one; running connections do not notice, new clients wait for it
 *
 * Its workers (conn.c) are called "connection":
 *
 * RUNS AS     the same, with a narrower filter: no fork, no exec, no file
 * HEARS       CONN_START PEER_LINK PEER_GONE PING SPAWNED WORKER_EXIT HANDOFF ADOPT SERVE LEAVE STATS_ASK LOGLEVEL CONN_END
 *             CONN_NOTICE MEMORY REVIVE REVIVE_ENDS REVIVE_GO (supervisor); SIGNED (keysign); CARRY_ENDS (the connection it takes over);
 *             AUTH_VERDICT AUTH_PROMPT AUTH_POLICY (auth); SSH (the client)
 * SAYS        READY PONG CONN_PEER SPAWN CHAN_SHUT WORKER_SIGNAL HANDOFF_STATE ADOPTED CHAN_STATS CONN_STATS NOTICE_SHOWN COUNT (supervisor);
 *             SIGN (keysign); CARRY_ENDS (the connection that takes over);
 *             AUTH_BEGIN AUTH_KEY_OK AUTH_KEY AUTH_PASSWORD AUTH_INTERACT AUTH_REPLY (auth)
 * NEVER       decides who is authenticated; opens anything
 * IF IT DIES  its session ends: the supervisor hangs up its programs; nobody else notices
 */
#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "connection/conn.h"
#include "connection/groups.h"
#include "connection/heap.h"
#include "connection/hostkeys.h"
#include "connection/policy.h"
#include "connection/warm.h"
#include "ipc/box.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "ssh/crypto/crypto.h"

#define FORKS_MAX 64		/* a link hands over no more messages at a time */

struct fork_order { uint64_t conn; uint32_t box; int fd; };

static struct {
	struct child self;
	struct policy policy;
	struct hostkeys keys, keys_coming;	/* in force; and what a keysign is just telling */
	struct link *key;
	struct fork_order orders[FORKS_MAX];	/* forked outside the event loop */
	unsigned order_count;
	void *boxes;		/* the pages of all workers; each keeps only its own */
} nursery;

/* ---- the worker --------------------------------------------------------------------- */

/* Nothing of the nursery's own stays open: its links, its event queue, the links of other workers. */
static void leave_nursery(unsigned order)
{
	event_reinit(nursery.self.base);	/* else removing its events would remove them from the nursery's epoll too */
	link_free(nursery.self.sup);
	link_free(nursery.key);
	for (unsigned i = order + 1; i < nursery.order_count; i++)
		close(nursery.orders[i].fd);
}

static void worker(unsigned order)
{
	static struct conn conn;
	uint64_t id = nursery.orders[order].conn;

	leave_nursery(order);
	crypto_forked();
	conn_policy_greet(&nursery.policy);
	box_enter(nursery.boxes, CHILD_SLAB_SLOTS, nursery.orders[order].box > 0 ? nursery.orders[order].box : CHILD_SLAB_SLOTS);
	prctl(PR_SET_NAME, "connection");
	child_log_to(CHILD_LOG_FD, ROLE_CONN, id);
	sandbox_connection(&nursery.self);
	if (conn_init(&conn, nursery.self.base, nursery.orders[order].fd, id, &nursery.policy.ssh, &nursery.keys) < 0)
		_exit(1);
	conn_run(&conn);
	conn_drop(&conn);	/* wipes keys */
	_exit(0);
}

/* The new process is the supervisor's child (CLONE_PARENT): it reaps it, and the tree stays true. */
static void fork_worker(unsigned order)
{
	struct ipc_FORKED m = { .conn = nursery.orders[order].conn };
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		worker(order);
	m.pid = pid < 0 ? -errno : (int32_t)pid;
	close(nursery.orders[order].fd);
	if (pid < 0)
		log_ev(LOGL_ERROR, "ev=fork conn=%llu error=%d", (unsigned long long)m.conn, -m.pid);
	link_send(nursery.self.sup, IPC_FORKED, &m);
}

static void fork_workers(void)
{
	for (unsigned i = 0; i < nursery.order_count; i++)
		fork_worker(i);
	nursery.order_count = 0;
}

/* ---- messages ------------------------------------------------------------------------- */

static int on_keysign(struct link *l, struct ipc_msg *m, void *ctx)
{
	(void)l, (void)ctx;
	return m->type == IPC_HOSTKEYS ? hostkeys_hear(&nursery.keys, &nursery.keys_coming, &m->u.HOSTKEYS) : SSH_E_RULE;
}

/* The keys we know stay good until a new keysign tells its own. */
static void on_keysign_gone(struct link *l, int error, void *ctx)
{
	(void)error, (void)ctx;
	if (nursery.key == l)
		nursery.key = NULL;
	link_free(l);
}

static int on_peer_link(struct child *c, struct ipc_msg *m)
{
	static const struct link_ops ops = { on_keysign, on_keysign_gone };
	int r;

	if (m->u.PEER_LINK.peer_role != ROLE_KEY)
		return SSH_E_RULE;
	link_free(nursery.key);
	TRY(link_new(&nursery.key, c->base, ipc_take_fd(m, 0), ROLE_NUR, ROLE_KEY, &ops, NULL));
	link_enter(nursery.key, W_UP);
	return SSH_OK;
}

static int on_fork(struct ipc_msg *m)
{
	if (nursery.order_count == FORKS_MAX)
		return SSH_E_FULL;
	nursery.orders[nursery.order_count++] = (struct fork_order){ m->u.FORK.conn, m->u.FORK.box, ipc_take_fd(m, 0) };
	return SSH_OK;
}

static int on_message(struct child *c, struct ipc_msg *m)
{
	switch (m->type) {
	case IPC_FORK:
		return on_fork(m);
	case IPC_PEER_LINK:
		return on_peer_link(c, m);
	case IPC_PEER_GONE:
		return SSH_OK;	/* its link says the same */
	default:
		return SSH_E_RULE;
	}
}

/* ---- life -------------------------------------------------------------------------------- */

/* 1 to go on, 0 when the supervisor is gone. */
static int serve_once(void)
{
	if (event_base_loop(nursery.self.base, EVLOOP_ONCE) != 0 || event_base_got_break(nursery.self.base))
		return 0;
	fork_workers();
	return 1;
}

static void begin(void)
{
	char why[400];

	heap_tune();
	signal(SIGPIPE, SIG_IGN);	/* programs close their stdin when they like */
	nursery.self.message = on_message;
	nursery.boxes = box_map(CHILD_SLAB_FD, CHILD_SLAB_SLOTS);
	close(CHILD_SLAB_FD);
	child_begin(&nursery.self, ROLE_NUR);
	if (conn_policy_read(&nursery.policy, nursery.self.conf, nursery.self.conf_len, why, sizeof why) < 0) {
		log_ev(LOGL_ERROR, "configuration: %s", why);
		exit(1);
	}
	nursery.policy.ssh.version = nursery.policy.version;
	groups_load(&nursery.policy.ssh, nursery.policy.values->ModuliFile);
	if (crypto_init() < 0) {
		log_ev(LOGL_ERROR, "crypto libraries: cannot be used");
		exit(1);
	}
}

int main(void)
{
	begin();
	warm_up(&nursery.policy.ssh);
	while (!hostkeys_complete(&nursery.keys))
		if (!serve_once())
			return 1;
	child_lock(&nursery.self, sandbox_nursery);
	heap_settle();
	child_ready(&nursery.self);
	while (serve_once())
		;
	return 0;
}
