#include "supervisor/lend.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct errand { pid_t parent; int touched, blocked, fd, exec; };

static int go(void *arg)
{
	struct errand *e = arg;
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	e->blocked = sigismember(&now, SIGTERM) && sigismember(&now, SIGCHLD);
	e->touched = getppid() == e->parent;
	close(e->fd);
	if (e->exec)
		execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
	return 7;
}

static int status_of(pid_t pid)
{
	int status = 0;

	cr_assert(pid > 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* It has run when we go on, in our memory, but with a table of descriptors of its own. */
Test(lend, what_it_returns_is_its_exit_status)
{
	struct errand e = { .parent = getpid(), .fd = open("/dev/null", O_RDONLY) };

	cr_assert_eq(status_of(lend(go, &e)), 7);
	cr_assert(e.touched && e.blocked);
	cr_assert(fcntl(e.fd, F_GETFD) >= 0, "the child closed a descriptor of ours");
	close(e.fd);
}

Test(lend, it_execs_and_we_are_as_before)
{
	struct errand e = { .parent = getpid(), .fd = -1, .exec = 1 };
	sigset_t before, after;

	sigprocmask(SIG_SETMASK, NULL, &before);
	for (int i = 0; i < 3; i++) {
		e.touched = 0;
		cr_assert_eq(status_of(lend(go, &e)), 8);
		cr_assert(e.touched);
	}
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < NSIG; sig++)
		cr_assert_eq(sigismember(&before, sig), sigismember(&after, sig), "signal %d", sig);
}

static volatile sig_atomic_t heard;

static void on_signal(int sig)
{
	heard = sig;
}

static int hear(void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR1);
	return heard != 0;
}

/* It would run as if it were us. */
Test(lend, no_handler_of_ours_runs_in_it)
{
	heard = 0;
	signal(SIGUSR1, on_signal);
	cr_assert_eq(status_of(lend(hear, NULL)), 0);
	cr_assert_eq(heard, 0);
	signal(SIGUSR1, SIG_DFL);
}
