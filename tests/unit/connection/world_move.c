/* The conn moves to "another process", which is a new conn in the same place. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/values.h"
#include "world.h"

static void close_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* The conn and its supervisor only. */
static void run_link(struct world *w)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		if (!w->conn.over)
			event_base_loop(w->base, EVLOOP_NONBLOCK);
		while (world_hear(w))
			quiet = -1;
	}
}

static int world_memfd(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert(fd >= 0 && ftruncate(fd, WORLD_STATE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
	return fd;
}

int world_stop(struct world *w, int fds[3])
{
	int pair[2], give[2];
	uint8_t *p;

	fds[0] = world_memfd();
	cr_assert_eq(link_pair(pair), SSH_OK);
	fds[1] = pair[0];
	fds[2] = fcntl(w->conn.loop.in, F_DUPFD_CLOEXEC, 3);
	give[0] = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	give[1] = pair[1];
	w->move_status = -1;
	w->move_length = 0;
	world_tell(w, IPC_HANDOFF, &(struct ipc_HANDOFF){ .move = ++w->moves, .size = WORLD_STATE }, give, 2);
	close_all(give, 2);
	run_link(w);
	buf_truncate(&w->state, 0);
	if (w->move_status == HANDOFF_STILL) {
		p = mmap(NULL, w->move_length, PROT_READ, MAP_SHARED, fds[0], 0);
		cr_assert(p != MAP_FAILED && buf_append(&w->state, p, w->move_length) == SSH_OK);
		munmap(p, w->move_length);
	}
	return w->move_status;
}

int world_adopt(struct world *w, int fds[3])
{
	struct ipc_ADOPT m = { .move = w->moves, .conn = 7, .length = w->move_length, .peer = w->conn.peer, .local = w->conn.local };
	int pair[2];

	world_tell(w, IPC_LEAVE, &(struct ipc_LEAVE){ .move = w->moves }, NULL, 0);
	run_link(w);
	cr_assert(w->conn.over);
	conn_drop(&w->conn);
	close(w->sup);
	cr_assert_eq(link_pair(pair), SSH_OK);
	w->sup = pair[0];
	w->sup_when = W_NEW;
	w->adopt_status = -1;
	cr_assert_eq(conn_init(&w->conn, w->base, pair[1], 7, &w->policy, &w->keys), SSH_OK);
	world_tell(w, IPC_ADOPT, &m, fds, 3);
	close_all(fds, 3);
	run_link(w);
	w->sup_when = W_AUTHED;
	return w->adopt_status;
}

void world_serve(struct world *w)
{
	world_tell(w, IPC_SERVE, &(struct ipc_SERVE){ .move = w->moves }, NULL, 0);
	run_link(w);
}

int world_move(struct world *w)
{
	int fds[3], had_auth = w->auth >= 0;

	if (w->sup_when == W_NEW)
		return -1;
	if (world_stop(w, fds) != HANDOFF_STILL) {
		close_all(fds, 3);
		w->not_moved++;
		return w->move_status;
	}
	cr_assert_eq(world_adopt(w, fds), ADOPT_OK);
	w->moved++;
	world_new_key(w);
	if (had_auth)
		world_new_auth(w);
	world_serve(w);
	return HANDOFF_STILL;
}
