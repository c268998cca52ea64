/* dump - values as the lines `sshd -T` prints, which read back as the same values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"
#include "conf/names.h"
#include "conf/supervise.h"
#include "conf/value.h"

static int put(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

static int put_keyword(struct buf *b, const struct keyword *k)
{
	int r;

	for (const char *p = k->name; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;

		TRY(buf_append(b, &c, 1));
	}
	return put(b, " ");
}

static int put_line(struct buf *b, const struct keyword *k, const char *text)
{
	int r;

	TRY(put_keyword(b, k));
	if (*text == '=')
		TRY(put(b, "= "));	/* else it would be read as the one between keyword and value */
	TRY(put(b, text));
	return put(b, "\n");
}

static int put_words(struct buf *b, const struct keyword *k, char *const *v, size_t n)
{
	int r;

	TRY(put_keyword(b, k));
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			TRY(put(b, " "));
		TRY(words_quote(b, v[i]));
	}
	return put(b, "\n");
}

static int put_number(struct buf *b, const struct keyword *k, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, n);
	return put_line(b, k, text);
}

static int put_named(struct buf *b, const struct keyword *k, const struct conf_list *l)
{
	int sftp = 0, r;

	for (size_t i = 0; i < l->n; i++) {
		TRY(put_line(b, k, l->v[i]));
		sftp |= strncmp(l->v[i], "sftp ", 5) == 0;
	}
	return sftp ? SSH_OK : put_line(b, k, "sftp none");	/* or the reader would add the default */
}

static int put_list(struct buf *b, const struct keyword *k, const struct conf_list *l)
{
	int r;

	if (keyword_form(k) == FORM_NAMED)
		return put_named(b, k, l);
	if (keyword_form(k) == FORM_ONCE)
		return l->n > 0 ? put_words(b, k, l->v, l->n) : put_line(b, k, "none");
	for (size_t i = 0; i < l->n; i++)
		TRY(put_words(b, k, l->v + i, 1));
	return SSH_OK;
}

static int put_string(struct buf *b, const struct keyword *k, char *s)
{
	if (s == NULL)
		return put_line(b, k, "none");
	return keyword_form(k) == FORM_ONE ? put_words(b, k, &s, 1) : put_line(b, k, s);
}

static int put_startups(struct buf *b, const struct keyword *k, const struct conf_startups *s)
{
	char text[48];

	snprintf(text, sizeof text, "%u:%u:%u", s->begin, s->rate, s->full);
	return put_line(b, k, text);
}

static int put_supervise(struct buf *b, const struct keyword *k, const struct conf_supervise *s)
{
	char text[200];
	int r;

	for (size_t i = 0; i < CONF_NODES; i++) {
		supervise_text(s, i, text, sizeof text);
		TRY(put_line(b, k, text));
	}
	return SSH_OK;
}

static int put_value(struct buf *b, const struct keyword *k, const void *p)
{
	switch (k->type) {
	case TYPE_BOOL:
		return put_line(b, k, names_word(names_bool, *(const int *)p));
	case TYPE_INT:
		return put_number(b, k, *(const int64_t *)p);
	case TYPE_TIME:
		return put_number(b, k, *(const uint32_t *)p);
	case TYPE_STRING:
		return put_string(b, k, *(char *const *)p);
	case TYPE_LIST:
		return put_list(b, k, p);
	case TYPE_ALGS:
		return put_line(b, k, *(char *const *)p);
	case TYPE_ROOT:
		return put_line(b, k, names_word(names_root, (int)*(const enum conf_root *)p));
	case TYPE_FAMILY:
		return put_line(b, k, names_word(names_family, (int)*(const enum conf_family *)p));
	case TYPE_LEVEL:
		return put_line(b, k, names_word(names_level, (int)*(const enum log_level *)p));
	case TYPE_FACILITY:
		return put_line(b, k, names_word(names_facility, *(const int *)p));
	case TYPE_FORMAT:
		return put_line(b, k, names_word(names_format, (int)*(const enum conf_log_format *)p));
	case TYPE_STARTUPS:
		return put_startups(b, k, p);
	case TYPE_COMPRESSION:
		return put_line(b, k, names_word(names_compression, *(const int *)p));
	case TYPE_PROXY:
		return put_line(b, k, names_word(names_proxy, (int)*(const enum conf_proxy *)p));
	case TYPE_SUPERVISE:
		return put_supervise(b, k, p);
	}
	return SSH_E_BUG;
}

int conf_dump(const struct conf_values *v, struct buf *b)
{
	const struct keyword *k;
	int r;

	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		TRY(put_value(b, k, (const char *)v + k->offset));
	return SSH_OK;
}

/* ---- what differs ---- */

/* "port 22\nport 23\n" -> "22, 23" */
static int value_text(const struct keyword *k, const struct conf_values *v, struct buf *b)
{
	size_t skip = strlen(k->name) + 1, n = 0;
	char *p;
	int r;

	TRY(put_value(b, k, (const char *)v + k->offset));
	TRY(buf_append(b, "", 1));
	p = (char *)buf_head(b);
	for (char *line = p, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		size_t len = (size_t)(end - line) - skip;

		if (n > 0) {
			memcpy(p + n, ", ", 2);
			n += 2;
		}
		memmove(p + n, line + skip, len);	/* never longer than the line was */
		n += len;
	}
	p[n] = '\0';
	return SSH_OK;
}

int conf_diff(const struct conf_values *was, const struct conf_values *is,
    int (*tell)(void *ctx, const char *keyword, int restart, const char *was, const char *is), void *ctx)
{
	const struct keyword *k;
	struct buf a, b;
	int r = SSH_OK;

	buf_init(&a, CONF_FILE_MAX, NULL);
	buf_init(&b, CONF_FILE_MAX, NULL);
	for (size_t i = 0; r == SSH_OK && (k = keyword_at(i)) != NULL; i++) {
		buf_truncate(&a, 0);
		buf_truncate(&b, 0);
		if ((r = value_text(k, was, &a)) < 0 || (r = value_text(k, is, &b)) < 0)
			break;
		if (strcmp((const char *)buf_head(&a), (const char *)buf_head(&b)) != 0)
			r = tell(ctx, k->name, k->effect == EFFECT_START, (const char *)buf_head(&a), (const char *)buf_head(&b));
	}
	buf_drop(&a);
	buf_drop(&b);
	return r;
}
