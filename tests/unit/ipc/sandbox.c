#include "ipc/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/child.h"

/* Locks a process of its own; 0 when it still runs and can open nothing any more. */
static int locked(enum ipc_role role, void (*sandbox)(const struct child *))
{
	struct child c = { .role = role };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sandbox(&c);
		_exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 2);
	}
	cr_assert(pid > 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Once a limit on file sizes was set before the filter was written to its memfd, and nobody could start. */
Test(sandbox, the_locked_roles_can_be_locked)
{
	cr_assert_eq(locked(ROLE_ACC, sandbox_acceptor), 0);
	cr_assert_eq(locked(ROLE_KEY, sandbox_keysign), 0);
	cr_assert_eq(locked(ROLE_NUR, sandbox_nursery), 0);
}

static const struct linger linger = { 1, 60 };

static void kill_another(int fd)   { (void)fd; syscall(SYS_tgkill, getppid(), getppid(), SIGCONT); }
static void make_code(int fd)      { (void)fd; mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void linger_long(int fd)    { setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger); }
static void aim_signals(int fd)    { fcntl(fd, F_SETOWN, getppid()); }
static void other_ioctl(int fd)    { int n; ioctl(fd, FIONREAD, &n); }
static void new_socket(int fd)     { (void)fd; (void)socket(AF_UNIX, SOCK_STREAM, 0); }
static void make_a_process(int fd) { (void)fd; if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) _exit(0); }
static void keep_alive(int fd)     { int on = 1; setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); }
static void not_block(int fd)      { fcntl(fd, F_SETFL, O_NONBLOCK); }
static void signal_itself(int fd)  { (void)fd; raise(SIGCONT); }

/* Does a connection's worker get away with it? Refused is: an error, or (without a sanitizer) its end. */
static int worker_may(void (*try)(int fd))
{
	struct child c = { .role = ROLE_NUR };
	int status, fds[2];
	pid_t pid;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if ((pid = fork()) == 0) {
		sandbox_nursery(&c);
		if ((pid = fork()) == 0) {
			sandbox_connection(&c);
			errno = 0;
			try(fds[0]);
			_exit(errno == 0 ? 0 : 2);
		}
		_exit(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 3);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	close(fds[0]);
	close(fds[1]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(sandbox, a_connection_may_do_nothing_to_others)
{
	cr_expect_not(worker_may(kill_another));
	cr_expect_not(worker_may(make_code));
	cr_expect_not(worker_may(linger_long));
	cr_expect_not(worker_may(aim_signals));
	cr_expect_not(worker_may(other_ioctl));
	cr_expect_not(worker_may(new_socket));
	cr_expect_not(worker_may(make_a_process));
	cr_expect(worker_may(keep_alive));
	cr_expect(worker_may(not_block));
	cr_expect(worker_may(signal_itself));
}
