/* A new configuration in two halves: held after the first, in force or forgotten after the second. */
#include "ipc/child.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

static struct { int prepared, committed, forgotten; } calls;
static struct child self;
static uint8_t storage[IPC_MESSAGE_MAX];
static int sup;		/* the supervisor's end, by hand */

static int prepare(struct child *c, const char *slice, size_t len, char *why, size_t size)
{
	(void)c;
	calls.prepared++;
	cr_assert_eq(strlen(slice), len);
	if (strcmp(slice, "bad") != 0)
		return SSH_OK;
	snprintf(why, size, "line 1: bad");
	return SSH_E_CONFIG;
}

static void commit(struct child *c)
{
	(void)c;
	calls.committed++;
}

static void forget(struct child *c)
{
	(void)c;
	calls.forgotten++;
}

static void config(uint64_t generation, const char *text)
{
	struct ipc_CONFIG m = { .generation = generation, .length = (uint32_t)strlen(text) };
	int fd = memfd_create("slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_NEW, IPC_CONFIG, &m, &fd, 1), SSH_OK);
	close(fd);
}

static void word(uint64_t generation, int yes)
{
	struct ipc_CONFIG_COMMIT m = { .generation = generation, .commit = (uint8_t)yes };

	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_CONFIG_COMMIT, &m, NULL, 0), SSH_OK);
}

/* Its answer to a CONFIG: 1 or 0. */
static int answer(uint64_t generation)
{
	struct ipc_msg m;

	event_base_loop(self.base, EVLOOP_NONBLOCK);
	cr_assert_eq(link_wait(sup, ROLE_SUP, ROLE_ACC, W_UP, 5000, &m, storage), SSH_OK);
	cr_assert_eq(m.type, IPC_CONFIG_OK);
	cr_assert_eq(m.u.CONFIG_OK.generation, generation);
	if (!m.u.CONFIG_OK.accepted)
		cr_assert_gt(m.u.CONFIG_OK.why.len, 0);
	return m.u.CONFIG_OK.accepted;
}

static void turn(void)
{
	event_base_loop(self.base, EVLOOP_NONBLOCK);
}

static void expect(int prepared, int committed, int forgotten, const char *in_force, uint64_t generation)
{
	cr_assert_eq(calls.prepared, prepared);
	cr_assert_eq(calls.committed, committed, "committed %d", calls.committed);
	cr_assert_eq(calls.forgotten, forgotten, "forgotten %d", calls.forgotten);
	cr_assert_str_eq(self.conf, in_force);
	cr_assert_eq(self.generation, generation);
}

/* What the supervisor says first. Not on the usual descriptors: those are Criterion's own. */
static void start(void)
{
	struct ipc_WELCOME w = { .proto = IPC_PROTO, .node = 7 };
	int pair[2], log[2];
	struct ipc_msg m;

	cr_assert_eq(link_pair(pair), SSH_OK);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, log), 0);
	sup = pair[0];
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_NEW, IPC_WELCOME, &w, NULL, 0), SSH_OK);
	config(1, "one");
	self.prepare = prepare;
	self.commit = commit;
	self.forget = forget;
	child_begin_on(&self, ROLE_ACC, (struct child_fds){ pair[1], log[1], -1 });
	child_ready(&self);
	cr_assert_eq(link_wait(sup, ROLE_SUP, ROLE_ACC, W_NEW, 5000, &m, storage), SSH_OK);
	cr_assert_eq(m.type, IPC_HELLO);
	cr_assert_eq(link_wait(sup, ROLE_SUP, ROLE_ACC, W_NEW, 5000, &m, storage), SSH_OK);
	cr_assert_eq(m.type, IPC_READY);
	expect(0, 0, 0, "one", 1);
}

Test(child, holds_it_until_the_word_comes, .init = start)
{
	config(2, "two");
	cr_assert_eq(answer(2), 1);
	expect(1, 0, 0, "one", 1);
	word(2, 1);
	turn();
	expect(1, 1, 0, "two", 2);
	cr_assert_null(self.next);
}

Test(child, forgets_it_when_somebody_else_refused, .init = start)
{
	config(2, "two");
	cr_assert_eq(answer(2), 1);
	word(2, 0);
	turn();
	expect(1, 0, 1, "one", 1);
	cr_assert_null(self.next);
	config(3, "three");
	cr_assert_eq(answer(3), 1);
	word(3, 1);
	turn();
	expect(2, 1, 1, "three", 3);
}

Test(child, keeps_nothing_of_what_it_refuses, .init = start)
{
	config(2, "bad");
	cr_assert_eq(answer(2), 0);
	expect(1, 0, 0, "one", 1);
	cr_assert_null(self.next);
	word(2, 0);
	turn();
	expect(1, 0, 0, "one", 1);
}

Test(child, the_next_one_overtakes, .init = start)
{
	config(2, "two");
	cr_assert_eq(answer(2), 1);
	config(3, "three");
	cr_assert_eq(answer(3), 1);
	expect(2, 0, 1, "one", 1);
	word(2, 0);		/* late: says nothing about 3 */
	turn();
	expect(2, 0, 1, "one", 1);
	word(3, 1);
	turn();
	expect(2, 1, 1, "three", 3);
}

Test(child, a_word_about_nothing_breaks_the_rules, .init = start)
{
	config(2, "two");
	cr_assert_eq(answer(2), 1);
	word(9, 1);
	cr_assert_eq(child_run(&self), 1);
	expect(1, 0, 0, "one", 1);
}
