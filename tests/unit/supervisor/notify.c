#include "supervisor/notify.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

/* A manager: its socket, and the last message it read. */
struct manager { int fd; char text[4096]; int fds[64]; int nfds; };

static void listen_as(struct manager *m, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(name);

	memcpy(a.sun_path, name, n);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert(bind(m->fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'))) == 0);
	cr_assert(setenv("NOTIFY_SOCKET", name, 1) == 0);
}

static int hear(struct manager *m)
{
	union { struct cmsghdr h; char room[4096]; } control;
	struct iovec iov = { m->text, sizeof m->text - 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(m->fd, &mh, 0);

	m->nfds = 0;
	if (n < 0)
		return 0;
	m->text[n] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		cr_assert_eq(c->cmsg_type, SCM_RIGHTS);
		m->nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), sizeof(int) * (size_t)m->nfds);
	}
	for (int i = 0; i < m->nfds; i++)
		close(m->fds[i]);
	return 1;
}

static void talk(const char *name)
{
	struct manager m;
	int fds[20];

	listen_as(&m, name);
	notify_open();
	cr_assert(notify_is_on());
	cr_assert_null(getenv("NOTIFY_SOCKET"), "a child would inherit it");
	cr_assert_eq(notify_say("STATUS=%d of %s", 3, "x"), SSH_OK);
	cr_assert(hear(&m));
	cr_assert_str_eq(m.text, "STATUS=3 of x");
	for (int i = 0; i < 20; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	/* more than one message takes */
	cr_assert_eq(notify_store("coppice-listener", fds, 20), SSH_OK);
	cr_assert(hear(&m));
	cr_assert_str_eq(m.text, "FDSTORE=1\nFDNAME=coppice-listener\nFDPOLL=0");
	cr_assert_eq(m.nfds, 16);
	cr_assert(hear(&m));
	cr_assert_eq(m.nfds, 4);
	cr_assert(!hear(&m));
	for (int i = 0; i < 20; i++)
		cr_assert(close(fds[i]) == 0, "our own are still ours");
	notify_unstore("coppice-listener");
	cr_assert(hear(&m));
	cr_assert_str_eq(m.text, "FDSTOREREMOVE=1\nFDNAME=coppice-listener");
	close(m.fd);
}

Test(notify, path)
{
	char name[64];

	snprintf(name, sizeof name, "/tmp/coppice-notify-%d", (int)getpid());
	talk(name);
	unlink(name);
}

Test(notify, abstract)
{
	char name[64];

	snprintf(name, sizeof name, "@coppice-notify-%d", (int)getpid());
	talk(name);
}

Test(notify, nobody)
{
	static const char *const wrong[] = { NULL, "", "@", "relative", "vsock:2:99" };
	int fd = 0;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (wrong[i] != NULL)
			setenv("NOTIFY_SOCKET", wrong[i], 1);
		notify_open();
		cr_assert(!notify_is_on());
		cr_assert_null(getenv("NOTIFY_SOCKET"));
		cr_assert_eq(notify_say("READY=1"), SSH_E_NOT_NOW);
		cr_assert_eq(notify_store("x", &fd, 1), SSH_E_NOT_NOW);
	}
}

Test(notify, full)
{
	struct manager m;
	char name[64];
	int said = 0;

	snprintf(name, sizeof name, "@coppice-full-%d", (int)getpid());
	listen_as(&m, name);
	notify_open();
	while (said < 100000 && notify_say("STATUS=%d", said) == SSH_OK)
		said++;
	cr_assert_lt(said, 100000, "a socket nobody reads is full at some time");
	cr_assert(hear(&m));
	cr_assert_eq(notify_say("STATUS=again"), SSH_OK);
	while (hear(&m))
		;
	cr_assert_str_eq(m.text, "STATUS=again");
	close(m.fd);
}
