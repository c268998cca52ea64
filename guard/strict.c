#include "guard/strict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)

/* ---- names ---------------------------------------------------------------------- */

static int add(char *out, size_t size, size_t *n, const char *text)
{
	size_t len = strlen(text);

	if (len >= size - *n)
		return SSH_E_TOO_BIG;
	memcpy(out + *n, text, len + 1);
	*n += len;
	return SSH_OK;
}

int strict_expand(char *out, size_t size, const char *pattern, const char *user, const char *home, uid_t uid)
{
	char number[16], one[2] = { 0, 0 };
	size_t n = 0;
	int r;

	out[0] = '\0';
	snprintf(number, sizeof number, "%lu", (unsigned long)uid);
	/* "%h" begins with the home's slash; anything else relative lies under it. */
	if (pattern[0] != '/' && strncmp(pattern, "%h", 2) != 0) {
		TRY(add(out, size, &n, home));
		TRY(add(out, size, &n, "/"));
	}
	for (const char *p = pattern; *p != '\0'; p++) {
		const char *text = one;

		one[0] = *p;
		if (*p == '%') {
			switch (*++p) {
			case 'h': text = home; break;
			case 'u': text = user; break;
			case 'U': text = number; break;
			case '%': break;
			default: return SSH_E_FORMAT;
			}
		}
		TRY(add(out, size, &n, text));
	}
	return out[0] == '/' ? SSH_OK : SSH_E_FORMAT;
}

/* ---- the walk --------------------------------------------------------------------- */

static int refuse(char *why, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -1;
}

static int theirs_alone(const struct stat *st, uid_t uid)
{
	return (st->st_uid == 0 || st->st_uid == uid) && (st->st_mode & 022) == 0;
}

/* Is the directory one whose owner and mode matter: the home or below, or any when the file is not under it? */
static int matters(const char *dir, const char *home)
{
	size_t n = strlen(home);

	return n == 0 || (strncmp(dir, home, n) == 0 && (dir[n] == '\0' || dir[n] == '/'));
}

static int directory_ok(int fd, const char *name, const struct strict_owner *o, const char *home, char *why, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse(why, size, "%s: %s", name, strerror(errno));
	if (!o->check || !matters(name, home) || theirs_alone(&st, o->uid))
		return 0;
	return refuse(why, size, "Authentication refused: bad ownership or modes for directory %s",
	    name[0] == '\0' ? "/" : name);
}

static int file_ok(int fd, const char *name, const struct strict_owner *o, char *why, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse(why, size, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(why, size, "User authorized keys %s is not a regular file", name);
	if (o->check && !theirs_alone(&st, o->uid))
		return refuse(why, size, "Authentication refused: bad ownership or modes for file %s", name);
	if (st.st_size > (off_t)STRICT_FILE_MAX)
		return refuse(why, size, "User authorized keys %s is larger than %u bytes", name, STRICT_FILE_MAX);
	return 0;
}

/* real: a path without symbolic links; walked from the root, so that none can appear meanwhile. */
static int walk(char *real, const char *home, const struct strict_owner *o, char *why, size_t size)
{
	int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next, ok;
	char *part = real + 1, *slash;

	if (at < 0)
		return refuse(why, size, "/: %s", strerror(errno));
	ok = directory_ok(at, "", o, home, why, size) == 0;
	while (ok && (slash = strchr(part, '/')) != NULL) {
		*slash = '\0';
		next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		ok = next >= 0 ? directory_ok(next, real, o, home, why, size) == 0
		    : refuse(why, size, "%s: %s", real, strerror(errno)) == 0;
		*slash = '/';
		part = slash + 1;
		close(at);
		at = next;
	}
	if (ok) {
		next = openat(at, part, O_RDONLY | OPEN_FLAGS);
		ok = next >= 0 ? file_ok(next, real, o, why, size) == 0
		    : refuse(why, size, "%s: %s", real, strerror(errno)) == 0;
		if (!ok && next >= 0)
			close(next);
		close(at);
		return ok ? next : -1;
	}
	if (at >= 0)
		close(at);
	return -1;
}

/* Absolute, and without a symbolic link what realpath() would give: no empty part, no "." and no "..". */
static int is_plain(const char *path)
{
	const char *part = path;

	if (path[0] != '/')
		return 0;
	while (part != NULL) {
		size_t n = strcspn(++part, "/");

		if (n == 0 || (n <= 2 && strncmp(part, "..", n) == 0))
			return 0;
		part = strchr(part, '/');
	}
	return 1;
}

/* The next part of rest, opened below at, which is closed; *rest moves behind it. -1 with errno. */
static int step(int at, const char **rest)
{
	char part[NAME_MAX + 1];
	size_t n = strcspn(*rest, "/");
	int last = (*rest)[n] == '\0', next = -1, error;

	errno = ENAMETOOLONG;
	if (n < sizeof part) {
		memcpy(part, *rest, n);
		part[n] = '\0';
		next = openat(at, part, last ? O_RDONLY | OPEN_FLAGS : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	error = errno;
	close(at);
	errno = error;
	*rest = last ? NULL : *rest + n + 1;
	return next;
}

/*
 * How it is nearly always: a plain name under a plain home, no symbolic link on the whole way, nothing to refuse; then both are their own real
 * paths. Walked once: the kernel takes no link to the home, we none below it. Whatever is otherwise is strict_open()'s to judge: -1 with
 * errno, ENOENT: there is no such file.
 */
static int open_plainly(const char *path, const struct strict_owner *o)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	const char *rest = path + strlen(o->home) + 1;
	char ignored[2];
	int at = (int)syscall(SYS_openat2, AT_FDCWD, o->home, &how, sizeof how);

	while (at >= 0) {
		if (rest == NULL ? file_ok(at, path, o, ignored, sizeof ignored) == 0
		    : directory_ok(at, o->home, o, o->home, ignored, sizeof ignored) == 0) {
			if (rest == NULL)
				return at;
			at = step(at, &rest);
		} else {
			close(at);
			errno = EACCES;
			return -1;
		}
	}
	return -1;
}

int strict_open(const char *path, const struct strict_owner *o, char *why, size_t size)
{
	char *real, *home;
	int fd = -1, error;
	size_t n = strlen(o->home);

	why[0] = '\0';
	if (is_plain(path) && is_plain(o->home) && strncmp(path, o->home, n) == 0 && path[n] == '/' &&
	    ((fd = open_plainly(path, o)) >= 0 || errno == ENOENT))
		return fd;
	real = realpath(path, NULL);
	error = errno;
	home = realpath(o->home, NULL);
	if (real == NULL) {
		if (error != ENOENT && error != ENOTDIR)
			refuse(why, size, "Could not open user authorized keys %s: %s", path, strerror(error));
	} else {
		n = home != NULL ? strlen(home) : 0;
		/* A home of "/" holds everything; a file outside the home answers for every directory above it. */
		if (n == 1 || n == 0 || strncmp(real, home, n) != 0 || real[n] != '/')
			n = 0;
		fd = walk(real, n > 0 ? home : "", o, why, size);
	}
	free(real);
	free(home);
	return fd;
}
