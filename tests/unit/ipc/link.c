#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "ipc/link.h"

struct seen { unsigned messages, gone; int error; uint32_t last; int fd; struct link *free_me; };

static int on_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct seen *s = ctx;

	(void)l;
	s->messages++;
	if (m->type == IPC_PONG)
		s->last = m->u.PONG.seq;
	if (m->type == IPC_CONN_NEW)
		s->fd = ipc_take_fd(m, 0);
	if (s->free_me != NULL)
		link_free(s->free_me);
	s->free_me = NULL;
	return SSH_OK;
}

static void on_gone(struct link *l, int error, void *ctx)
{
	struct seen *s = ctx;

	(void)l;
	s->gone++;
	s->error = error;
}

static const struct link_ops ops = { on_message, on_gone };

struct ends { struct event_base *base; struct link *sup, *acc; struct seen at_sup, at_acc; int fd[2]; };

static void join(struct ends *e)
{
	memset(e, 0, sizeof *e);
	e->base = event_base_new();
	cr_assert_eq(link_pair(e->fd), SSH_OK);
	cr_assert_eq(link_new(&e->sup, e->base, e->fd[0], ROLE_SUP, ROLE_ACC, &ops, &e->at_sup), SSH_OK);
	cr_assert_eq(link_new(&e->acc, e->base, e->fd[1], ROLE_ACC, ROLE_SUP, &ops, &e->at_acc), SSH_OK);
	link_enter(e->sup, W_UP);
	link_enter(e->acc, W_UP);
}

static void spin(struct ends *e)
{
	for (int i = 0; i < 200; i++)
		event_base_loop(e->base, EVLOOP_NONBLOCK);
}

static void leave(struct ends *e)
{
	link_free(e->sup);
	link_free(e->acc);
	event_base_free(e->base);
}

Test(link, messages_keep_their_order_when_the_reader_is_slow)
{
	struct ends e;

	join(&e);
	for (uint32_t i = 1; i <= 400; i++)
		if (link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i }) != SSH_OK)
			cr_assert_fail("message %u", i);
	cr_assert_gt(link_queued(e.acc), 0);
	spin(&e);
	cr_assert_eq(e.at_sup.messages, 400);
	cr_assert_eq(e.at_sup.last, 400);
	cr_assert_eq(link_queued(e.acc), 0);
	leave(&e);
}

/* What is said to a far end that is being replaced reaches the new one, in order, with its descriptors, behind what that one was told. */
Test(link, what_was_held_goes_to_another)
{
	struct ends old, new;
	int p[2];

	join(&old);
	join(&new);
	cr_assert_eq(pipe(p), 0);
	old.at_sup.fd = new.at_sup.fd = -1;
	link_hold(old.acc, 1);
	cr_assert_eq(link_send_fds(old.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ .slot = 1 }, &p[0], 1), SSH_OK);
	cr_assert_eq(link_send(old.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 8 }), SSH_OK);
	cr_assert_eq(link_send(old.acc, IPC_PING, &(struct ipc_PING){ .seq = 8 }), SSH_E_RULE, "checked all the same");
	spin(&old);
	cr_assert_eq(old.at_sup.messages, 0);
	cr_assert_eq(link_queued(old.acc), 0);
	link_hold(old.acc, 0);
	cr_assert_eq(link_send(old.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 3 }), SSH_OK);
	cr_assert_eq(link_send(new.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 4 }), SSH_OK);
	link_give(new.acc, old.acc);
	spin(&old);
	spin(&new);
	cr_assert(old.at_sup.messages == 1 && old.at_sup.last == 3 && old.at_sup.fd == -1);
	cr_assert(new.at_sup.messages == 3 && new.at_sup.last == 8 && new.at_sup.fd >= 0);
	close(new.at_sup.fd);
	close(p[1]);
	leave(&old);
	leave(&new);
}

