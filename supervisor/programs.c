#include "supervisor/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

static const char *const names[PROG_COUNT] = {
	[PROG_REPORTER] = "reporter", [PROG_KEEPER] = "keeper", [PROG_KEYSIGN] = "keysign", [PROG_AUTH] = "auth", [PROG_NURSERY] = "nursery",
	[PROG_ACCEPTOR] = "acceptor", [PROG_CHANNEL] = "channel", [PROG_SFTP_SERVER] = "sftp-server",
};

const char *program_name(enum program p)
{
	return (unsigned)p < PROG_COUNT ? names[p] : "none";
}

int programs_open(int fd[PROG_COUNT], const char *dir, char *why, size_t size)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < PROG_COUNT; i++)
		fd[i] = -1;
	if (at < 0) {
		snprintf(why, size, "helper programs: %s: %s", dir, strerror(errno));
		return SSH_E_CONFIG;
	}
	for (int i = 0; i < PROG_COUNT; i++) {
		if ((fd[i] = openat(at, names[i], O_PATH | O_CLOEXEC)) >= 0 && faccessat(at, names[i], X_OK, AT_EACCESS) == 0)
			continue;
		snprintf(why, size, "helper program %s/%s: %s", dir, names[i], strerror(errno));
		close(at);
		programs_close(fd);
		return SSH_E_CONFIG;
	}
	close(at);
	return SSH_OK;
}

void programs_close(int fd[PROG_COUNT])
{
	for (int i = 0; i < PROG_COUNT; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

void program_exec(int fd, char *const argv[], char *const envp[])
{
	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
}
