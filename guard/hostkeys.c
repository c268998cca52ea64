#include "guard/hostkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "guard/agent.h"
#include "ssh/cert.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

/* A file in memory; secret: buf_drop() wipes. */
struct file { const char *path; struct buf text; unsigned mode; };

static int refuse(const char *path, int error, const char *why)
{
	log_ev(LOGL_WARN, "Unable to load host key \"%s\": %s", path, why);
	return error;
}

static int refuse_at(const char *path, int error, const struct keyfile_fault *f)
{
	if (f->line == 0)
		return refuse(path, error, f->why);
	log_ev(LOGL_WARN, "Unable to load host key \"%s\": line %u: %s", path, f->line, f->why);
	return error;
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

static int read_open(struct file *f, int fd)
{
	struct stat st;
	uint8_t *to;
	size_t n;

	if (fstat(fd, &st) != 0)
		return refuse(f->path, SSH_E_SYS, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(f->path, SSH_E_KEYFILE, S_ISDIR(st.st_mode) ? "it is a directory" : "not a regular file");
	if (st.st_size <= 0 || st.st_size > (off_t)HOSTKEYS_FILE_MAX)
		return refuse(f->path, SSH_E_KEYFILE, st.st_size <= 0 ? "the file is empty" : "too long for a key");
	f->mode = st.st_mode & 0777;
	n = (size_t)st.st_size;
	if ((to = buf_reserve(&f->text, n)) == NULL)
		return refuse(f->path, SSH_E_NOMEM, err_text(SSH_E_NOMEM));
	buf_commit(&f->text, n);
	return read_whole(fd, to, n) == SSH_OK ? SSH_OK : refuse(f->path, SSH_E_SYS, "it changes while it is read");
}

/* The file is dropped by the caller in any case. */
static int read_file(struct file *f, const char *path)
{
	/* A fifo in its place must not hold the daemon's start up. */
	int fd, r;

	memset(f, 0, sizeof *f);
	f->path = path;
	buf_init(&f->text, HOSTKEYS_FILE_MAX, NULL);
	if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0)
		return refuse(path, SSH_E_SYS, strerror(errno));
	r = read_open(f, fd);
	close(fd);
	return r;
}

static struct view text_of(const struct file *f)
{
	return view_of(buf_head(&f->text), buf_len(&f->text));
}

static int private_enough(const struct file *f)
{
	if ((f->mode & 077) == 0)
		return SSH_OK;
	log_ev(LOGL_WARN, "Permissions 0%3.3o for '%s' are too open.", f->mode, f->path);
	return refuse(f->path, SSH_E_KEYFILE, "bad permissions");
}

/* Some algorithm of the key, or of its certificate, is on: else nobody could ever be shown it. */
static int is_on(const struct hostkeys *h, enum key_kind kind)
{
	const char *at = h->algorithms;
	size_t n;

	for (; at != NULL && *at != '\0'; at += n + (at[n] == ',')) {
		const struct sig_alg *row = sig_alg_find(view_of(at, n = strcspn(at, ",")));

		if (row != NULL && row->kind == kind)
			return 1;
	}
	return h->algorithms == NULL;
}

/* The last one, filled, is one of them from now on. */
static int keep(struct hostkeys *h, const char *path, enum key_kind kind)
{
	if (!is_on(h, kind))
		return refuse(path, SSH_E_UNKNOWN_KEY, "none of its algorithms is in HostKeyAlgorithms");
	h->n++;
	return SSH_OK;
}

/* ---- keys that an agent holds ------------------------------------------------------- */

/* The public half, from the file itself or from path.pub; 1 when there is one. */
static int find_public(const struct file *f, struct buf *blob)
{
	struct file pub;
	char path[PATH_MAX];
	int found = keyfile_read_public(blob, text_of(f), NULL, NULL) == SSH_OK;

	if (found || snprintf(path, sizeof path, "%s.pub", f->path) >= (int)sizeof path || access(path, R_OK) != 0)
		return found;
	found = read_file(&pub, path) == SSH_OK && keyfile_read_public(blob, text_of(&pub), NULL, NULL) == SSH_OK;
	buf_drop(&pub.text);
	return found;
}

/* fault: why there is no private key in the file. */
static int take_public(struct hostkeys *h, const struct file *f, const struct agent *agent, int error, const struct keyfile_fault *fault)
{
	struct hostkey *k = &h->v[h->n];
	struct view blob;

	buf_init(&k->shown, SSH_BLOB_MAX, NULL);
	if (!find_public(f, &k->shown)) {
		buf_drop(&k->shown);
		return refuse_at(f->path, error, fault);
	}
	blob = view_of(buf_head(&k->shown), buf_len(&k->shown));
	if (agent == NULL)
		error = refuse(f->path, error, error == SSH_E_PASSPHRASE ? "it needs a passphrase, which only an agent can give (HostKeyAgent)"
		    : "a public key; its private half would have to be in an agent (HostKeyAgent)");
	else if (agent_here(agent) && !agent_has(agent, blob))
		error = refuse(f->path, error, "the agent does not have it");
	else if ((error = pubkey_parse(&k->pub, blob, NULL)) < 0)
		refuse(f->path, error, "no public key of a type that we have");
	else
		error = keep(h, f->path, pubkey_kind(k->pub));	/* the agent has it, or will have it once it is back */
	if (error < 0) {
		pubkey_free(k->pub);
		k->pub = NULL;
		buf_drop(&k->shown);
	}
	return error;
}

int hostkeys_load(struct hostkeys *h, const char *path, const struct agent *agent)
{
	struct hostkey *k = &h->v[h->n];
	struct keyfile_fault fault;
	struct file f;
	int r;

	if (h->n == HOSTKEYS_MAX)
		return refuse(path, SSH_E_LIMIT, "too many host keys");
	memset(k, 0, sizeof *k);
	if ((r = read_file(&f, path)) == SSH_OK) {
		r = keyfile_read_private(&k->key, text_of(&f), NULL, NULL, &fault);
		if (r == SSH_OK || (r == SSH_E_PASSPHRASE && agent == NULL)) {
			int open = private_enough(&f);

			r = open < 0 ? open : r;
			if (r == SSH_E_PASSPHRASE)
				refuse(path, r, "it needs a passphrase, which only an agent can give (HostKeyAgent)");
			else if (r == SSH_OK)
				r = keep(h, path, privkey_kind(k->key));
		} else {
			r = take_public(h, &f, agent, r, &fault);
		}
		if (r < 0) {
			privkey_free(k->key);
			k->key = NULL;
		}
	}
	buf_drop(&f.text);
	return r;
}

/* ---- certificates --------------------------------------------------------------------- */

/* Which of the keys it is about; n: none. */
static unsigned key_of(const struct hostkeys *h, const struct cert *c)
{
	unsigned i = h->n;
	struct buf plain;

	buf_init(&plain, SSH_BLOB_MAX, NULL);
	if (cert_key(c, &plain) == SSH_OK)
		for (i = 0; i < h->n; i++)
			if (!h->v[i].cert && view_same(hostkeys_shown(h, i), view_of(buf_head(&plain), buf_len(&plain))))
				break;
	buf_drop(&plain);
	return i;
}

static int take_certificate(struct hostkeys *h, const char *path, struct view blob, unsigned *of)
{
	uint64_t now = (uint64_t)time(NULL);
	struct cert c;

	if (cert_parse(&c, blob) < 0)
		return refuse(path, SSH_E_KEYFILE, "it is no certificate of a type that we have");
	if (c.type != CERT_HOST)
		return refuse(path, SSH_E_KEYFILE, "it is a user's certificate, not a host's");
	if (cert_verify(&c) < 0)
		return refuse(path, SSH_E_KEYFILE, "its signature is not its authority's");
	if ((*of = key_of(h, &c)) == h->n)
		return refuse(path, SSH_E_KEYFILE, "no HostKey is the key it is about");
	if (now < c.after || now >= c.before)
		log_ev(LOGL_WARN, "Host certificate \"%s\": %s", path, now < c.after ? "it is not valid yet" : "it has expired");
	return SSH_OK;
}

int hostkeys_certify(struct hostkeys *h, const char *path)
{
	struct hostkey *k = &h->v[h->n];
	struct keyfile_fault fault;
	struct file f;
	int r;

	if (h->n == HOSTKEYS_MAX)
		return refuse(path, SSH_E_LIMIT, "too many host keys");
	memset(k, 0, sizeof *k);
	buf_init(&k->shown, SSH_BLOB_MAX, NULL);
	if ((r = read_file(&f, path)) == SSH_OK) {
		if ((r = keyfile_read_public(&k->shown, text_of(&f), NULL, &fault)) < 0)
			refuse_at(path, r, &fault);
		else
			r = take_certificate(h, path, view_of(buf_head(&k->shown), buf_len(&k->shown)), &k->of);
	}
	buf_drop(&f.text);
	if (r == SSH_OK) {
		k->cert = 1;
		h->n++;
	} else {
		buf_drop(&k->shown);
	}
	return r;
}

/* ---- what is there --------------------------------------------------------------------- */

struct view hostkeys_shown(const struct hostkeys *h, unsigned i)
{
	const struct hostkey *k = &h->v[i];

	return k->key != NULL ? privkey_blob(k->key) : view_of(buf_head(&k->shown), buf_len(&k->shown));
}

unsigned hostkeys_signer(const struct hostkeys *h, unsigned i)
{
	return h->v[i].cert ? h->v[i].of : i;
}

void hostkeys_drop(struct hostkeys *h)
{
	while (h->n > 0) {
		struct hostkey *k = &h->v[--h->n];

		privkey_free(k->key);
		pubkey_free(k->pub);
		buf_drop(&k->shown);
		memset(k, 0, sizeof *k);
	}
	h->algorithms = NULL;
}