Test(link, what_was_held_may_go_out_after_all)
{
	struct ends e;
	int p[2];

	join(&e);
	cr_assert_eq(pipe(p), 0);
	link_hold(e.acc, 1);
	for (uint32_t i = 1; i <= 100; i++)
		cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i }), SSH_OK);
	link_hold(e.acc, 0);
	link_give(e.acc, e.acc);
	spin(&e);
	cr_assert(e.at_sup.messages == 100 && e.at_sup.last == 100);
	link_hold(e.acc, 1);	/* never given: freed with the link, the descriptor too */
	cr_assert_eq(link_send_fds(e.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ .slot = 1 }, &p[0], 1), SSH_OK);
	leave(&e);
	cr_assert_eq(fcntl(p[0], F_GETFD), -1);
	close(p[1]);
}

Test(link, the_queue_has_an_end)
{
	struct ends e;
	int r = SSH_OK;

	join(&e);
	for (uint32_t i = 0; i < 100000 && r == SSH_OK; i++)
		r = link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i });
	cr_assert_eq(r, SSH_E_FULL);
	cr_assert_eq(link_queued(e.acc), IPC_QUEUE_MESSAGES);
	cr_assert_eq(e.at_acc.gone, 0, "not in the middle of a send");
	spin(&e);
	cr_assert_eq(e.at_acc.gone, 1, "what was lost cannot be asked for again on this link");
	cr_assert_eq(e.at_acc.error, SSH_E_FULL);
	leave(&e);
}

static void *nothing(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return n > 0 ? NULL : mem_heap.fn(NULL, p, n);
}

/* An answer does not depend on memory while the far end reads. */
Test(link, says_what_it_has_to_say_without_memory)
{
	const struct mem none = { nothing, NULL };
	struct ends e;

	join(&e);
	reserve_open(NULL, 0, &none);
	for (uint32_t i = 1; i <= 40; i++) {
		cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i }), SSH_OK);
		spin(&e);
	}
	cr_assert(e.at_sup.messages == 40 && e.at_acc.gone == 0);
	reserve_open(NULL, 0, NULL);
	leave(&e);
}

/* Between two helpers a full queue is the caller's to mind: keysign tells auth again. */
Test(link, between_helpers_a_full_queue_ends_nothing)
{
	struct ends e = { .base = event_base_new() };
	static const uint8_t id[32];
	struct ipc_SESSION_ID m = { .conn = 1, .hash = view_of(id, sizeof id) };
	int r = SSH_OK;

	cr_assert_eq(link_pair(e.fd), SSH_OK);
	cr_assert_eq(link_new(&e.sup, e.base, e.fd[0], ROLE_KEY, ROLE_AUTH, &ops, &e.at_sup), SSH_OK);
	cr_assert_eq(link_new(&e.acc, e.base, e.fd[1], ROLE_AUTH, ROLE_KEY, &ops, &e.at_acc), SSH_OK);
	link_enter(e.sup, W_UP);
	link_enter(e.acc, W_UP);
	for (uint32_t i = 0; i < 100000 && r == SSH_OK; i++)
		r = link_send(e.sup, IPC_SESSION_ID, &m);
	cr_assert_eq(r, SSH_E_FULL);
	spin(&e);
	cr_assert(e.at_sup.gone == 0 && e.at_acc.gone == 0);
	cr_assert_eq(link_send(e.sup, IPC_SESSION_ID, &m), SSH_OK);
	leave(&e);
}

