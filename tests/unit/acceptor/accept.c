/* The accept loop against real sockets, with the test as the supervisor at the far end of the link. */
#include "acceptor/accept.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/child.h"
#include "ipc/values.h"

static struct child self;
static struct acceptor acceptor;
static int sup, listening;
static struct sockaddr_in where;
static uint8_t storage[IPC_MESSAGE_MAX];

static int on_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	return accept_message(ctx, m);
}

static void on_gone(struct link *l, int error, void *ctx)
{
	cr_assert_fail("link ended: %s", err_text(error));
}

static void turn(void)
{
	event_base_loop(self.base, EVLOOP_NONBLOCK);
}

static void begin(unsigned first, unsigned rate, unsigned full)
{
	static const struct link_ops ops = { on_message, on_gone };
	struct conf_startups max = { first, rate, full };
	socklen_t len = sizeof where;
	int pair[2];

	cr_assert_eq(link_pair(pair), SSH_OK);
	sup = pair[0];
	self.role = ROLE_ACC;
	self.ctx = &acceptor;
	self.base = event_base_new();
	cr_assert_eq(link_new(&self.sup, self.base, pair[1], ROLE_ACC, ROLE_SUP, &ops, &self), SSH_OK);
	link_enter(self.sup, W_UP);
	cr_assert_eq(accept_init(&acceptor, &self, &max), SSH_OK);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	where = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cr_assert_eq(bind(listening, (struct sockaddr *)&where, sizeof where), 0);
	cr_assert_eq(listen(listening, 1024), 0);
	cr_assert_eq(getsockname(listening, (struct sockaddr *)&where, &len), 0);
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_LISTEN, &(struct ipc_LISTEN){ .listener = 1 }, &listening, 1),
	    SSH_OK);
	turn();
}

static int client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert(fd >= 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
	return fd;
}

/* The next CONN_NEW; 0 when there is none after some turns of the loop. */
static int new_connection(struct ipc_msg *m)
{
	for (int i = 0; i < 200; i++) {
		turn();
		if (link_wait(sup, ROLE_SUP, ROLE_ACC, W_UP, 5, m, storage) == SSH_OK) {
			cr_assert_eq(m->type, IPC_CONN_NEW);
			return 1;
		}
	}
	return 0;
}

/* What the client reads until the end. */
static const char *farewell(int fd)
{
	static char text[64];
	size_t n = 0;
	ssize_t r = 1;

	for (int i = 0; i < 200 && r > 0; i++) {
		struct pollfd p = { fd, POLLIN, 0 };

		turn();
		if (poll(&p, 1, 5) == 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
			n += (size_t)r;
	}
	cr_assert(r <= 0, "the client was not hung up on");
	text[n] = '\0';
	return text;
}

Test(accept, a_client_is_passed_on)
{
	struct sockaddr_in mine;
	socklen_t len = sizeof mine;
	struct ipc_msg m;
	char text[ADDR_TEXT_MAX];
	int fd, one = 0;

	begin(10, 30, 100);
	fd = client();
	cr_assert(new_connection(&m));
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&mine, &len), 0);
	cr_assert_str_eq(addr_ip_text(&m.u.CONN_NEW.peer, text), "127.0.0.1");
	cr_assert_eq(m.u.CONN_NEW.peer.port, ntohs(mine.sin_port));
	cr_assert_eq(m.u.CONN_NEW.local.port, ntohs(where.sin_port));
	cr_assert_eq(m.nfds, 1);
	len = sizeof one;
	cr_assert_eq(getsockopt(m.fds[0], IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
	cr_assert(one);
	cr_assert_eq(getsockopt(m.fds[0], SOL_SOCKET, SO_KEEPALIVE, &one, &len), 0);
	cr_assert(one);
	cr_assert_eq(write(m.fds[0], "hi", 2), 2);
	ipc_close_fds(&m);	/* the last copy: the acceptor kept none */
	cr_assert_str_eq(farewell(fd), "hi");
}

Test(accept, past_the_limit_is_told_so_until_a_slot_is_free)
{
	struct ipc_msg m;
	uint32_t slot;
	int fd;

	begin(1, 100, 1);
	client();
	cr_assert(new_connection(&m));
	slot = m.u.CONN_NEW.slot;
	ipc_close_fds(&m);
	fd = client();
	cr_assert_str_eq(farewell(fd), "Not allowed at this time\r\n");
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_CONN_FATE,
	    &(struct ipc_CONN_FATE){ .slot = slot + 1, .fate = 1 }, NULL, 0), SSH_OK);	/* nobody's slot frees none */
	turn();
	fd = client();
	cr_assert_str_eq(farewell(fd), "Not allowed at this time\r\n");
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_CONN_FATE,
	    &(struct ipc_CONN_FATE){ .slot = slot, .fate = 1 }, NULL, 0), SSH_OK);
	turn();
	client();
	cr_assert(new_connection(&m));
	ipc_close_fds(&m);
	cr_assert_eq(acceptor.limits.dropped, 2);
}

