#include "supervisor/procfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

int procfs_read(const char *path, char text[PROCFS_STAT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return SSH_E_SYS;
	n = read(fd, text, PROCFS_STAT_MAX - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? SSH_OK : SSH_E_SYS;
}

const char *procfs_stat(pid_t pid, char text[PROCFS_STAT_MAX])
{
	char path[40], *at;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (procfs_read(path, text) < 0)
		return NULL;
	at = strrchr(text, ')');
	return at != NULL ? at + 1 : NULL;
}