/* What cannot be kept is not lost in silence: both ends see the end of the link. */
Test(link, ends_when_a_message_is_lost)
{
	const struct mem none = { nothing, NULL };
	struct ends e;
	int r = SSH_OK, p[2];

	join(&e);
	cr_assert_eq(pipe(p), 0);
	reserve_open(NULL, 0, &none);
	for (uint32_t i = 0; i < 100000 && r == SSH_OK; i++)
		r = link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i });
	cr_assert_eq(r, SSH_E_NOMEM);
	cr_assert_eq(link_lend_fds(e.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ .slot = 1 }, &p[0], 1), SSH_E_NOMEM);
	cr_assert_neq(fcntl(p[0], F_GETFD), -1, "lent");
	cr_assert_eq(link_send_fds(e.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ .slot = 1 }, &p[0], 1), SSH_E_NOMEM);
	cr_assert_eq(fcntl(p[0], F_GETFD), -1, "given");
	cr_assert_eq(e.at_acc.gone, 0);
	spin(&e);
	cr_assert(e.at_acc.gone == 1 && e.at_acc.error == SSH_E_NOMEM);
	reserve_open(NULL, 0, NULL);
	close(p[1]);
	leave(&e);
}

Test(link, a_descriptor_moves)
{
	struct ends e;
	int p[2], given;
	char c;

	join(&e);
	cr_assert_eq(pipe(p), 0);
	given = p[1];
	cr_assert_eq(link_send_fds(e.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ .slot = 3 }, &given, 1), SSH_OK);
	cr_assert_eq(fcntl(p[1], F_GETFD), -1, "given away");
	spin(&e);
	cr_assert_geq(e.at_sup.fd, 0);
	cr_assert_eq(write(e.at_sup.fd, "x", 1), 1);
	cr_assert_eq(read(p[0], &c, 1), 1);
	close(p[0]);
	close(e.at_sup.fd);
	leave(&e);
}

Test(link, what_the_table_forbids_is_not_sent)
{
	struct ends e;
	int fd = dup(0);

	join(&e);
	cr_assert_eq(link_send(e.acc, IPC_SPAWN, &(struct ipc_SPAWN){ 0 }), SSH_E_RULE);
	cr_assert_eq(link_send(e.acc, IPC_CONN_NEW, &(struct ipc_CONN_NEW){ 0 }), SSH_E_RULE, "no descriptor");
	cr_assert_eq(link_send_fds(e.acc, IPC_PONG, &(struct ipc_PONG){ 0 }, &fd, 1), SSH_E_RULE);
	cr_assert_eq(fcntl(fd, F_GETFD), -1, "closed also on failure");
	leave(&e);
}

Test(link, a_forged_message_ends_the_link)
{
	static const uint8_t forged[][12] = {
		{ IPC_AUTH_GRANTED }, { IPC_SPAWN }, { 0 }, { 0xff }, { IPC_PONG, 1 }, { IPC_PONG, 0, 0, 0, 1, 2 },
	};

	for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
		struct ends e;

		join(&e);
		cr_assert_gt(send(e.fd[1], forged[i], i == 4 ? 2 : i == 5 ? 6 : 12, 0), 0);
		spin(&e);
		cr_assert_eq(e.at_sup.messages, 0);
		cr_assert_eq(e.at_sup.gone, 1);
		cr_assert_lt(e.at_sup.error, 0);
		leave(&e);
	}
}

Test(link, what_was_queued_arrives_before_the_end)
{
	struct ends e;

	join(&e);
	cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 9 }), SSH_OK);
	link_free(e.acc);
	e.acc = NULL;
	spin(&e);
	cr_assert_eq(e.at_sup.messages, 1);
	cr_assert_eq(e.at_sup.gone, 1);
	cr_assert_eq(e.at_sup.error, 0);
	leave(&e);
}

Test(link, a_finished_link_still_hears)
{
	struct ends e;

	join(&e);
	link_finish(e.sup);
	cr_assert_eq(link_send(e.sup, IPC_PING, &(struct ipc_PING){ .seq = 1 }), SSH_E_GONE);
	cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 9 }), SSH_OK);
	spin(&e);
	cr_assert_eq(e.at_acc.gone, 1, "the far end sees the end");
	cr_assert_eq(e.at_sup.last, 9);
	cr_assert_eq(e.at_sup.gone, 0);
	leave(&e);
}

