#include "guard/hostkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

static int refuse(const char *path, int error, const char *why)
{
	log_ev(LOGL_WARN, "Unable to load host key \"%s\": %s", path, why);
	return error;
}

/* SSH_OK when the file may hold a host key. */
static int check(const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return refuse(path, SSH_E_KEYFILE, "not a regular file");
	if ((st->st_mode & 077) != 0) {
		log_ev(LOGL_WARN, "Permissions 0%3.3o for '%s' are too open.", (unsigned)st->st_mode & 0777, path);
		return refuse(path, SSH_E_KEYFILE, "bad permissions");
	}
	if (st->st_size <= 0 || st->st_size > (off_t)HOSTKEYS_FILE_MAX)
		return refuse(path, SSH_E_KEYFILE, "not a key file by its size");
	return SSH_OK;
}

static int read_whole(int fd, uint8_t *p, size_t n)
{
	for (size_t have = 0; have < n; ) {
		ssize_t r = read(fd, p + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return SSH_E_SYS;
		have += (size_t)r;
	}
	return SSH_OK;
}

static int parse(struct privkey **key, const char *path, int fd, size_t n)
{
	uint8_t *text = malloc(n);
	int r;

	if (text == NULL)
		return refuse(path, SSH_E_NOMEM, err_text(SSH_E_NOMEM));
	if ((r = read_whole(fd, text, n)) == SSH_OK)
		r = keyfile_read_private(key, view_of(text, n), NULL, NULL, NULL);
	secret_wipe(text, n);
	free(text);
	return r < 0 ? refuse(path, r, err_text(r)) : SSH_OK;
}

int hostkeys_load(struct hostkeys *h, const char *path)
{
	struct privkey *key = NULL;
	struct stat st;
	int fd, r;

	if (h->n == HOSTKEYS_MAX)
		return refuse(path, SSH_E_LIMIT, "too many host keys");
	/* A fifo in its place must not hold the daemon's start up. */
	if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0)
		return refuse(path, SSH_E_SYS, strerror(errno));
	if (fstat(fd, &st) != 0)
		r = refuse(path, SSH_E_SYS, strerror(errno));
	else if ((r = check(path, &st)) == SSH_OK)
		r = parse(&key, path, fd, (size_t)st.st_size);
	close(fd);
	if (r == SSH_OK)
		h->v[h->n++] = key;
	return r;
}

void hostkeys_drop(struct hostkeys *h)
{
	while (h->n > 0)
		privkey_free(h->v[--h->n]);
}
