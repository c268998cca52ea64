#include "supervisor/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/listen.h"
#include "supervisor/control.h"
#include "supervisor/drain.h"
#include "supervisor/effects.h"
#include "supervisor/held.h"
#include "supervisor/keep.h"
#include "supervisor/resume.h"

static int bind_place(struct daemon *d, const char *place)
{
	char host[ADDR_TEXT_MAX];
	struct addr a;
	int port, fd;

	if (strncmp(place, "unix:", 5) == 0) {
		if ((fd = resume_socket(d, DAEMON_HEALTH, NULL, place + 5)) < 0 && (fd = control_stream(d, place + 5, 0666)) < 0)
			log_ev(LOGL_ERROR, "HealthListen %s: %s", place, strerror(errno));
		return fd;
	}
	if (listen_split(place, host, sizeof host, &port) < 0 || addr_parse_ip(&a, host) < 0) {
		log_ev(LOGL_ERROR, "HealthListen %s: no numeric address", place);
		return -1;
	}
	a.port = (uint16_t)port;
	if ((fd = resume_socket(d, DAEMON_HEALTH, &a, NULL)) < 0 && (fd = listen_bind_one(&a)) < 0)
		log_ev(LOGL_ERROR, "HealthListen %s: not served", place);
	return fd;
}

void health_start(struct daemon *d)
{
	struct kid *k = d->health != NULL ? d->health->kid : NULL;

	if (k != NULL && k->node->state == SUP_ST_DOWN && fx_start(k) < 0)
		log_ev(LOGL_ERROR, "HealthListen %s: not served", d->health->place);
}

int health_fd(const struct daemon *d)
{
	return d->health != NULL ? d->health->fd : -1;
}

void health_open(struct daemon *d)
{
	const char *place = d->values->HealthListen;
	struct listener *l;
	int fd;

	if (place == NULL || d->health != NULL || (fd = bind_place(d, place)) < 0)
		return;
	if ((l = calloc(1, sizeof *l)) == NULL || (l->place = strdup(place)) == NULL) {
		free(l);
		close(fd);
		return;
	}
	list_init(&l->link);	/* in no list: no client comes here, and a reload is none of its business */
	l->d = d;
	l->fd = fd;
	if (listen_plant_one(l, 0) < 0) {
		listen_forget(l);
		return;
	}
	d->health = l;
	keep_places(d);		/* a keeper that was taken over has been told of the others already */
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
