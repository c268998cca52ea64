/* The calls of link.h for processes without an event loop; libc only, so that a worker starts fast. */
#include "ipc/clock.h"
#include "ipc/link.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/datagram.h"

int link_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0 ? SSH_OK : SSH_E_SYS;
}

/* Waits until events happen on fd; SSH_E_TIMEOUT after the deadline (on clock_ms()). */
static int await(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = deadline - (int64_t)clock_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (r > 0)
			return SSH_OK;
		if (r == 0)
			return SSH_E_TIMEOUT;
		if (errno != EINTR)
			return SSH_E_SYS;
	}
}

int link_wait(int fd, enum ipc_role me, enum ipc_role peer, enum ipc_when when, int timeout_ms,
    struct ipc_msg *m, uint8_t *storage)
{
	int64_t deadline = (int64_t)clock_ms() + timeout_ms;
	size_t n;
	int r;

	do {
		TRY(await(fd, POLLIN, deadline));
		r = datagram_recv(fd, storage, IPC_MESSAGE_MAX, &n, m, MSG_DONTWAIT);
	} while (r == SSH_E_NOT_NOW);
	if (r < 0)
		return r;
	return datagram_accept(m, storage, n, peer, me, when);
}

int link_say(int fd, enum ipc_role me, enum ipc_role peer, enum ipc_when when, enum ipc_type type, const void *body,
    const int *fds, int nfds)
{
	int64_t deadline = (int64_t)clock_ms() + 10000;
	struct buf b;
	int r;

	TRY(ipc_check(type, me, peer, when, nfds));
	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	if ((r = ipc_encode(&b, type, body)) == SSH_OK)
		while ((r = datagram_send(fd, buf_head(&b), buf_len(&b), fds, nfds, MSG_DONTWAIT)) == SSH_E_NOT_NOW)
			if ((r = await(fd, POLLOUT, deadline)) < 0)
				break;
	buf_drop(&b);
	return r;
}
