#include "ipc/worker.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/child.h"

#define WORK_TIMEOUT_MS 10000
#define GO_TIMEOUT_MS 86400000		/* only the end of the link ends it */

static void give_up(const char *what, const char *why)
{
	dprintf(2, "coppice: %s: %s\n", what, why);
	_exit(255);
}

/* The received descriptors become 0, 1 and 2, whatever numbers they came with. */
static void take_standard(struct ipc_msg *m)
{
	int high[3];

	for (int i = 0; i < m->nfds; i++) {
		high[i] = fcntl(m->fds[i], F_DUPFD_CLOEXEC, 10);
		if (high[i] < 0)
			give_up("standard descriptors", "cannot be moved");
		close(ipc_take_fd(m, i));
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[m->nfds == 3 ? i : 0], i) < 0)
			give_up("standard descriptors", "cannot be taken");
	for (int i = 0; i < m->nfds; i++)
		close(high[i]);
}

void worker_begin(struct worker *w)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg go;
	int r = link_wait(CHILD_LINK_FD, ROLE_WRK, ROLE_SUP, W_NEW, WORK_TIMEOUT_MS, &w->msg, w->storage);

	if (r < 0)
		give_up("no work from the supervisor", err_text(r));
	if (w->msg.nfds != 3 && w->msg.nfds != 1)
		give_up("work from the supervisor", "needs one or three descriptors");
	/* If the supervisor dies now, the next one says it, or closes the link. */
	if (link_wait(CHILD_LINK_FD, ROLE_WRK, ROLE_SUP, W_NEW, GO_TIMEOUT_MS, &go, storage) < 0 || go.type != IPC_GO)
		_exit(255);
	take_standard(&w->msg);
	close(CHILD_LINK_FD);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
}
