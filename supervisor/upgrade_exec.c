#include "supervisor/upgrade_exec.h"
#include "supervisor/health.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/held.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/proc.h"
#include "supervisor/resume_internal.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/upgrade.h"
#include "supervisor/worker.h"

/* Names of descriptors on their way into the journal. */
struct packing { struct journal *j; unsigned format; uint64_t n; int error; };

static void keep_open_over(int fd, int keep)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0)
		fcntl(fd, F_SETFD, keep ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC);
}

static void pack(struct packing *p, enum kept_kind kind, uint64_t id, const int *fd, int slots)
{
	struct saved s = { .kind = STATE_HELD, .id = p->n++, .u.HELD = { .kind = (uint8_t)kind, .id = id } };
	uint8_t numbers[HELD_SLOTS * 4];
	int r;

	for (int i = 0; i < HELD_SLOTS; i++) {
		int have = i < slots && fd[i] >= 0;

		put_u32(numbers + i * 4, have ? (uint32_t)fd[i] : UINT32_MAX);
		s.u.HELD.slots |= (uint8_t)(have ? 1u << i : 0);
		if (have)
			keep_open_over(fd[i], 1);
	}
	s.u.HELD.numbers = view_of(numbers, sizeof numbers);
	if ((r = state_put(p->j, p->format, &s)) < 0)
		p->error = r;
}

static void pack_daemon(struct packing *p, struct daemon *d, uint64_t client)
{
	int own[DAEMON_SLOTS] = { d->sink, keep_door(d), control_fd(d), d->self, d->start_pipe, d->metrics, health_fd(d) };
	int logs[] = { d->log_trusted.send, d->log_trusted.receive, d->log_untrusted.send, d->log_untrusted.receive };
	int asker = client != 0 ? control_client_fd(d, client) : -1;
	struct saved s = { .kind = STATE_CLIENT, .u.CLIENT = { .number = client } };

	pack(p, KEPT_DAEMON, 0, own, DAEMON_SLOTS);
	pack(p, KEPT_LOGS, 0, logs, 4);
	for (int i = 0; i < PROG_COUNT; i += HELD_SLOTS)
		pack(p, KEPT_PROGRAMS, (uint64_t)(i / HELD_SLOTS), d->program + i, PROG_COUNT - i < HELD_SLOTS ? PROG_COUNT - i : HELD_SLOTS);
	if (asker >= 0) {
		pack(p, KEPT_CLIENT, client, &asker, 1);
		state_put(p->j, p->format, &s);
	}
}

static void pack_all(struct packing *p, struct daemon *d, uint64_t client)
{
	struct session *s;
	size_t at = 0;

	pack_daemon(p, d, client);
	LIST_EACH(l, &d->listeners)
		pack(p, KEPT_LISTENER, LIST_OF(l, struct listener, link)->id, &LIST_OF(l, struct listener, link)->fd, 1);
	LIST_EACH(l, &d->procs) {
		struct proc *pr = LIST_OF(l, struct proc, all);
		int fd[2] = { pr->link != NULL ? link_fd(pr->link) : -1, pr->pidfd };

		pack(p, KEPT_PROC, pr->serial, fd, 2);
	}
	while ((s = table_next(&d->sessions, &at)) != NULL) {
		pack(p, KEPT_SESSION, s->conn, s->sock, 2);
		LIST_EACH(l, &s->works) {
			struct work *w = LIST_OF(l, struct work, link);

			if (w->kid != NULL)
				pack(p, KEPT_WORK, w->kid->node->id, w->ends, ENDS);
		}
	}
}

/* Each number of the records, with or without close-on-exec. */
static void mark_all(struct journal_image *im, int keep)
{
	const struct journal_record *rec = journal_first(im, STATE_HELD);
	struct saved s = { .kind = STATE_HELD };

	for (; rec != NULL && rec < im->v + im->n && rec->kind == STATE_HELD; rec++) {
		struct rd in;

		if (state_decode(&s, im->from.format, rec->value) < 0)
			continue;
		in = rd_view(s.u.HELD.numbers);
		for (int i = 0; i < HELD_SLOTS; i++) {
			int fd = (int)rd_u32(&in);

			if (s.u.HELD.slots & 1u << i)
				keep_open_over(fd, keep);
		}
	}
}

