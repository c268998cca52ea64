#include "guard/keyfind.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "guard/authkeys.h"
#include "guard/strict.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"

struct work {
	const struct keyfind *k;
	const struct helper_ask *ask;
	struct helper_answer *a;
	struct buf *out;		/* holds the answer's texts */
	const char *file;		/* being read */
};

/* A copy of n bytes in out; its storage was reserved whole, so earlier views stay. */
static struct view keep(struct work *w, const void *p, size_t n)
{
	size_t at = buf_len(w->out);

	if (n > 0 && buf_append(w->out, p, n) < 0)
		return view_of(NULL, 0);
	return view_of(buf_head(w->out) + at, n);
}

static void say(struct work *w, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void say(struct work *w, enum log_level level, const char *fmt, ...)
{
	struct helper_line *l = &w->a->lines[w->a->nlines];
	char text[HELPER_LINE_MAX];
	va_list ap;

	if (w->a->nlines == HELPER_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	l->level = level;
	l->text = keep(w, text, strlen(text));
	w->a->nlines++;
}

static void on_line(void *ctx, unsigned line, const char *sentence)
{
	struct work *w = ctx;

	say(w, LOGL_INFO, "%s:%u: %s", w->file, line, sentence);
}

/* The whole file, at most STRICT_FILE_MAX; valid until the next one. */
static struct view read_file(int fd)
{
	static uint8_t text[STRICT_FILE_MAX];	/* the kernel gives what is touched, once in a process's life */
	size_t len = 0;
	ssize_t r = 1;

	while (len < sizeof text && r != 0) {
		r = read(fd, text + len, sizeof text - len);
		if (r < 0 && errno != EINTR)
			break;
		if (r > 0)
			len += (size_t)r;
	}
	return view_of(text, len);
}

static enum authkeys_found search_file(struct work *w, const char *path, struct authopts *o)
{
	struct authkeys_query q = { .blob = w->ask->blob, .peer = w->ask->peer, .now = (int64_t)time(NULL) };
	struct strict_owner owner = { .uid = w->k->uid, .home = w->k->home, .check = w->k->strict };
	char why[HELPER_LINE_MAX];
	int fd = strict_open(path, &owner, why, sizeof why);
	enum authkeys_found found;
	unsigned line = 0;
	struct view text;

	if (fd < 0) {
		if (why[0] != '\0')
			say(w, LOGL_INFO, "%s", why);
		return AUTHKEYS_NO;
	}
	text = read_file(fd);
	close(fd);
	w->file = path;
	found = authkeys_search(text, &q, o, &line, on_line, w);
	if (found == AUTHKEYS_YES)
		say(w, LOGL_DEBUG, "%s:%u: matching key found", path, line);
	return found;
}

static int authorised(struct work *w, struct authopts *o)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < w->k->nfiles; i++) {
		const char *f = w->k->files[i];

		if (strcmp(f, "none") == 0)
			continue;
		if (strict_expand(path, sizeof path, f, w->k->user, w->k->home, w->k->uid) < 0)
			say(w, LOGL_WARN, "AuthorizedKeysFile %s cannot be expanded", f);
		else if (search_file(w, path, o) == AUTHKEYS_YES)
			return 1;
	}
	return 0;
}

/* Is the algorithm one of this very key type? The names must be one value (RFC 8332 3). */
static const struct sig_alg *row_for(const struct helper_ask *q)
{
	const struct sig_alg *row = sig_alg_find(q->alg);
	struct rd r = rd_view(q->blob);
	struct view name = rd_string(&r, SSH_ALG_NAME_MAX);

	return row != NULL && !row->cert && view_is(name, row->key_name) ? row : NULL;
}

static int verified(const struct work *w, const struct sig_alg *row)
{
	const struct helper_ask *q = w->ask;
	struct pubkey *key;
	struct buf text;
	enum verdict v = VERIFY_REJECT;

	if (q->session_id.len == 0 || pubkey_parse(&key, q->blob, NULL) < 0)
		return 0;
	buf_init(&text, HELPER_MESSAGE_MAX, NULL);
	if (ssh_auth_key_text(&text, q->session_id, view_str(w->k->user), q->service, q->alg, q->blob, q->hostkey) == SSH_OK)
		v = pubkey_verify(key, row, view_of(buf_head(&text), buf_len(&text)), q->sig);
	buf_drop(&text);
	pubkey_free(key);
	return v == VERIFY_ACCEPT;
}

void keyfind_answer(const struct keyfind *k, const struct helper_ask *ask, struct helper_answer *a, struct buf *out)
{
	struct work w = { .k = k, .ask = ask, .a = a, .out = out };
	const struct sig_alg *row = row_for(ask);
	struct authopts o;
	int yes;

	memset(a, 0, sizeof *a);
	memset(&o, 0, sizeof o);
	buf_consume(out, buf_len(out));
	if (buf_reserve(out, AUTHOPTS_TEXT_MAX + HELPER_LINES * HELPER_LINE_MAX) == NULL)
		return;
	yes = row != NULL && authorised(&w, &o);
	if (yes && ask->what == HELPER_VERIFY)
		yes = verified(&w, row);
	if (yes) {
		a->permits = o.permits;
		a->has_command = o.command != NULL;
		a->command = o.command != NULL ? keep(&w, o.command, strlen(o.command)) : view_of(NULL, 0);
		a->verdict = a->has_command && a->command.p == NULL ? HELPER_NO : HELPER_YES;
	}
	authopts_drop(&o);
}
