#include "ipc/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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
static void make_a_process(int fd) { (void)fd; if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) _exit(0); }
static void look_at_seals(int fd)  { if (fcntl(fd, F_GET_SEALS) < 0 && errno == EINVAL) errno = 0; }	/* no memfd, but it may ask */
static void keep_alive(int fd)     { int on = 1; setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); }
static void not_block(int fd)      { fcntl(fd, F_SETFL, O_NONBLOCK); }
static void signal_itself(int fd)  { (void)fd; raise(SIGCONT); }

#define MAY 42

/* As the nursery does it. */
static pid_t fork_worker(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

/* Does a connection's worker get away with it? Refused is: an error, or (without a sanitizer) its end. */
static int worker_may(void (*try)(int fd))
{
	struct child c = { .role = ROLE_NUR };
	int status, fds[2];
	pid_t pid;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if ((pid = fork()) == 0) {
		sandbox_nursery(&c);
		if ((pid = fork_worker()) == 0) {
			sandbox_connection(&c);
			errno = 0;
			try(fds[0]);
			_exit(errno == 0 ? MAY : 2);
		}
		_exit(pid > 0 ? 0 : 3);
	}
	cr_assert(pid > 0);
	for (int i = 0; i < 2; i++) {	/* both are our children */
		int end;
		pid_t who = waitpid(-1, &end, 0);

		cr_assert(who > 0);
		if (who != pid)
			status = end;
		else
			cr_assert(WIFEXITED(end) && WEXITSTATUS(end) == 0, "the nursery forks no worker");
	}
	close(fds[0]);
	close(fds[1]);
	return WIFEXITED(status) && WEXITSTATUS(status) == MAY;
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
	cr_expect_not(worker_may(look_at_seals));
	cr_expect(worker_may(keep_alive));
	cr_expect(worker_may(not_block));
	cr_expect(worker_may(signal_itself));
}

#ifndef __SANITIZE_ADDRESS__	/* where what kills is an error */

/* ---- all of them ------------------------------------------------------------------------- */

#define CALLS 470
enum verdict { KILLED, REFUSED, PASSED, ENDS };	/* ENDS: never comes back */

/* What a connection may call, whatever the arguments; the test above looks at those. */
static const int passes[] = {
	SYS_read, SYS_write, SYS_close, SYS_poll, SYS_munmap, SYS_brk, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_readv, SYS_writev,
	SYS_mremap, SYS_madvise, SYS_getpid, SYS_gettid, SYS_sendmsg, SYS_recvmsg, SYS_gettimeofday, SYS_sigaltstack, SYS_time, SYS_futex, SYS_epoll_wait,
	SYS_epoll_ctl, SYS_clock_gettime, SYS_clock_getres, SYS_ppoll, SYS_set_robust_list, SYS_epoll_pwait, SYS_getrandom, SYS_mlock2, SYS_rseq,
	SYS_restart_syscall,
};
static const int is_refused[] = { SYS_open, SYS_openat, SYS_openat2, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_stat, SYS_lstat, SYS_statx,
	SYS_readlink, SYS_readlinkat, SYS_socket, SYS_getcwd, SYS_sysinfo, SYS_uname, SYS_prlimit64 };

static enum verdict wanted(int call)
{
	if (call == SYS_exit || call == SYS_exit_group || call == SYS_rt_sigreturn)
		return ENDS;
	if (call == 335 || call == 336)		/* uretprobe, uprobe: no filter sees them, and they do nothing where no probe is */
		return ENDS;
	for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++)
		if (passes[i] == call)
			return PASSED;
	for (size_t i = 0; i < sizeof is_refused / sizeof is_refused[0]; i++)
		if (is_refused[i] == call)
			return REFUSED;
	return KILLED;
}

/* One worker for each call, which makes it with arguments that nothing can be done with. */
static void try_all(volatile unsigned char *results)
{
	struct child c = { .role = ROLE_NUR };

	sandbox_nursery(&c);
	for (int call = 0; call < CALLS; call++) {
		if (wanted(call) == ENDS || fork_worker() != 0)
			continue;
		sandbox_connection(&c);
		errno = 0;
		results[call] = syscall(call, -1L, -1L, -1L, -1L, -1L, -1L) < 0 && errno == EACCES ? REFUSED : PASSED;
		_exit(0);
	}
}

/* The kernel's word on each call, by the two filters that a connection has. */
Test(sandbox, a_connection_may_call_nothing_else)
{
	unsigned char *results = mmap(NULL, CALLS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned passed = 0;
	pid_t pid;

	cr_assert(results != MAP_FAILED);
	if ((pid = fork()) == 0) {
		try_all(results);
		_exit(0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (int call = 0; call < CALLS; call++) {
		if (wanted(call) != ENDS)
			cr_expect_eq(results[call], wanted(call), "system call %d: %d", call, results[call]);
		passed += results[call] == PASSED;
	}
	cr_assert_eq(passed, sizeof passes / sizeof passes[0]);
}

#endif
