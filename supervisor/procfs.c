#include "supervisor/procfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *procfs_stat(pid_t pid, char text[PROCFS_STAT_MAX])
{
	char path[40], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return NULL;
	n = read(fd, text, PROCFS_STAT_MAX - 1);
	close(fd);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	at = strrchr(text, ')');
	return at != NULL ? at + 1 : NULL;
}
