#include "connection/notice.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "connection/chan_session.h"
#include "connection/conn.h"

size_t notice_text(uint8_t out[NOTICE_MAX], struct view text)
{
	size_t n = 0, at = 0;

	out[n++] = '\r', out[n++] = '\n';
	while (at < text.len && n + 6 < NOTICE_MAX) {
		uint32_t c;
		size_t k = utf8_next(text.p + at, text.len - at, &c);

		if (k == 0 || !utf8_printable(c)) {
			out[n++] = '?';
			at += k > 0 ? k : 1;
			continue;
		}
		memcpy(out + n, text.p + at, k);
		n += k;
		at += k;
	}
	out[n++] = '\r', out[n++] = '\n';
	return n;
}

static int has_terminal(const struct session *s)
{
	return s->state == SES_RUNNING && s->relay.pty && s->relay.out.fd >= 0;
}

int notice_show(struct conn *c, const struct ipc_CONN_NOTICE *m)
{
	struct ipc_NOTICE_SHOWN told = { .req = m->req };
	uint8_t text[NOTICE_MAX];
	size_t n = notice_text(text, m->text);
	struct session *s;

	if (c->survive.replay != NULL)
		c->survive.notice = m->req;
	for (uint64_t from = 0; c->ssh != NULL && (s = session_next(c, from, has_terminal)) != NULL; from = (uint64_t)s->chan + 1) {
		told.terminals++;
		/* All of it or nothing: half a line would be worse than none, and to wait for room is not worth a queue. */
		if (ssh_chan_room(c->ssh, s->chan) >= n && ssh_chan_write(c->ssh, s->chan, 0, text, n) == (int)n)
			told.shown++;
	}
	return survive_say(c, IPC_NOTICE_SHOWN, &told);
}
