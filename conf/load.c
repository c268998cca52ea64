/* load - a configuration from files and command-line options. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"
#include "conf/parse.h"

struct loader {
	char *dir;		/* of the main file; relative Includes start there */
	unsigned depth;		/* files open above this one */
};

static int load_file(struct parser *p, const char *path);

/* The whole file; a pipe will do. b is the caller's to drop, also on failure. */
static int read_file(struct parser *p, const char *path, struct buf *b)
{
	const struct where at = { path, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = SSH_OK;
	ssize_t n = 1;

	if (fd < 0)
		return parse_fail(p->error, &at, "%s", strerror(errno));
	while (r == SSH_OK && n > 0) {
		size_t want = CONF_FILE_MAX + 1 - buf_len(b);
		uint8_t *to = buf_reserve(b, want < 65536 ? want : 65536);

		if (want == 0)
			r = parse_fail(p->error, &at, "longer than %u bytes", CONF_FILE_MAX);
		else if (to == NULL)
			r = SSH_E_NOMEM;
		else if ((n = read(fd, to, want < 65536 ? want : 65536)) > 0)
			buf_commit(b, (size_t)n);
		else if (n < 0 && errno != EINTR)
			r = parse_fail(p->error, &at, "%s", strerror(errno));
		else if (n < 0)
			n = 1;
	}
	close(fd);
	return r;
}

static int include_files(struct parser *p, const glob_t *g)
{
	const struct parser before = *p;
	int r;

	for (size_t i = 0; i < g->gl_pathc; i++) {
		TRY(load_file(p, g->gl_pathv[i]));
		*p = before;	/* each file begins in the block of the Include */
	}
	return SSH_OK;
}

/* A pattern that matches nothing is no error: that is what directories of snippets are for. */
static int include(struct parser *p, const char *pattern)
{
	struct loader *l = p->ctx;
	char *full = NULL;
	glob_t g;
	int r;

	if (l->depth + 1 >= CONF_INCLUDE_DEPTH)
		return parse_fail(p->error, &p->at, "Too many recursive configuration includes");
	if (asprintf(&full, "%s%s%s", pattern[0] == '/' ? "" : l->dir, pattern[0] == '/' ? "" : "/", pattern) < 0)
		return SSH_E_NOMEM;
	r = glob(full, 0, NULL, &g);
	free(full);
	if (r == GLOB_NOMATCH)
		return SSH_OK;
	if (r != 0)
		return r == GLOB_NOSPACE ? SSH_E_NOMEM :
		    parse_fail(p->error, &p->at, "cannot read the directory of '%.120s'", pattern);
	l->depth++;
	r = include_files(p, &g);
	l->depth--;
	globfree(&g);
	return r;
}

static int load_file(struct parser *p, const char *path)
{
	struct buf text;
	int r;

	buf_init(&text, CONF_FILE_MAX + 1, NULL);
	r = read_file(p, path, &text);
	if (r == SSH_OK)
		r = parse_text(p, path, (const char *)buf_head(&text), buf_len(&text));
	buf_drop(&text);
	return r;
}

static int load_options(struct parser *p, const char *const *options, size_t n)
{
	int r;

	p->option = 1;
	for (size_t i = 0; i < n; i++) {
		if (strchr(options[i], '\n') != NULL)
			return parse_fail(p->error, &(struct where){ "command-line", 0 }, "option with a newline");
		TRY(parse_text(p, "command-line", options[i], strlen(options[i])));
	}
	p->option = 0;
	return SSH_OK;
}

/* Ports of the command line stand instead of those of the file, as with sshd -p. */
static void drop_ports(struct conf *c, size_t from)
{
	size_t kept = from;
	int given = 0;

	for (size_t i = 0; i < from; i++)
		given |= c->line[i].key->key == KEY_Port;
	for (size_t i = from; i < c->lines; i++) {
		if (given && c->line[i].key->key == KEY_Port)
			words_drop(&c->line[i].words);
		else
			c->line[kept++] = c->line[i];
	}
	c->lines = kept;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("") : strndup(path, (size_t)(slash - path));
}

static int load(struct parser *p, const char *path, const char *const *options, size_t n)
{
	size_t from;
	int r;

	TRY(load_options(p, options, n));
	from = p->conf->options = p->conf->lines;
	p->include = include;
	if (path != NULL)
		TRY(load_file(p, path));
	drop_ports(p->conf, from);
	return SSH_OK;
}

int conf_load(struct conf **conf, const char *path, const char *const *options, size_t n, struct conf_error *e)
{
	char cwd[PATH_MAX];
	struct loader l = { .dir = directory_of(path != NULL ? path : "") };
	struct parser p = { .conf = parse_new(), .error = e, .ctx = &l, .cwd = getcwd(cwd, sizeof cwd) };
	int r = l.dir != NULL && p.conf != NULL ? load(&p, path, options, n) : SSH_E_NOMEM;

	free(l.dir);
	if (r < 0) {
		conf_free(p.conf);
		if (r == SSH_E_NOMEM && e != NULL)
			snprintf(e->text, sizeof e->text, "out of memory");
		return r;
	}
	*conf = p.conf;
	return SSH_OK;
}
