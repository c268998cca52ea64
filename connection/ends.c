#include "connection/ends.h"

#include "base/err.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "ipc/values.h"

static int tell_client(struct conn *c, int duplicates)
{
	int fds[2] = { c->loop.in, c->loop.out }, n = c->loop.in == c->loop.out ? 1 : 2;
	struct ipc_ENDS m = { .what = ENDS_CLIENT };

	return c->loop.in < 0 ? SSH_OK : link_lend_fds(c->sup, IPC_ENDS, &m, fds, duplicates ? n : 0);
}

/* In the order of their bits, as far as they are open. */
static int tell_channel(struct conn *c, const struct session *s, int duplicates)
{
	struct ipc_ENDS m = { .what = ENDS_CHANNEL, .worker = s->worker };
	const struct relay *r = &s->relay;
	int all[4] = { r->in.fd, r->out.fd, r->err.fd, r->out.fd >= 0 ? r->out.fd : r->in.fd }, fds[4], n = 0;

	for (int i = r->pty ? 3 : 0; i < (r->pty ? 4 : 3); i++)
		if (all[i] >= 0 && !(s->told & 1u << i)) {
			m.ends |= (uint8_t)(1u << i);
			fds[n++] = all[i];
		}
	return link_lend_fds(c->sup, IPC_ENDS, &m, fds, duplicates ? n : 0);
}

int ends_tell(struct conn *c, int duplicates)
{
	struct session *s;
	size_t at = 0;
	int r;

	TRY(tell_client(c, duplicates));
	while ((s = table_next(&c->sessions, &at)) != NULL)
		if (s->state == SES_RUNNING && !s->exited)
			TRY(tell_channel(c, s, duplicates));
	return link_send(c->sup, IPC_ENDS, &(struct ipc_ENDS){ .what = ENDS_ALL });
}