Test(accept, a_supervisor_that_does_not_read_stops_the_accepting)
{
	enum { CLIENTS = 400 };
	struct rlimit many = { 4096, 4096 };
	struct ipc_msg m;
	unsigned most = 0;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &many), 0);
	begin(1000, 30, 1000);
	for (int i = 0; i < CLIENTS; i++) {
		client();
		turn();
		most = link_queued(self.sup) > most ? link_queued(self.sup) : most;
	}
	cr_assert(most <= 1, "%u messages wait in the acceptor", most);
	cr_assert(limits_held(&acceptor.limits) < CLIENTS, "nothing filled: the test proves nothing");
	for (int i = 0; i < CLIENTS; i++) {	/* and nobody is lost */
		cr_assert(new_connection(&m), "client %d", i);
		ipc_close_fds(&m);
	}
}

Test(accept, out_of_descriptors)
{
	struct rlimit before, none;
	struct ipc_msg m;
	int first, second;

	begin(10, 30, 100);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	first = client();
	second = client();
	none = before;
	none.rlim_cur = (rlim_t)second + 1;
	for (int fd = 0; fd <= second; fd++)	/* fill the holes below */
		if (fcntl(fd, F_GETFD) < 0)
			cr_assert_eq(dup2(0, fd), fd);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_str_eq(farewell(first), "");	/* taken with the reserve and hung up on */
	cr_assert(acceptor.reserve >= 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert(new_connection(&m));	/* after the rest it goes on */
	cr_assert_eq(m.nfds, 1);
	ipc_close_fds(&m);
	cr_assert_str_eq(farewell(second), "");
}

Test(accept, told_to_stop_it_takes_who_waits_and_closes)
{
	struct ipc_msg m;
	int waiting[3], types[4] = { 0 }, fd;

	begin(10, 30, 100);
	close(listening);	/* the supervisor's copy; in life it goes after the answer */
	for (int i = 0; i < 3; i++)
		waiting[i] = client();
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_ACCEPT_STOP, &(struct ipc_ACCEPT_STOP){ .listener = 1 }, NULL, 0), SSH_OK);
	for (int i = 0, n = 0; i < 200 && n < 4; i++) {
		turn();
		if (link_wait(sup, ROLE_SUP, ROLE_ACC, W_UP, 5, &m, storage) == SSH_OK) {
			types[n++] = (int)m.type;
			ipc_close_fds(&m);
		}
	}
	for (int i = 0; i < 3; i++)
		cr_assert_eq(types[i], IPC_CONN_NEW);
	cr_assert_eq(types[3], IPC_ACCEPT_STOPPED, "the answer comes behind all it took");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&where, sizeof where), -1, "the socket is still open");
	close(fd);
	for (int i = 0; i < 3; i++)
		close(waiting[i]);
}

Test(accept, health_is_one_word)
{
	struct ipc_HEALTH_LISTEN m = { .word = HEALTH_READY };
	int other;

	begin(10, 30, 100);
	close(listening);
	other = socket(AF_INET, SOCK_STREAM, 0);
	where.sin_port = 0;
	cr_assert_eq(bind(other, (struct sockaddr *)&where, sizeof where), 0);
	cr_assert_eq(listen(other, 16), 0);
	cr_assert_eq(getsockname(other, (struct sockaddr *)&where, &(socklen_t){ sizeof where }), 0);
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_HEALTH_LISTEN, &m, &other, 1), SSH_OK);
	turn();
	cr_assert_str_eq(farewell(client()), "ready\n");
	cr_assert_eq(link_say(sup, ROLE_SUP, ROLE_ACC, W_UP, IPC_READINESS, &(struct ipc_READINESS){ .word = HEALTH_DRAIN }, NULL, 0), SSH_OK);
	turn();
	cr_assert_str_eq(farewell(client()), "drain\n");
	cr_assert_eq(link_wait(sup, ROLE_SUP, ROLE_ACC, W_UP, 5, &(struct ipc_msg){ 0 }, storage), SSH_E_TIMEOUT, "nobody was passed on");
}
