#include "guard/banner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

size_t banner_read(const char *path, char out[BANNER_MAX + 1])
{
	struct stat st;
	size_t n = 0;
	ssize_t r = 1;
	int fd;

	out[0] = '\0';
	if (path == NULL || strcmp(path, "none") == 0)
		return 0;
	if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) {
		log_ev(LOGL_VERBOSE, "Banner %s: %s", path, strerror(errno));
		return 0;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)BANNER_MAX) {
		log_ev(LOGL_WARN, "Banner %s: not a file of at most %u bytes", path, BANNER_MAX);
		close(fd);
		return 0;
	}
	while (n < BANNER_MAX && r > 0)
		if ((r = read(fd, out + n, BANNER_MAX - n)) > 0)
			n += (size_t)r;
	close(fd);
	out[n] = '\0';
	return strlen(out);	/* the protocol's text has no NUL */
}