char **upgrade_argv(const struct daemon *d, const char *path, const char *first)
{
	size_t n = 0, at = 0;
	char **argv;

	while (d->argv[n] != NULL)
		n++;
	if ((argv = calloc(n + 4, sizeof *argv)) == NULL)
		return NULL;
	argv[at++] = (char *)(uintptr_t)path;
	argv[at++] = (char *)(uintptr_t)first;
	for (size_t i = 1; i < n; i++)
		if (strncmp(d->argv[i], "--resume=", 9) != 0 && strcmp(d->argv[i], "--back") != 0)
			argv[at++] = d->argv[i];
	return argv;
}

/* Signals wait for the handlers of the next program; default actions would end it. */
static void block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, old);
}

int upgrade_exec(struct daemon *d, const char *path, unsigned format, uint64_t client)
{
	struct journal_origin o;
	struct packing p = { .format = format };
	struct journal_image im = { 0 };
	char option[40], **argv;
	sigset_t old;
	int saved;

	state_origin(&o, format);
	o.number = d->journal != NULL ? journal_number(d->journal) : 0;
	store_flush(d);
	if (journal_new(&p.j, JOURNAL_HALF_MAX, &o) < 0)
		return SSH_E_SYS;
	p.error = state_write_all(d, p.j, format);
	pack_all(&p, d, client);
	snprintf(option, sizeof option, "--resume=%d", journal_fd(p.j));
	argv = upgrade_argv(d, path, option);
	if (p.error == SSH_OK && argv != NULL) {
		keep_open_over(journal_fd(p.j), 1);
		block_signals(&old);
		execve(path, argv, d->environment);
		saved = errno;
		sigprocmask(SIG_SETMASK, &old, NULL);
	} else {
		saved = ENOMEM;
	}
	free(argv);
	if (journal_read(&im, journal_fd(p.j)) == SSH_OK)
		mark_all(&im, 0);
	journal_image_drop(&im);
	journal_free(p.j);
	errno = saved;
	return SSH_E_SYS;
}

void upgrade_step_back(struct daemon *d)
{
	struct journal_image im;
	struct saved s = { .kind = STATE_HELD };
	const struct journal_record *rec;
	char option[40], **argv;
	int program = -1;

	if (d->opt.back || journal_read(&im, d->opt.resume_fd) < 0)
		return;
	mark_all(&im, 1);
	keep_open_over(d->opt.resume_fd, 1);
	for (rec = journal_first(&im, STATE_HELD); rec != NULL && rec < im.v + im.n && rec->kind == STATE_HELD; rec++)
		if (state_decode(&s, im.from.format, rec->value) == SSH_OK && s.u.HELD.kind == KEPT_DAEMON
		    && (s.u.HELD.slots & 1u << DAEMON_PROGRAM))
			program = (int)get_u32(s.u.HELD.numbers.p + DAEMON_PROGRAM * 4);
	snprintf(option, sizeof option, "--resume=%d", d->opt.resume_fd);
	if (program < 0 || (argv = upgrade_argv(d, d->argv[0], option)) == NULL)
		return;
	for (size_t n = 0;; n++)
		if (argv[n] == NULL) {	/* there is room for it: behind the first, which is an option, too */
			memmove(argv + 2, argv + 1, (n - 1) * sizeof *argv);
			argv[1] = (char *)(uintptr_t)"--back";
			break;
		}
	log_ev(LOGL_ERROR, "ev=upgrade version %s cannot take over; back to %s", program_version.name, im.from.build);
	block_signals(&(sigset_t){ 0 });
	syscall(SYS_execveat, program, "", argv, d->environment, 0x1000 /* AT_EMPTY_PATH */);
	log_ev(LOGL_ERROR, "ev=upgrade cannot go back: %s; the keeper waits for the next start", strerror(errno));
}

struct client *upgrade_client(struct daemon *d)
{
	struct saved s;

	if (d->resume == NULL || !d->resume->by_exec || d->control == NULL)
		return NULL;
	RESUME_EACH(rec, d->resume, STATE_CLIENT, s) {
		int fd = held_take(d->held, KEPT_CLIENT, s.u.CLIENT.number, 0);

		if (fd >= 0)
			return control_take_client(d, fd);
	}
	return NULL;
}
