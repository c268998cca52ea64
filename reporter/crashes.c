#include "reporter/crashes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "reporter/render.h"

#define NEW_FILE "new-"		/* and a pid: for a moment there may be two of us */
#define NEW_KEPT 60		/* s; then whoever wrote it is dead */

static void name_of(char out[32], uint64_t number)
{
	snprintf(out, 32, "crash-%06" PRIu64, number);
}

static int by_number(const void *a, const void *b)
{
	const struct crash_file *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int add(struct crashes *c, uint64_t number, uint64_t size)
{
	struct crash_file *more;

	if ((c->n & (c->n - 1)) == 0) {		/* room grows at powers of two */
		if ((more = realloc(c->v, (c->n > 0 ? c->n * 2 : 1) * sizeof *more)) == NULL)
			return SSH_E_NOMEM;
		c->v = more;
	}
	c->v[c->n++] = (struct crash_file){ number, size };
	c->bytes += size;
	return SSH_OK;
}

/* "crash-000017", and nothing else. */
static int parse_name(const char *name, uint64_t *number)
{
	char again[32], *end;

	if (strncmp(name, "crash-", 6) != 0 || name[6] < '0' || name[6] > '9')
		return 0;
	errno = 0;
	*number = strtoull(name + 6, &end, 10);
	if (errno != 0 || *number == 0)
		return 0;
	name_of(again, *number);
	return strcmp(again, name) == 0;
}

static void trim(struct crashes *c, uint64_t room)
{
	char name[32];
	size_t gone = 0;

	while (gone < c->n && (c->n - gone + (room > 0) > c->most || c->bytes + room > c->bytes_most)) {
		name_of(name, c->v[gone].number);
		unlinkat(c->dir, name, 0);
		c->bytes -= c->v[gone++].size;
	}
	if (gone > 0)
		memmove(c->v, c->v + gone, (c->n - gone) * sizeof *c->v);
	c->n -= gone;
	if (c->n > 0 && gone > 0) {	/* back to the room that n stands for */
		size_t room_for = 1;
		struct crash_file *less;

		while (room_for < c->n)
			room_for *= 2;
		if ((less = realloc(c->v, room_for * sizeof *less)) != NULL)
			c->v = less;
	}
}

void crashes_limit(struct crashes *c, unsigned most, uint64_t bytes_most)
{
	c->most = most < CRASHES_MAX ? most : CRASHES_MAX;
	c->bytes_most = bytes_most;
	if (c->dir >= 0)
		trim(c, 0);
}

void crashes_open(struct crashes *c, int dir, unsigned most, uint64_t bytes_most)
{
	struct dirent *e;
	struct stat st;
	uint64_t number;
	DIR *d;
	int copy;

	memset(c, 0, sizeof *c);
	c->dir = dir;
	if (dir < 0 || (copy = fcntl(dir, F_DUPFD_CLOEXEC, 3)) < 0)
		return;
	if ((d = fdopendir(copy)) == NULL) {
		close(copy);
		return;
	}
	rewinddir(d);		/* the supervisor gave the same open directory to our predecessor, who read it to its end */
	while (c->n < CRASHES_MAX * 2 && (e = readdir(d)) != NULL) {
		if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
			continue;
		if (parse_name(e->d_name, &number))
			add(c, number, (uint64_t)st.st_size);
		else if (strncmp(e->d_name, NEW_FILE, strlen(NEW_FILE)) == 0 && time(NULL) - st.st_mtime > NEW_KEPT)
			unlinkat(dir, e->d_name, 0);
	}
	closedir(d);
	if (c->n > 0)
		qsort(c->v, c->n, sizeof *c->v, by_number);
	crashes_limit(c, most, bytes_most);
}

void crashes_close(struct crashes *c)
{
	if (c->dir >= 0)
		close(c->dir);
	free(c->v);
	c->v = NULL;
	c->n = 0;
	c->dir = -1;
}

/* A predecessor that was being replaced may have written one since. */
static void catch_up(struct crashes *c)
{
	struct stat st;
	char name[32];
	int fd;

	while (c->dir >= 0 && c->n < CRASHES_MAX * 2) {
		uint64_t next = c->n > 0 ? c->v[c->n - 1].number + 1 : 1;

		name_of(name, next);
		if ((fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) < 0)
			return;
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || add(c, next, (uint64_t)st.st_size) < 0) {
			close(fd);
			return;
		}
		close(fd);
	}
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Under another name first, so that a file with a number is a whole one. */
static int write_file(const struct crashes *c, uint64_t number, const struct buf *b)
{
	char name[32], new[32];
	size_t done = 0;
	int fd, saved;
	ssize_t n;

	snprintf(new, sizeof new, NEW_FILE "%d", (int)getpid());
	if ((fd = openat(c->dir, new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600)) < 0)
		return SSH_E_SYS;
	while (done < buf_len(b)) {
		n = write(fd, buf_head(b) + done, buf_len(b) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	saved = errno;
	close(fd);
	name_of(name, number);
	if (done == buf_len(b) && renameat2(c->dir, new, c->dir, name, RENAME_NOREPLACE) == 0)
		return SSH_OK;
	if (done == buf_len(b))
		saved = errno;
	unlinkat(c->dir, new, 0);
	errno = saved;
	return SSH_E_SYS;
}

uint64_t crashes_keep(struct crashes *c, const struct record *r)
{
	uint64_t number;
	struct buf b;
	int e;

	if (c->dir < 0 || c->most == 0)
		return 0;
	catch_up(c);
	number = c->n > 0 ? c->v[c->n - 1].number + 1 : 1;
	buf_init(&b, CRASH_FILE_MAX, NULL);
	if ((e = render_json(&b, r, number, 1)) == SSH_OK)
		e = render_report(&b, r);
	if (e == SSH_OK) {
		trim(c, buf_len(&b));
		e = write_file(c, number, &b);
	}
	if (e == SSH_OK)
		e = add(c, number, buf_len(&b));
	buf_drop(&b);
	if (e < 0) {
		c->failed++;
		return 0;
	}
	c->kept++;
	return number;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static int read_file(const struct crashes *c, uint64_t number, struct buf *b)
{
	char name[32];
	uint8_t *room;
	ssize_t n = -1;
	int fd;

	name_of(name, number);
	if ((fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) < 0)
		return SSH_E_SYS;
	if ((room = buf_reserve(b, CRASH_FILE_MAX)) != NULL && (n = read(fd, room, CRASH_FILE_MAX)) > 0)
		buf_commit(b, (size_t)n);
	close(fd);
	return n > 0 ? SSH_OK : SSH_E_SYS;
}

/* What stands behind "name": in our own JSON; for the list only. */
static void pick(const char *json, const char *name, char *out, size_t size)
{
	char key[40];
	const char *at;
	size_t n = 0;
	int quoted;

	snprintf(key, sizeof key, ",\"%s\":", name);
	out[0] = '\0';
	if ((at = strstr(json, key)) == NULL)
		return;
	at += strlen(key);
	quoted = *at == '"';
	for (at += quoted; *at != '\0' && n + 1 < size && *at != (quoted ? '"' : ',') && *at != '}'; at++)
		out[n++] = *at;
	out[n] = '\0';
}

static int list_line(struct buf *b, uint64_t number, const char *json)
{
	static const char *const shown[] = { "node", "how", "action", "session", "user", "peer" };
	char line[1000], value[200], when[32] = "";
	size_t n;

	if (strncmp(json, "{\"time\":\"", 9) == 0)
		snprintf(when, sizeof when, "%.24s", json + 9);
	n = (size_t)snprintf(line, sizeof line, "%6" PRIu64 "  %s", number, when);
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		pick(json, shown[i], value, sizeof value);
		if (value[0] != '\0' && n < sizeof line)
			n += (size_t)snprintf(line + n, sizeof line - n, i == 0 ? "  %s" : "  %s%s", i == 0 ? value : i < 3 ? "" : i == 3 ? "session " : "",
			    i == 0 ? "" : value);
	}
	n = n < sizeof line - 1 ? n : sizeof line - 2;
	line[n++] = '\n';
	return buf_append(b, line, n);
}

static int list_one(const struct crashes *c, size_t i, int json, int first, struct buf *b)
{
	struct buf file;
	uint8_t *end;
	int r;

	buf_init(&file, CRASH_FILE_MAX + 1, NULL);
	if ((r = read_file(c, c->v[i].number, &file)) == SSH_OK) {
		end = memchr(buf_head(&file), '\n', buf_len(&file));
		buf_truncate(&file, end != NULL ? (size_t)(end - buf_head(&file)) : buf_len(&file));
		if (json) {
			if (!first)
				r = buf_append(b, ",\n", 2);
			if (r == SSH_OK)
				r = buf_append(b, buf_head(&file), buf_len(&file));
		} else if ((r = buf_append(&file, "", 1)) == SSH_OK) {
			r = list_line(b, c->v[i].number, (const char *)buf_head(&file));
		}
	}
	buf_drop(&file);
	return r;
}

int crashes_list(struct crashes *c, int json, struct buf *b)
{
	int first = 1, r;

	catch_up(c);
	if (json)
		TRY(buf_append(b, "[\n", 2));
	for (size_t i = c->n; i-- > 0;)
		if (list_one(c, i, json, first, b) == SSH_OK)
			first = 0;
	return json ? buf_append(b, "\n]\n", 3) : SSH_OK;
}

int crashes_show(const struct crashes *c, uint64_t number, int json, struct buf *b)
{
	uint8_t *end;
	int r;

	if (c->dir < 0)
		return SSH_E_SYS;
	TRY(read_file(c, number, b));
	if ((end = memchr(buf_head(b), '\n', buf_len(b))) == NULL)
		return SSH_OK;
	if (json)
		buf_truncate(b, (size_t)(end - buf_head(b)) + 1);
	else
		buf_consume(b, (size_t)(end - buf_head(b)) + 1);
	return SSH_OK;
}