Test(link, what_the_dead_said_is_drained)
{
	struct ends e;

	join(&e);
	cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 1 }), SSH_OK);
	cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 2 }), SSH_OK);
	link_free(e.acc);
	e.acc = NULL;
	link_drain(e.sup);
	cr_assert_eq(e.at_sup.messages, 2);
	cr_assert_eq(e.at_sup.gone, 0);
	leave(&e);
}

/* Whoever dies with something unread leaves an error in our socket, before what it had said. */
Test(link, what_the_dead_said_is_drained_though_it_had_not_read_all)
{
	struct ends e;

	join(&e);
	link_careful(e.sup);
	cr_assert_eq(link_send(e.sup, IPC_PING, &(struct ipc_PING){ .seq = 1 }), SSH_OK);
	for (uint32_t i = 1; i <= 3; i++)
		cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = i }), SSH_OK);
	link_free(e.acc);
	e.acc = NULL;
	cr_assert_eq(link_drain(e.sup), SSH_OK);
	cr_assert_eq(e.at_sup.messages, 3);
	cr_assert_eq(e.at_sup.last, 3);
	leave(&e);
}

/* The far end dies while its message is being handled: it must not be handled twice. */
Test(link, careful_and_heard_once)
{
	struct ends e;

	join(&e);
	link_careful(e.sup);
	cr_assert_eq(link_send(e.sup, IPC_PING, &(struct ipc_PING){ .seq = 1 }), SSH_OK);
	cr_assert_eq(link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 1 }), SSH_OK);
	e.at_sup.free_me = e.acc;
	cr_assert_eq(link_drain(e.sup), SSH_OK);
	e.acc = NULL;
	cr_assert_eq(e.at_sup.messages, 1);
	leave(&e);
}

Test(link, a_drained_message_that_breaks_the_rules_is_told)
{
	struct ends e;

	join(&e);
	cr_assert_eq(link_say(e.fd[1], ROLE_ACC, ROLE_SUP, W_UP, IPC_PONG, &(struct ipc_PONG){ .seq = 1 }, NULL, 0), SSH_OK);
	cr_assert_eq(write(e.fd[1], "\xff", 1), 1);
	link_free(e.acc);
	e.acc = NULL;
	cr_assert_lt(link_drain(e.sup), 0);
	cr_assert_eq(e.at_sup.messages, 1);
	leave(&e);
}

Test(link, freed_inside_its_own_handler)
{
	struct ends e;

	join(&e);
	e.at_sup.free_me = e.sup;
	link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 1 });
	link_send(e.acc, IPC_PONG, &(struct ipc_PONG){ .seq = 2 });
	spin(&e);
	e.sup = NULL;
	cr_assert_eq(e.at_sup.messages, 1);
	leave(&e);
}

Test(link, waiting_calls)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg m;
	int fd[2];

	cr_assert_eq(link_pair(fd), SSH_OK);
	cr_assert_eq(link_wait(fd[0], ROLE_SUP, ROLE_ACC, W_UP, 20, &m, storage), SSH_E_TIMEOUT);
	cr_assert_eq(link_say(fd[1], ROLE_ACC, ROLE_SUP, W_UP, IPC_PONG, &(struct ipc_PONG){ .seq = 5 }, NULL, 0), SSH_OK);
	cr_assert_eq(link_wait(fd[0], ROLE_SUP, ROLE_ACC, W_UP, 1000, &m, storage), SSH_OK);
	cr_assert_eq(m.u.PONG.seq, 5);
	cr_assert_eq(link_say(fd[1], ROLE_ACC, ROLE_SUP, W_NEW, IPC_PONG, &(struct ipc_PONG){ 0 }, NULL, 0), SSH_E_RULE);
	close(fd[1]);
	cr_assert_eq(link_wait(fd[0], ROLE_SUP, ROLE_ACC, W_UP, 1000, &m, storage), SSH_E_GONE);
	close(fd[0]);
}
