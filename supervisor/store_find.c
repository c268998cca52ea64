#include "supervisor/store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/activation.h"
#include "supervisor/adopt.h"
#include "supervisor/listen.h"
#include "supervisor/resume_internal.h"
#include "supervisor/state.h"
#include "supervisor/store_name.h"

/* ---- is it what its name says? Whoever the unit's NotifyAccess= lets in could have stored it -------------- */

/* A link's end: the kernel remembers who made the pair. */
static int is_link(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return activation_option(fd, SO_DOMAIN) == AF_UNIX && activation_option(fd, SO_TYPE) == SOCK_SEQPACKET
	    && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static int is_log(int fd)
{
	return activation_option(fd, SO_DOMAIN) == AF_UNIX && activation_option(fd, SO_TYPE) == SOCK_DGRAM;
}

static int is_journal(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

/* SSH_OK: taken. Else it is still the caller's. */
static int sort_in(struct held *held, enum store_what what, uint64_t number, int fd)
{
	switch (what) {
	case STORE_LOG:
		return is_log(fd) ? held_add(held, KEPT_LOGS, 0, (int)number, fd) : SSH_E_RULE;
	case STORE_METRICS:
		return activation_option(fd, SO_ACCEPTCONN) == 1 ? held_add(held, KEPT_DAEMON, 0, DAEMON_METRICS, fd) : SSH_E_RULE;
	case STORE_HEALTH:
		return activation_option(fd, SO_ACCEPTCONN) == 1 ? held_add(held, KEPT_DAEMON, 0, DAEMON_HEALTH, fd) : SSH_E_RULE;
	case STORE_PROC:
		if (is_link(fd))
			return held_add(held, KEPT_PROC, number, PROC_LINK, fd);
		return adopt_pid_of(fd) != 0 ? held_add(held, KEPT_PROC, number, PROC_PIDFD, fd) : SSH_E_RULE;
	default:
		return SSH_E_RULE;
	}
}

int store_find(struct held *held)
{
	uint64_t number, newest = 0;
	enum store_what what;
	const char *name;
	int fd, journal = -1, r;
	size_t at = 0;

	while (activation_next(&at, &name, &fd)) {
		r = fd < 0 ? SSH_E_GONE : store_name_parse(name, &what, &number);
		if (r == SSH_OK && what == STORE_STATE && is_journal(fd) && (journal < 0 || number > newest)) {
			if (journal >= 0)
				close(journal);
			journal = fd;
			newest = number;
			continue;
		}
		if (r == SSH_OK)
			r = sort_in(held, what, number, fd);
		if (r != SSH_OK && fd >= 0) {
			log_ev(LOGL_WARN, "ev=store the service manager's \"%s\" is not what its name says", name);
			close(fd);
		}
	}
	return journal;
}

int store_is_of(int fd, const struct proc *p)
{
	struct stat a, b;

	if (activation_option(fd, SO_TYPE) < 0)
		return adopt_pid_of(fd) == p->pid;
	return p->link != NULL && fstat(fd, &a) == 0 && fstat(link_fd(p->link), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* ---- against the journal ----------------------------------------------------------------------------- */

static void refuse(struct held *held, uint64_t id, int slot)
{
	int fd = held_take(held, KEPT_PROC, id, slot);

	if (fd >= 0)
		close(fd);
}

/* Can that process be taken over, and does it live? */
static int agree_proc(struct held *held, const struct saved *s)
{
	int fd = held_look(held, KEPT_PROC, s->id, PROC_PIDFD);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	pid_t pid = fd >= 0 ? adopt_pid_of(fd) : 0;

	if (pid != s->u.PROC.pid && pid > 0)
		refuse(held, s->id, PROC_PIDFD);
	if (!(s->u.PROC.flags & PROC_LINKED))
		refuse(held, s->id, PROC_LINK);
	return pid == s->u.PROC.pid && s->u.PROC.role != ROLE_KEEP && poll(&p, 1, 0) == 0;
}

/* The manager passes sockets of its units to every start; our own it has by their address. */
static int socket_of(struct daemon *d, const struct saved_LISTENER *m)
{
	if (!m->activated)
		return activation_take_listening(&m->local);
	LIST_EACH(at, &d->listeners) {
		struct listener *l = LIST_OF(at, struct listener, link);

		if (resume_is_passed(l, m))
			return fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
	}
	return -1;
}

int store_agree(struct daemon *d, const struct resume *rs)
{
	struct saved s;
	int alive = 0, fd, r;

	RESUME_EACH(rec, rs, STATE_PROC, s)
		alive += agree_proc(d->held, &s);
	RESUME_EACH(rec, rs, STATE_LISTENER, s)
		if (alive > 0 && (fd = socket_of(d, &s.u.LISTENER)) >= 0)
			TRY(held_add(d->held, KEPT_LISTENER, rec->id, 0, fd));
	return alive;
}

void store_end_link(int fd)
{
	if (is_link(fd))
		shutdown(fd, SHUT_RDWR);
	close(fd);
}

void store_hang_up(struct held *held)
{
	const char *name;
	size_t at = 0;
	int fd;

	for (size_t i = 0; i < held->n; i++)
		if (held->v[i].kind == KEPT_PROC && held->v[i].fd[PROC_LINK] >= 0)
			shutdown(held->v[i].fd[PROC_LINK], SHUT_RDWR);
	while (activation_next(&at, &name, &fd)) {
		if (fd >= 0)
			store_end_link(fd);
	}
}
