#include "supervisor/procfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"

int procfs_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return SSH_E_SYS;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? SSH_OK : SSH_E_SYS;
}

static int read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return procfs_read(path, text, size);
}

const char *procfs_stat(pid_t pid, char text[PROCFS_STAT_MAX])
{
	char *at;

	if (read_file(pid, "stat", text, PROCFS_STAT_MAX) < 0)
		return NULL;
	at = strrchr(text, ')');
	return at != NULL ? at + 1 : NULL;
}

/* The number behind "NAME:" in /proc/PID/status; its names stand at the beginning of a line, and no other text of ours does. */
static long status_number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? strtol(at + strlen(name), NULL, 10) : 0;
}

int procfs_used(pid_t pid, struct rusage *u)
{
	char stat[PROCFS_STAT_MAX], status[4096];
	unsigned long minor, major, user, system;
	const char *at = procfs_stat(pid, stat);
	long tick = sysconf(_SC_CLK_TCK);

	if (at == NULL || tick <= 0 || read_file(pid, "status", status, sizeof status) < 0 || status_number(status, "\nVmHWM:") == 0)
		return SSH_E_GONE;
	if (sscanf(at, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu", &minor, &major, &user, &system) != 4)
		return SSH_E_GONE;
	*u = (struct rusage){ .ru_maxrss = status_number(status, "\nVmHWM:"), .ru_minflt = (long)minor, .ru_majflt = (long)major,
		.ru_nvcsw = status_number(status, "\nvoluntary_ctxt_switches:"), .ru_nivcsw = status_number(status, "\nnonvoluntary_ctxt_switches:") };
	u->ru_utime = (struct timeval){ (time_t)(user / (unsigned long)tick), (suseconds_t)(user % (unsigned long)tick * 1000000 / (unsigned long)tick) };
	u->ru_stime = (struct timeval){ (time_t)(system / (unsigned long)tick), (suseconds_t)(system % (unsigned long)tick * 1000000 / (unsigned long)tick) };
	return SSH_OK;
}
