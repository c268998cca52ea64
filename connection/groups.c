#include "connection/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ssh/moduli.h"
#include "ssh/ssh.h"

#define FILE_MAX (4u << 20)	/* Debian's has 0.6 MB */

/* A fifo must not hold the daemon's start up. NULL with errno. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), why;
	struct stat st;
	FILE *f;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else if ((f = fdopen(fd, "r")) != NULL)
		return f;
	why = errno;
	close(fd);
	errno = why;
	return NULL;
}

/* 0, or an errno. *text is yours, whatever comes back. */
static int read_file(const char *path, char **text, size_t *len)
{
	FILE *f = open_file(path);
	int why = errno;

	*text = NULL;
	if (f == NULL)
		return why;
	if ((*text = malloc(FILE_MAX + 1)) == NULL) {
		why = ENOMEM;
	} else {
		*len = fread(*text, 1, FILE_MAX + 1, f);
		why = ferror(f) ? EIO : *len > FILE_MAX ? EFBIG : 0;
	}
	fclose(f);
	return why;
}

static int offered(const char *kex)
{
	return strstr(kex, "diffie-hellman-group-exchange-") != NULL;
}

void groups_load(struct ssh_policy *policy, const char *path)
{
	struct moduli *m = NULL;
	size_t len = 0, ignored = 0;
	char *text;
	int why;

	if (path == NULL || !offered(policy->kex))
		return;
	if ((why = read_file(path, &text, &len)) != 0)
		log_ev(why == ENOENT ? LOGL_VERBOSE : LOGL_WARN, "could not open %s (%s), using fixed modulus", path, strerror(why));
	else if (moduli_parse(&m, view_of(text, len), NULL, &ignored) < 0 || moduli_count(m) == 0)
		log_ev(LOGL_WARN, "no suitable primes in %s, using fixed modulus", path);
	else if (ignored > 0)
		log_ev(LOGL_VERBOSE, "%s: %zu groups, %zu lines ignored", path, moduli_count(m), ignored);
	policy->moduli = m;
	free(text);
}
