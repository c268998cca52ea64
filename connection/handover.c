#include "connection/handover.h"

#include <event2/event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "connection/export.h"
#include "connection/import.h"
#include "ipc/datagram.h"
#include "ipc/values.h"

#define DRAIN_TURNS 64		/* events the core may still hold when a slow program made the loop pause */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- the predecessor ---------------------------------------------------------------- */

/* Takes what the core has ready to say: a state has no events in it. */
static int export_when_quiet(struct conn *c, struct buf *b)
{
	int r = SSH_E_NOT_NOW;

	for (int i = 0; i < DRAIN_TURNS && !c->over && r == SSH_E_NOT_NOW; i++) {
		int paused = c->loop.paused;
		struct ssh_mark mark;

		loop_resume(c);
		loop_turn(c);
		if (c->over)
			break;
		ssh_get_mark(c->ssh, &mark);	/* a signature comes soon, and of the key that was shown */
		if ((r = mark.signing ? SSH_E_NOT_NOW : conn_export(c, b)) == SSH_E_NOT_NOW && !paused && !c->loop.paused)
			break;
	}
	return r;
}

/* A process without leave to make files longer may still fill one that has its size: by mapping it. */
static int write_state(int memfd, size_t size, const struct buf *b)
{
	void *p;

	if (buf_len(b) > size)
		return SSH_E_FULL;
	if ((p = mmap(NULL, buf_len(b), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0)) == MAP_FAILED)
		return SSH_E_SYS;
	memcpy(p, buf_head(b), buf_len(b));
	munmap(p, buf_len(b));
	return SSH_OK;
}

static int carry(int to, const struct session *s)
{
	const struct relay *r = &s->relay;
	struct ipc_CARRY_ENDS m = { .chan = s->chan, .ends = (uint8_t)conn_export_ends(s) };
	const struct stream *streams[3] = { &r->in, &r->out, &r->err };
	struct buf b;
	int fds[3], n = 0, e;

	for (int i = 0; i < 3; i++)
		if (streams[i]->fd >= 0)
			fds[n++] = streams[i]->fd;
	if (n == 0)
		return SSH_OK;
	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	if ((e = ipc_check(IPC_CARRY_ENDS, ROLE_CONN, ROLE_CONN, W_UP, n)) == SSH_OK &&
	    (e = ipc_encode(&b, IPC_CARRY_ENDS, &m)) == SSH_OK)
		e = datagram_send(to, buf_head(&b), buf_len(&b), fds, n, MSG_DONTWAIT);
	buf_drop(&b);
	return e == SSH_E_NOT_NOW ? SSH_E_FULL : e;
}

static int carry_all(struct conn *c, int to)
{
	struct session *s;
	size_t at = 0;
	int r;

	while ((s = table_next(&c->sessions, &at)) != NULL)
		TRY(carry(to, s));
	return SSH_OK;
}

static uint8_t status_of(int error)
{
	switch (error) {
	case SSH_OK:        return HANDOFF_STILL;
	case SSH_E_AUTH:    return HANDOFF_LOGIN;
	case SSH_E_NOT_NOW: return HANDOFF_KEX;
	case SSH_E_FULL:    return HANDOFF_FULL;
	default:            return HANDOFF_FAILED;
	}
}

int handover_stop(struct conn *c, struct ipc_msg *m)
{
	struct ipc_HANDOFF_STATE answer = { .move = m->u.HANDOFF.move };
	uint32_t size = m->u.HANDOFF.size;
	int memfd = ipc_take_fd(m, 0), to = ipc_take_fd(m, 1), r = SSH_E_RULE;
	struct buf b;

	buf_init(&b, size, NULL);
	survive_close(c);
	if (c->ssh == NULL || c->still)
		goto out;
	r = export_when_quiet(c, &b);
	if (c->over) {
		r = SSH_OK;		/* the end that came instead tells enough */
		goto out;
	}
	if (r == SSH_OK && (r = write_state(memfd, size, &b)) == SSH_OK)
		r = carry_all(c, to);
	answer.status = status_of(r);
	if (r == SSH_OK) {
		answer.length = (uint32_t)buf_len(&b);
		c->move = answer.move;
		loop_still(c);
	}
	r = link_send(c->sup, IPC_HANDOFF_STATE, &answer);
out:
	buf_drop(&b);		/* wipes */
	close_fd(memfd);
	close_fd(to);
	return r;
}

