/*
 * usage.c - runs a command in a session and says on stderr how much CPU it and this program used, so that the bench
 * can take the user's program out of the server's figure.   usage: bench_usage COMMAND [ARGUMENT...]
 */
#include <err.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long us(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000L + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 2)
		errx(2, "usage: bench_usage COMMAND [ARGUMENT...]");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (waitpid(pid, &status, 0) < 0)
		err(1, "wait");
	fprintf(stderr, "bench-usage-us %ld\n", us(RUSAGE_SELF) + us(RUSAGE_CHILDREN));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
