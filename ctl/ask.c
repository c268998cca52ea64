#include "ctl/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/link.h"

const char *ask_default_socket(void)
{
	static char path[256];
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return "/run/coppice/control";
	if (dir != NULL && dir[0] == '/')
		snprintf(path, sizeof path, "%s/coppice/control", dir);
	else
		snprintf(path, sizeof path, "/tmp/coppice-%u/control", (unsigned)geteuid());
	return path;
}

int ask_dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, saved;

	if (strlen(path) >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int take(struct answer *a, struct ipc_msg *m, void (*live)(const struct ctl_row *))
{
	int r;

	switch (m->type) {
	case IPC_CTL_NODE:
		return ctl_tree_add(&a->tree, &m->u.CTL_NODE);
	case IPC_CTL_ROW:
		TRY(ctl_rows_add(&a->rows, &m->u.CTL_ROW));
		if (live != NULL) {
			live(&a->rows.v[0]);
			ctl_rows_free(&a->rows);
		}
		return SSH_OK;
	case IPC_CTL_STREAM:
		if (a->stream >= 0)
			close(a->stream);
		a->stream = ipc_take_fd(m, 0);
		return SSH_OK;
	default:
		return SSH_E_RULE;
	}
}

static int as_json;

void ask_for_json(int json)
{
	as_json = json;
}

int ask(int fd, const struct verb *v, const char *text, void (*live)(const struct ctl_row *), struct answer *a)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_CTL_REQUEST q = { .verb = v->number, .value = as_json ? 1 : 0, .text = view_str(text) };
	int patience = verb_is(v->number, VERB_WAITS) ? INT32_MAX : ASK_TIMEOUT_MS, r;
	struct ipc_msg m;

	memset(a, 0, sizeof *a);
	a->status = 1;
	a->stream = -1;
	TRY(link_say(fd, ROLE_CTL, ROLE_SUP, W_UP, IPC_CTL_REQUEST, &q, NULL, 0));
	for (;;) {
		TRY(link_wait(fd, ROLE_CTL, ROLE_SUP, W_UP, patience, &m, storage));
		if (m.type == IPC_CTL_DONE)
			break;
		r = take(a, &m, live);
		ipc_close_fds(&m);
		if (r < 0)
			return r;
	}
	a->status = m.u.CTL_DONE.status;
	snprintf(a->text, sizeof a->text, "%.*s", (int)m.u.CTL_DONE.text.len,
	    m.u.CTL_DONE.text.len > 0 ? (const char *)m.u.CTL_DONE.text.p : "");
	return SSH_OK;
}

void ask_drop(struct answer *a)
{
	ctl_tree_free(&a->tree);
	ctl_rows_free(&a->rows);
	if (a->stream >= 0)
		close(a->stream);
	a->stream = -1;
}