/* ---- the successor --------------------------------------------------------------------- */

/* A private copy: the far end could change the file under the parser's eyes. The file is wiped. */
static int read_state(int memfd, size_t length, struct buf *b)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	int r;

	if (p == MAP_FAILED)
		return SSH_E_SYS;
	r = buf_append(b, p, length);
	secret_wipe(p, length);
	munmap(p, length);
	return r;
}

/* carried_fn: they lie in the socket in the order in which the channels stand in the state. */
static int carried(void *ctx, uint32_t chan, unsigned ends, int fds[3])
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	const int *from = ctx;
	struct ipc_msg m;
	size_t n;
	int r;

	TRY(datagram_recv(*from, storage, sizeof storage, &n, &m, MSG_DONTWAIT));
	TRY(datagram_accept(&m, storage, n, ROLE_CONN, ROLE_CONN, W_UP));
	r = m.type == IPC_CARRY_ENDS && m.u.CARRY_ENDS.chan == chan && m.u.CARRY_ENDS.ends == ends &&
	    m.nfds == __builtin_popcount(ends) ? SSH_OK : SSH_E_STATE;
	for (int i = 0; r == SSH_OK && i < m.nfds; i++)
		fds[i] = ipc_take_fd(&m, i);
	ipc_close_fds(&m);
	return r;
}

static int become(struct conn *c, int memfd, size_t length, int from)
{
	struct buf b;
	int r;

	buf_init(&b, length, NULL);
	if ((r = read_state(memfd, length, &b)) == SSH_OK)
		r = conn_import(c, view_of(buf_head(&b), buf_len(&b)), carried, &from);
	buf_drop(&b);
	return r;
}

int handover_adopt(struct conn *c, struct ipc_msg *m)
{
	const struct ipc_ADOPT *q = &m->u.ADOPT;
	struct ipc_ADOPTED answer = { .move = q->move };
	int memfd = ipc_take_fd(m, 0), from = ipc_take_fd(m, 1), in, out, r = SSH_E_RULE;

	if (c->ssh != NULL || c->still || q->conn != c->id || q->length == 0)
		goto out;
	c->still = 1;
	c->move = q->move;
	c->peer = q->peer;
	c->local = q->local;
	in = ipc_take_fd(m, 2);
	out = m->nfds > 3 ? ipc_take_fd(m, 3) : in;
	if ((r = loop_start(c, in, out)) == SSH_OK)
		r = become(c, memfd, q->length, from);
	answer.status = r == SSH_OK ? ADOPT_OK : r == SSH_E_STATE ? ADOPT_STATE : ADOPT_FAILED;
	if (r < 0) {
		log_ev(LOGL_ERROR, "ev=adopt conn=%llu: %s", (unsigned long long)c->id, err_text(r));
		c->over = 1;
		event_base_loopbreak(c->base);
	}
	if ((r = link_send(c->sup, IPC_ADOPTED, &answer)) == SSH_OK)
		link_enter(c->sup, W_AUTHED);
out:
	close_fd(memfd);
	close_fd(from);
	return r;
}

int handover_hears(enum ipc_type type)
{
	return type == IPC_SERVE || type == IPC_LEAVE || type == IPC_PING || type == IPC_PEER_LINK || type == IPC_PEER_GONE;
}

/* ---- the word ----------------------------------------------------------------------------- */

void handover_serve(struct conn *c)
{
	if (!c->still)
		return;
	c->still = 0;
	c->loop.active = 1;	/* soon somebody looks how much memory can go back */
	loop_turn(c);
}

int handover_leave(struct conn *c)
{
	if (!c->still)
		return SSH_E_RULE;
	c->over = 1;
	event_base_loopbreak(c->base);
	return SSH_OK;
}
