#include "supervisor/ends.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/values.h"

_Static_assert(1u << AT_STDIN == END_STDIN && 1u << AT_STDOUT == END_STDOUT && 1u << AT_STDERR == END_STDERR &&
    1u << AT_MASTER == END_PTY, "CHAN_SHUT.ends indexes work.ends");

#define PIPE_BYTES (256 * 1024)	/* one block of the connection's relay; the default of 64 KiB costs wake-ups */

void ends_close_theirs(struct work *w)
{
	for (int i = 0; i < w->ntheirs; i++)
		close(w->theirs[i]);
	w->ntheirs = 0;
}

void ends_close(struct work *w, unsigned bits)
{
	for (int i = 0; i < ENDS; i++)
		if ((bits & 1u << i) && w->ends[i] >= 0) {
			close(w->ends[i]);
			w->ends[i] = -1;
		}
}

static int make_pipes(struct work *w, const struct grant *g, int privileged)
{
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			return SSH_E_SYS;
		fcntl(p[0], F_SETPIPE_SZ, PIPE_BYTES);	/* best effort: an unprivileged user has a limit */
		/* who opens /dev/stdin opens the pipe anew, and must own it */
		if (privileged && fchown(p[0], g->uid, g->gid) < 0) {
			close(p[0]);
			close(p[1]);
			return SSH_E_SYS;
		}
		w->ends[i] = i == AT_STDIN ? p[1] : p[0];
		w->theirs[w->ntheirs++] = i == AT_STDIN ? p[0] : p[1];
	}
	return SSH_OK;
}

/* Looked up once: a name service that hangs must not hang the supervisor at every terminal. -1: there is no such group. */
static gid_t tty_group(void)
{
	static gid_t gid;
	static int known;

	if (!known) {
		const struct group *g = getgrnam("tty");

		gid = g != NULL ? g->gr_gid : (gid_t)-1;
		known = 1;
	}
	return gid;
}

static int make_pty(struct work *w, const struct ipc_SPAWN *m, const struct grant *g, int privileged, char tty[TTY_MAX])
{
	struct winsize ws = {
		.ws_row = (unsigned short)m->rows, .ws_col = (unsigned short)m->cols,
		.ws_xpixel = (unsigned short)m->xpixel, .ws_ypixel = (unsigned short)m->ypixel,
	};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	gid_t tty_gid;

	if (master < 0)
		return SSH_E_SYS;
	w->ends[AT_MASTER] = master;
	if (unlockpt(master) < 0 || ptsname_r(master, tty, TTY_MAX) != 0)
		return SSH_E_SYS;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return SSH_E_SYS;
	w->theirs[w->ntheirs++] = slave;
	ioctl(master, TIOCSWINSZ, &ws);
	/* mesg(1) and write(1) need group tty; without it nobody else gets at the terminal */
	tty_gid = tty_group();
	if (privileged && (fchown(slave, g->uid, tty_gid != (gid_t)-1 ? tty_gid : g->gid) < 0 ||
	    fchmod(slave, tty_gid != (gid_t)-1 ? 0620 : 0600) < 0))
		return SSH_E_SYS;
	return SSH_OK;
}

int ends_make(struct work *w, const struct ipc_SPAWN *m, const struct grant *g, int privileged, char tty[TTY_MAX])
{
	int r;

	for (int i = 0; i < ENDS; i++)
		w->ends[i] = -1;
	w->ntheirs = 0;
	tty[0] = '\0';
	r = m->pty ? make_pty(w, m, g, privileged, tty) : make_pipes(w, g, privileged);
	if (r < 0) {
		ends_close(w, ~0u);
		ends_close_theirs(w);
	}
	return r;
}

int ends_complete(const int ends[ENDS])
{
	return ends[AT_MASTER] >= 0 || (ends[AT_STDIN] >= 0 && ends[AT_STDOUT] >= 0 && ends[AT_STDERR] >= 0);
}

int ends_duplicate(const struct work *w, int fds[3])
{
	int n = 0;

	for (int i = 0; i < ENDS; i++) {
		if (w->ends[i] < 0)
			continue;
		if (n == 3 || (fds[n] = fcntl(w->ends[i], F_DUPFD_CLOEXEC, 3)) < 0) {
			while (n-- > 0)
				close(fds[n]);
			return -1;
		}
		n++;
	}
	return n;
}
