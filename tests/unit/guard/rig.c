#include "tests/unit/guard/rig.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int refuse(struct link *l, struct ipc_msg *m, void *ctx)
{
	return SSH_E_RULE;
}

static void gone(struct link *l, int error, void *ctx)
{
}

int rig_starves;

static void *allocate(size_t n)
{
	return rig_starves ? NULL : malloc(n);
}

static void *resize(void *p, size_t n)
{
	return rig_starves ? NULL : realloc(p, n);
}

void rig_make(struct rig *r, enum ipc_role me)
{
	static const struct link_ops ops = { refuse, gone };
	int pair[2];

	event_set_mem_functions(allocate, resize, free);
	memset(r, 0, sizeof *r);
	cr_assert_eq(link_pair(pair), SSH_OK);
	r->self.role = me;
	r->self.base = event_base_new();
	cr_assert_eq(link_new(&r->self.sup, r->self.base, pair[0], me, ROLE_SUP, &ops, NULL), SSH_OK);
	link_enter(r->self.sup, W_UP);
	r->sup = pair[1];
}

int rig_peer(struct rig *r, enum ipc_role peer, uint64_t conn)
{
	struct ipc_msg m = { .type = IPC_PEER_LINK, .nfds = 1 };
	int pair[2];

	cr_assert_eq(link_pair(pair), SSH_OK);
	m.fds[0] = pair[0];
	m.u.PEER_LINK.peer_role = (uint8_t)peer;
	m.u.PEER_LINK.conn = conn;
	addr_parse_ip(&m.u.PEER_LINK.peer, "192.0.2.7");
	m.u.PEER_LINK.peer.port = 50122;
	cr_assert_eq(r->self.message(&r->self, &m), SSH_OK);
	ipc_close_fds(&m);
	return pair[1];
}

void rig_turn(struct rig *r, unsigned ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(r->self.base, &t);
	event_base_dispatch(r->self.base);
}

int rig_wait(struct rig *r, int fd, enum ipc_role at, enum ipc_role from)
{
	for (int i = 0; i < 4000; i++) {
		int e = link_wait(fd, at, from, W_UP, 2, &r->m, r->storage);

		if (e == SSH_OK || e == SSH_E_GONE)
			return e == SSH_OK;
		cr_assert_eq(e, SSH_E_TIMEOUT, "%s", err_text(e));
		rig_turn(r, 5);
	}
	cr_assert_fail("no message in 20 s");
	return 0;
}

int rig_silent(struct rig *r, int fd, unsigned ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	rig_turn(r, ms);
	return poll(&p, 1, 0) == 0;
}

int rig_counted(struct rig *r, enum counter counter)
{
	return rig_wait(r, r->sup, ROLE_SUP, ROLE_AUTH) && r->m.type == IPC_COUNT && r->m.u.COUNT.counter == counter && r->m.u.COUNT.by == 1;
}
