#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/values.h"
#include "supervisor/command.h"
#include "supervisor/proc.h"

/* command_report - what the reporter knows goes straight into the client's pipe; nothing of it passes through here. */

static int show(struct client *c, struct ipc_SHOW *q, const char *format)
{
	struct proc *reporter = proc_of(client_daemon(c), KID_REPORTER);
	struct ipc_CTL_STREAM m = { .format = view_str(format) };
	int p[2], r;

	if (reporter == NULL)
		return client_done(c, 1, "the reporter is being replaced; try again");
	if (pipe2(p, O_CLOEXEC) < 0)
		return client_done(c, 1, "no pipe: %s", strerror(errno));
	if ((r = link_send_fds(reporter->link, IPC_SHOW, q, &p[1], 1)) < 0) {
		close(p[0]);
		return client_done(c, 1, "the reporter does not answer: %s", err_text(r));
	}
	if ((r = link_send_fds(client_link(c), IPC_CTL_STREAM, &m, &p[0], 1)) < 0)
		return r;
	return client_done(c, 0, "%s", "");
}

int command_EVENTS(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	return show(c, &(struct ipc_SHOW){ .what = SHOW_EVENTS, .json = 1, .filter = q->text }, "json-lines");
}

/* "" or a number; value 1: as JSON. */
int command_CRASHES(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	struct ipc_SHOW m = { .what = SHOW_CRASHES, .json = q->value == 1 };
	char text[32] = "", *end;

	if (q->text.len >= sizeof text)
		return client_done(c, 1, "crashes: a number is expected");
	if (q->text.len > 0)
		memcpy(text, q->text.p, q->text.len);
	if (text[0] != '\0') {
		errno = 0;
		m.what = SHOW_CRASH;
		m.number = strtoull(text, &end, 10);
		if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || m.number == 0)
			return client_done(c, 1, "crashes: a number is expected");
	}
	return show(c, &m, m.json ? "json" : "text");
}
