#include "ipc/datagram.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

int datagram_send(int fd, const void *p, size_t n, const int *fds, int nfds, int flags)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)]; } control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (nfds > 0) {
		memset(&control, 0, sizeof control);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		CMSG_FIRSTHDR(&mh)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&mh)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&mh)->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&mh)), fds, sizeof(int) * (size_t)nfds);
	}
	do
		r = sendmsg(fd, &mh, MSG_NOSIGNAL | flags);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return SSH_OK;
	/* ETOOMANYREFS: too many descriptors in flight for this user; it passes, as ENOBUFS does. */
	return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? SSH_E_NOT_NOW : SSH_E_GONE;
}

static void take_fds(struct msghdr *mh, struct ipc_msg *m)
{
	m->nfds = 0;
	m->sender = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		struct ucred who;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&who, CMSG_DATA(c), sizeof who);
			m->sender = who.pid;
		}
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (m->nfds < IPC_FDS_MAX)
				m->fds[m->nfds++] = fd;
			else
				close(fd);
		}
	}
}

int datagram_recv(int fd, uint8_t *p, size_t size, size_t *n, struct ipc_msg *m, int flags)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))]; } control;
	struct iovec iov = { .iov_base = p, .iov_len = size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t r;

	m->nfds = 0;
	/* ECONNRESET: the far end is gone and had not read all; said once, before what it said itself (unix(7)). */
	do
		r = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | flags);
	while (r < 0 && (errno == EINTR || errno == ECONNRESET));
	if (r < 0)
		return errno == EAGAIN ? SSH_E_NOT_NOW : SSH_E_GONE;
	take_fds(&mh, m);
	if (r == 0 && m->nfds == 0)
		return SSH_E_GONE;
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		ipc_close_fds(m);
		return SSH_E_FORMAT;
	}
	*n = (size_t)r;
	return SSH_OK;
}

int datagram_accept(struct ipc_msg *m, const uint8_t *p, size_t n, enum ipc_role from, enum ipc_role to, enum ipc_when when)
{
	int r = n > 0 ? ipc_check(p[0], from, to, when, m->nfds) : SSH_E_FORMAT;

	if (r == SSH_OK)
		r = ipc_decode(m, p, n);
	if (r < 0)
		ipc_close_fds(m);
	return r;
}
