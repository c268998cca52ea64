/* The played supervisor keeps books of its conn, which "dies" between two events; another one goes on. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/values.h"
#include "world.h"

void world_books(struct world *w)
{
	if (w->books >= 0)
		close(w->books);
	w->books = memfd_create("books", MFD_CLOEXEC);
	cr_assert(w->books >= 0 && ftruncate(w->books, sizeof(struct memory)) == 0);
	world_tell(w, IPC_MEMORY, &(struct ipc_MEMORY){ .size = sizeof(struct memory) }, &w->books, 1);
}

void world_hold(struct world *w, uint64_t worker, const int *fds, int n)
{
	struct world_ends *e = &w->held[w->nheld++];

	cr_assert_leq(w->nheld, WORLD_HELD);
	e->worker = worker;
	for (int i = 0; i < 4; i++)
		e->fds[i] = -1;
	for (int i = 0; i < n; i++)
		e->fds[n == 1 ? 3 : i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
}

void world_shut(struct world *w, uint64_t worker, unsigned ends)
{
	for (unsigned i = 0; i < w->nheld; i++)
		for (int k = 0; k < 4; k++)
			if (w->held[i].worker == worker && (ends & 1u << k) && w->held[i].fds[k] >= 0) {
				close(w->held[i].fds[k]);
				w->held[i].fds[k] = -1;
			}
}

void world_drop_books(struct world *w)
{
	for (unsigned i = 0; i < w->nheld; i++)
		world_shut(w, w->held[i].worker, ~0u);
	if (w->books >= 0)
		close(w->books);
	w->books = -1;
}

static void tell_ends(struct world *w)
{
	for (unsigned i = 0; i < w->nheld; i++) {
		struct ipc_REVIVE_ENDS m = { .worker = w->held[i].worker };
		int fds[4], n = 0;

		for (int k = 0; k < 4; k++)
			if (w->held[i].fds[k] >= 0) {
				m.ends |= (uint8_t)(1u << k);
				fds[n++] = w->held[i].fds[k];
			}
		if (n > 0)
			world_tell(w, IPC_REVIVE_ENDS, &m, fds, n);
	}
}

/* The dead one says nothing and closes no book; what the kernel counted is what it counted itself, between two calls. */
static void dies(struct world *w)
{
	munmap(w->conn.survive.m, sizeof(struct memory));
	w->conn.survive.m = NULL;
	conn_drop(&w->conn);
	close(w->sup);
}

static int are_open(int books)
{
	const struct memory *m = mmap(NULL, sizeof *m, PROT_READ, MAP_SHARED, books, 0);
	int open = m->valid == 1;

	munmap((void *)(uintptr_t)m, sizeof *m);
	return open;
}

int world_revive(struct world *w)
{
	struct ipc_REVIVE m = {
		.conn = 7, .size = sizeof(struct memory), .rchar = w->conn.survive.rchar, .wchar = w->conn.survive.wchar, .heard = w->told,
		.peer = w->conn.peer, .local = w->conn.local,
	};
	int pair[2], nowhere[2], fds[3] = { w->books, -1, -1 }, had_auth = w->auth >= 0;

	if (!are_open(w->books))
		return 0;
	cr_assert(link_pair(pair) == SSH_OK && pipe2(nowhere, O_CLOEXEC) == 0 && fcntl(nowhere[0], F_SETFL, O_APPEND) == 0);
	close(nowhere[1]);
	fds[1] = nowhere[0];
	fds[2] = fcntl(w->conn.loop.in, F_DUPFD_CLOEXEC, 3);
	dies(w);
	w->sup = pair[0];
	w->sup_when = W_NEW;
	w->told = 0;
	w->adopt_status = -1;
	cr_assert_eq(conn_init(&w->conn, w->base, pair[1], 7, &w->policy, &w->keys), SSH_OK);
	world_tell(w, IPC_REVIVE, &m, fds, 3);
	close(fds[1]);
	close(fds[2]);
	world_books(w);
	tell_ends(w);
	world_tell(w, IPC_REVIVE_GO, &(struct ipc_REVIVE_GO){ 0 }, NULL, 0);
	w->sup_when = W_AUTHED;		/* ADOPTED is legal there, too */
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	w->revived++;
	world_new_key(w);
	if (had_auth)
		world_new_auth(w);
	return 1;
}

/* What the dead one had said is heard first, as the supervisor drains its link. */
static void hear_and_revive(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		while (world_hear(w))
			;
		if (i == 0)
			world_revive(w);
	}
}

void world_dies_sometimes(struct world *w)
{
	if (w->sup_when != W_AUTHED || w->conn.over)
		return;
	if (w->books < 0)
		world_books(w);
	else if (++w->steps % w->dies == 0)
		hear_and_revive(w);
}
