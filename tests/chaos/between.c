/*
 * between PID N - kills a process between two of its system calls: before the N-th from now is done. N 0: only counts.
 *
 * Says "attached" when it counts, and at the end, which is the process's death or SIGTERM, how many calls it saw and the names of
 * the last ones. (strace counts each kind of call by itself, so it cannot do this.)
 */
#define _GNU_SOURCE
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define SHOWN 12

static struct {
	pid_t pid;
	unsigned long wanted, seen;
	int last[SHOWN];
	int attached, leave, over;
} t;

static void at_call(void)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t.pid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	t.last[t.seen++ % SHOWN] = (int)info.entry.nr;
	if (t.seen == t.wanted)
		kill(t.pid, SIGKILL);
}

/* The process stands still; it goes on, with the signal it was to get. */
static void on_stop(int status)
{
	int sig = WSTOPSIG(status), event = status >> 16, deliver = 0;
	int stopped = event == PTRACE_EVENT_STOP && sig != SIGTRAP;

	if (!t.attached)
		printf("attached\n");
	t.attached = 1;
	if (sig == (SIGTRAP | 0x80))
		at_call();
	else if (event == 0)
		deliver = sig;
	if (t.leave) {
		ptrace(PTRACE_DETACH, t.pid, NULL, (void *)(long)deliver);
		t.over = 1;
		return;
	}
	ptrace(stopped ? PTRACE_LISTEN : PTRACE_SYSCALL, t.pid, NULL, (void *)(long)deliver);
}

static void on_signal(int sig)
{
	int status;

	if (sig == SIGTERM) {
		t.leave = 1;
		ptrace(PTRACE_INTERRUPT, t.pid, NULL, NULL);
	}
	while (!t.over && waitpid(t.pid, &status, __WALL | WNOHANG) == t.pid) {
		if (WIFSTOPPED(status))
			on_stop(status);
		else
			t.over = 1;
	}
}

static void account(void)
{
	printf("%lu", t.seen);
	for (unsigned long i = t.seen > SHOWN ? t.seen - SHOWN : 0; i < t.seen; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, t.last[i % SHOWN]);

		printf(" %s", name != NULL ? name : "?");
		free(name);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	sigset_t wait_for;
	int sig;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	t.pid = atoi(argv[1]);
	t.wanted = strtoul(argv[2], NULL, 10);
	sigemptyset(&wait_for);
	sigaddset(&wait_for, SIGCHLD);
	sigaddset(&wait_for, SIGTERM);
	sigprocmask(SIG_BLOCK, &wait_for, NULL);
	if (ptrace(PTRACE_SEIZE, t.pid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, t.pid, NULL, NULL) < 0) {
		perror("between: ptrace");
		return 1;
	}
	while (!t.over && sigwait(&wait_for, &sig) == 0)
		on_signal(sig);
	account();
	return 0;
}
