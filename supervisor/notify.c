#include "supervisor/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#define FDS_AT_ONCE 16

static struct { int fd; struct sockaddr_un to; socklen_t len; unsigned lost; } manager = { .fd = -1 };

void notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;

	if (n > 1 && n < sizeof manager.to.sun_path && (path[0] == '/' || path[0] == '@')) {
		manager.to.sun_family = AF_UNIX;
		memcpy(manager.to.sun_path, path, n);
		if (path[0] == '@')
			manager.to.sun_path[0] = '\0';
		manager.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
		if (manager.fd < 0)
			manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	unsetenv("NOTIFY_SOCKET");
}

int notify_is_on(void)
{
	return manager.fd >= 0;
}

static int send_text(const char *text, const int *fds, int n)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int) * FDS_AT_ONCE)]; } control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr mh = { .msg_name = &manager.to, .msg_namelen = manager.len, .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (manager.fd < 0)
		return SSH_E_NOT_NOW;
	if (n > 0) {
		memset(&control, 0, sizeof control);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	}
	return sendmsg(manager.fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ? SSH_OK : SSH_E_NOT_NOW;
}

/* What is not said again is counted. */
static void note(int r)
{
	if (r == SSH_OK && manager.lost > 0)
		log_ev(LOGL_INFO, "ev=notify: the service manager listens again; lost=%u", manager.lost);
	if (r == SSH_OK)
		manager.lost = 0;
	else if (manager.lost++ == 0)	/* once: a manager that does not listen does not listen often */
		log_ev(LOGL_WARN, "ev=notify: the service manager does not take our messages");
}

int notify_say(const char *format, ...)
{
	char text[2048];
	va_list ap;
	int r;

	if (manager.fd < 0)
		return SSH_E_NOT_NOW;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	r = send_text(text, NULL, 0);
	note(r);
	return r;
}

int notify_store(const char *name, const int *fds, int n)
{
	char text[200];
	int r;

	for (int at = 0; at < n; at += FDS_AT_ONCE) {
		int now = n - at < FDS_AT_ONCE ? n - at : FDS_AT_ONCE;

		snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
		TRY(send_text(text, fds + at, now));
	}
	return SSH_OK;
}

int notify_unstore(const char *name)
{
	char text[200];

	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return send_text(text, NULL, 0);
}
