#include "guard/keydir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

#define KEYFILE_TEXT_MAX 65536u

static const struct { enum key_kind kind; unsigned bits; const char *name; } wanted[] = {
	{ KEY_ED25519, 0,    "coppice_host_ed25519_key" },
	{ KEY_RSA,     3072, "coppice_host_rsa_key" },
};

static int failed(const char *what, const char *path)
{
	log_ev(LOGL_ERROR, "%s %s: %s", what, path, strerror(errno));
	return SSH_E_SYS;
}

static int write_whole(int fd, const struct buf *b)
{
	for (size_t done = 0; done < buf_len(b); ) {
		ssize_t r = write(fd, buf_head(b) + done, buf_len(b) - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		done += (size_t)r;
	}
	return fsync(fd);
}

/* Complete and on disk under a name of our own first, then under the wanted one, if nobody has it. */
static int put_file(const char *path, const struct buf *b, mode_t mode, int replace)
{
	char temp[PATH_MAX];
	int fd, r = SSH_OK;

	if (snprintf(temp, sizeof temp, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof temp)
		return SSH_E_TOO_BIG;
	if ((fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)) < 0)
		return failed("Cannot create", temp);
	if (fchmod(fd, mode) != 0 || write_whole(fd, b) != 0)
		r = failed("Cannot write", temp);
	close(fd);
	if (r == SSH_OK && renameat2(AT_FDCWD, temp, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) == 0)
		return SSH_OK;
	if (r == SSH_OK && errno != EEXIST)	/* EEXIST: another start was faster, and its key is as good */
		r = failed("Cannot rename", temp);
	unlink(temp);
	return r;
}

static int write_pair(const char *path, const struct privkey *key)
{
	char comment[80] = "host", host[64] = "", pub[PATH_MAX];
	struct buf priv, line;
	int r;

	if (gethostname(host, sizeof host - 1) == 0)
		snprintf(comment, sizeof comment, "host@%s", host);
	if (snprintf(pub, sizeof pub, "%s.pub", path) >= (int)sizeof pub)
		return SSH_E_TOO_BIG;
	buf_init(&priv, KEYFILE_TEXT_MAX, NULL);
	buf_init(&line, KEYFILE_TEXT_MAX, NULL);
	if ((r = keyfile_write_private(&priv, key, comment)) == SSH_OK &&
	    (r = keyfile_write_public(&line, privkey_blob(key), comment)) == SSH_OK &&
	    (r = put_file(path, &priv, 0600, 0)) == SSH_OK)
		r = put_file(pub, &line, 0644, 1);
	buf_drop(&priv);
	buf_drop(&line);
	return r;
}

static int make_one(const char *path, enum key_kind kind, unsigned bits)
{
	struct privkey *key;
	char print[64];
	int r;

	if ((r = privkey_generate(&key, kind, bits)) < 0) {
		log_ev(LOGL_ERROR, "Cannot make host key %s: %s", path, err_text(r));
		return r;
	}
	if ((r = write_pair(path, key)) == SSH_OK) {
		key_fingerprint(privkey_blob(key), print);
		dprintf(2, "keysign: made host key %s (%s %s)\n", path, key_kind_word(kind), print);
	}
	privkey_free(key);
	return r;
}

int keydir_generate(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return failed("Cannot create", dir);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		if (snprintf(path, sizeof path, "%s/%s", dir, wanted[i].name) >= (int)sizeof path - 32)
			return SSH_E_TOO_BIG;
		if (lstat(path, &st) == 0)
			continue;
		if (errno != ENOENT)
			return failed("Cannot look at", path);
		TRY(make_one(path, wanted[i].kind, wanted[i].bits));
	}
	return SSH_OK;
}
