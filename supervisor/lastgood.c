#include "supervisor/lastgood.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/limits.h"
#include "base/log.h"
#include "supervisor/config.h"
#include "supervisor/detach.h"

static const char first[] = "# The last good configuration of ", last[] = "# end\n";

/* One name per configuration file; the first line says which it is. */
static int path_of(const struct daemon *d, char path[PLACE_MAX])
{
	if (d->opt.inetd || d->opt.conf == NULL || strcmp(d->opt.conf, "none") == 0)
		return SSH_E_NOT_NOW;
	return snprintf(path, PLACE_MAX, "%s/last-good-%016" PRIx64 ".conf", d->places.state, fnv1a(d->opt.conf, strlen(d->opt.conf))) < (int)PLACE_MAX ? SSH_OK : SSH_E_CONFIG;
}

static int compose(const struct daemon *d, struct buf *b)
{
	int r;

	TRY(buf_append(b, first, sizeof first - 1));
	TRY(buf_append(b, d->opt.conf, strlen(d->opt.conf)));
	TRY(buf_append(b, "\n", 1));
	TRY(conf_flat(d->conf, b));
	return buf_append(b, last, sizeof last - 1);
}

/* The whole file; NULL: none, or none that is ours alone. *len without the NUL behind it. */
static char *read_kept(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077)
	    && st.st_size > 0 && st.st_size <= (off_t)CONF_FILE_MAX && (text = malloc((size_t)st.st_size + 1)) != NULL)
		n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n <= 0 || n != st.st_size) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = (size_t)n;
	return text;
}

/* Written to its end, and of this configuration file. */
static int is_whole(const struct daemon *d, const char *text, size_t len)
{
	size_t n = strlen(d->opt.conf);

	return len > sizeof first - 1 + n + sizeof last - 1 && memcmp(text, first, sizeof first - 1) == 0
	    && memcmp(text + sizeof first - 1, d->opt.conf, n) == 0 && text[sizeof first - 1 + n] == '\n'
	    && memcmp(text + len - (sizeof last - 1), last, sizeof last - 1) == 0;
}

static int write_kept(const char *path, const struct buf *b)
{
	char beside[PLACE_MAX + 8];
	size_t done = 0;
	int fd;

	snprintf(beside, sizeof beside, "%s.new", path);
	unlink(beside);
	if ((fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return SSH_E_SYS;
	while (done < buf_len(b)) {
		ssize_t n = write(fd, buf_head(b) + done, buf_len(b) - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	close(fd);
	if (done == buf_len(b) && rename(beside, path) == 0)
		return SSH_OK;
	unlink(beside);
	return SSH_E_SYS;
}

void lastgood_save(struct daemon *d)
{
	char path[PLACE_MAX], *kept;
	size_t len = 0;
	struct buf b;
	int r;

	if (path_of(d, path) < 0)
		return;
	if (!d->values->FallbackToLastGood) {
		unlink(path);
		return;
	}
	buf_init(&b, CONF_FILE_MAX, NULL);
	if ((r = compose(d, &b)) == SSH_OK) {
		kept = read_kept(path, &len);
		if (kept == NULL || len != buf_len(&b) || memcmp(kept, buf_head(&b), len) != 0) {
			detach_make_folder(path, 0700);
			r = write_kept(path, &b);
		}
		free(kept);
	}
	if (r < 0)
		log_ev(LOGL_ERROR, "FallbackToLastGood: %s: %s", path, r == SSH_E_SYS ? strerror(errno) : err_text(r));
	buf_drop(&b);
}

int lastgood_load(struct daemon *d, struct conf **c, struct conf_values **v, struct conf_error *e)
{
	const char *usual = d->opt.conf;
	char path[PLACE_MAX], *text;
	size_t len = 0;
	int whole, r;

	snprintf(e->text, sizeof e->text, "no last good configuration is kept");
	if (path_of(d, path) < 0 || (text = read_kept(path, &len)) == NULL)
		return SSH_E_CONFIG;
	whole = is_whole(d, text, len);
	free(text);
	if (!whole) {
		snprintf(e->text, sizeof e->text, "%.300s is not whole", path);
		return SSH_E_CONFIG;
	}
	d->opt.conf = path;
	r = config_load(d, 0, c, v, e);
	d->opt.conf = usual;
	if (r < 0 || (*v)->FallbackToLastGood)
		return r;
	snprintf(e->text, sizeof e->text, "FallbackToLastGood is no");
	conf_values_free(*v);
	conf_free(*c);
	return SSH_E_CONFIG;
}

int lastgood_is_there(struct daemon *d)
{
	struct conf_values *v;
	struct conf_error e;
	struct conf *c;

	if (lastgood_load(d, &c, &v, &e) < 0)
		return 0;
	conf_values_free(v);
	conf_free(c);
	return 1;
}

void lastgood_announce(struct daemon *d, const char *why)
{
	free(d->fallback);
	d->fallback = strdup(why);
	log_ev(LOGL_ERROR, "%s", why);
	log_ev(LOGL_ERROR, "The configuration is not usable: THE LAST GOOD ONE IS IN FORCE (FallbackToLastGood). Mend %s and reload.", d->opt.conf);
}
