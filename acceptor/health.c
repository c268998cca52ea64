#include "acceptor/health.h"

#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/values.h"

#define ANSWERS_PER_WAKE 16

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct health *h = arg;
	const char *line = h->word == HEALTH_READY ? "ready\n" : "drain\n";
	int s;

	(void)what;
	for (int i = 0; i < ANSWERS_PER_WAKE && (s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0; i++) {
		(void)!send(s, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(s);
	}
}

int health_listen(struct health *h, struct child *self, struct ipc_msg *m)
{
	h->word = m->u.HEALTH_LISTEN.word;
	if (h->readable != NULL)
		return SSH_OK;		/* from a supervisor that took over */
	h->fd = ipc_take_fd(m, 0);
	if (fcntl(h->fd, F_SETFL, O_NONBLOCK) != 0
	    || (h->readable = event_new(self->base, h->fd, EV_READ | EV_PERSIST, on_readable, h)) == NULL)
		return SSH_E_SYS;
	event_add(h->readable, NULL);
	return SSH_OK;
}
