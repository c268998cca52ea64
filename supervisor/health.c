#include "supervisor/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/listen.h"
#include "supervisor/drain.h"

static int bind_path(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	mode_t old;

	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);	/* a predecessor's */
	old = umask(0111);	/* it tells everybody the same word */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, SOMAXCONN) < 0) {
		log_ev(LOGL_ERROR, "HealthListen unix:%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	umask(old);
	return fd;
}

static int bind_place(const char *place)
{
	char host[ADDR_TEXT_MAX];
	struct addr a;
	int port, fd;

	if (strncmp(place, "unix:", 5) == 0)
		return bind_path(place + 5);
	if (listen_split(place, host, sizeof host, &port) < 0 || addr_parse_ip(&a, host) < 0) {
		log_ev(LOGL_ERROR, "HealthListen %s: no numeric address", place);
		return -1;
	}
	a.port = (uint16_t)port;
	if ((fd = listen_bind_one(&a)) < 0)
		log_ev(LOGL_ERROR, "HealthListen %s: not served", place);
	return fd;
}

void health_open(struct daemon *d)
{
	const char *place = d->values->HealthListen;
	struct listener *l;
	int fd;

	if (place == NULL || d->health != NULL || (fd = bind_place(place)) < 0)
		return;
	if ((l = calloc(1, sizeof *l)) == NULL || (l->place = strdup(place)) == NULL) {
		free(l);
		close(fd);
		return;
	}
	list_init(&l->link);	/* in no list: no client comes here, and a reload is none of its business */
	l->d = d;
	l->fd = fd;
	if (listen_plant_one(l, 0) == SSH_OK)
		d->health = l;
	else
		listen_forget(l);
}

int health_give(struct proc *p, int fd)
{
	struct ipc_HEALTH_LISTEN m = { .word = drain_word(p->d) };

	return link_send_fds(p->link, IPC_HEALTH_LISTEN, &m, &fd, 1);
}

void health_forget(struct listener *l)
{
	if (l->d->health == l)
		l->d->health = NULL;
	free(l->place);
	l->place = NULL;
}
