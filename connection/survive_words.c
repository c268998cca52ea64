#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "connection/conn.h"
#include "connection/survive.h"
#include "ipc/datagram.h"
#include "ipc/values.h"

/* What the connection and the supervisor say to each other, through the books. */

static int encode(struct buf *b, enum ipc_type type, const void *body)
{
	buf_init(b, IPC_MESSAGE_MAX, NULL);
	return ipc_encode(b, type, body);
}

int survive_say(struct conn *c, enum ipc_type type, const void *body)
{
	struct survive *s = &c->survive;
	struct buf b;
	int r;

	if (!memory_counts(type))
		return SSH_E_BUG;
	r = encode(&b, type, body);
	buf_drop(&b);
	if (r < 0)
		return r;	/* and the same in every process */
	if (s->leave_out > 0) {
		s->leave_out--;
		return SSH_OK;
	}
	if ((r = link_send(c->sup, type, body)) == SSH_OK)
		s->said++;
	else
		survive_close(c);	/* a successor's link may take it */
	return r;
}

void survive_heard(struct conn *c, const struct ipc_msg *m)
{
	struct buf b;

	if (encode(&b, m->type, &m->u) == SSH_OK)
		survive_bytes(c, BOOK_HEARD, (unsigned)m->nfds, buf_head(&b), buf_len(&b));
	else
		survive_close(c);
	buf_drop(&b);
}

/* A pty, or three pipes; all or none. */
static int take_ends(struct conn *c, survive_take_fn *take, struct ipc_msg *m)
{
	static const unsigned pipes[3] = { END_STDIN, END_STDOUT, END_STDERR };

	if (m->nfds != 1 && m->nfds != 3)
		return SSH_E_STATE;
	for (int i = 0; i < m->nfds; i++)
		if ((m->fds[i] = take(c, m->u.SPAWNED.worker, m->nfds == 1 ? END_PTY : pipes[i])) < 0) {
			ipc_close_fds(m);
			return SSH_E_STATE;
		}
	return SSH_OK;
}

int survive_read_heard(struct conn *c, const struct memory_entry *e, survive_take_fn *take, struct ipc_msg *m)
{
	static uint8_t bytes[IPC_MESSAGE_MAX];
	size_t n = e->result > 0 ? (size_t)e->result : 0;

	if (e->kind != BOOK_HEARD || n == 0 || n > sizeof bytes || e->which > 3)
		return SSH_E_STATE;
	memcpy(bytes, e + 1, n);
	m->nfds = e->which;
	m->sender = 0;
	for (int i = 0; i < m->nfds; i++)
		m->fds[i] = -1;
	if (datagram_accept(m, bytes, n, ROLE_SUP, ROLE_CONN, W_AUTHED) < 0 || !conn_hears(m->type))
		return SSH_E_STATE;
	return m->nfds == 0 ? SSH_OK : take_ends(c, take, m);
}
