#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "ssh/base64.h"
#include "ssh/keyfile_internal.h"

/* pem - text files in lines, and the armour of RFC 7468 around keys. */

#define DASHES "-----"

int lines_next(struct lines *l, struct view *line)
{
	const uint8_t *end;
	size_t n;

	if (l->rest.len == 0)
		return 0;
	end = memchr(l->rest.p, '\n', l->rest.len);
	n = end != NULL ? (size_t)(end - l->rest.p) : l->rest.len;
	*line = view_of(l->rest.p, n > 0 && l->rest.p[n - 1] == '\r' ? n - 1 : n);
	n += end != NULL;
	l->rest = view_of(l->rest.p + n, l->rest.len - n);
	l->number++;
	return 1;
}

static int blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct view view_trim(struct view v)
{
	while (v.len > 0 && blank(v.p[0]))
		v = view_of(v.p + 1, v.len - 1);
	while (v.len > 0 && blank(v.p[v.len - 1]))
		v.len--;
	return v;
}

int view_begins(struct view v, const char *words)
{
	size_t n = strlen(words);

	return v.len >= n && memcmp(v.p, words, n) == 0;
}

int keyfile_fail(struct keyfile_fault *f, int error, unsigned line, const char *why)
{
	if (f->why == NULL) {
		f->line = line;
		f->why = why;
	}
	return error;
}

/* The label of "-----BEGIN label-----"; empty for any other line. */
static struct view label_of(struct view line, const char *word)
{
	size_t head = strlen(DASHES) + strlen(word), tail = strlen(DASHES);

	line = view_trim(line);
	if (line.len < head + tail || !view_begins(line, DASHES) || memcmp(line.p + strlen(DASHES), word, strlen(word)) != 0 ||
	    memcmp(line.p + line.len - tail, DASHES, tail) != 0)
		return view_of(NULL, 0);
	return view_of(line.p + head, line.len - head - tail);
}

/* RFC 1421 4.6 as OpenSSL writes it: up to an empty line. */
static int headers(struct lines *l, struct pem *p, struct keyfile_fault *f)
{
	struct lines ahead = *l;
	struct view line;
	int any = 0;

	while (lines_next(&ahead, &line) && line.len > 0 && memchr(line.p, ':', line.len) != NULL) {
		any = 1;
		*l = ahead;
		if (view_begins(line, "DEK-Info:"))
			p->dek = view_trim(view_of(line.p + 9, line.len - 9));
	}
	if (any && (ahead.number == l->number || view_trim(line).len > 0))
		return keyfile_fail(f, SSH_E_KEYFILE, ahead.number, "no empty line behind the headers");
	if (any)
		*l = ahead;
	return SSH_OK;
}

/* Lines are no groups: OpenSSH's have 70 characters. */
static int decode(struct pem *p, struct view text, unsigned first, struct keyfile_fault *f)
{
	size_t at;
	int r = base64_decode(&p->body, text, 1, &at);

	if (r == SSH_OK)
		return buf_len(&p->body) > 0 ? SSH_OK : keyfile_fail(f, SSH_E_KEYFILE, first, "there is nothing between BEGIN and END");
	if (r != SSH_E_FORMAT)
		return keyfile_fail(f, r == SSH_E_FULL ? SSH_E_KEYFILE : r, first, "too long for a key");
	if (at >= text.len)
		return keyfile_fail(f, SSH_E_KEYFILE, first, "base64 that is cut off");
	for (size_t i = 0; i < at; i++)
		first += text.p[i] == '\n';
	return keyfile_fail(f, SSH_E_KEYFILE, first, "not base64");
}

int pem_next(struct lines *l, struct pem *p, struct keyfile_fault *f)
{
	struct view line, end, text;
	unsigned first;
	int r;

	p->dek = view_of(NULL, 0);
	do
		if (!lines_next(l, &line))
			return keyfile_fail(f, SSH_E_KEYFILE, 0, "no private key in it: there is no line -----BEGIN ...-----");
	while ((p->label = label_of(line, "BEGIN ")).len == 0);
	p->line = l->number;
	TRY(headers(l, p, f));
	text = l->rest;
	first = l->number + 1;
	while (lines_next(l, &line)) {
		if (line.len == 0 || line.p[0] != '-')
			continue;
		if ((end = label_of(line, "END ")).len == 0)
			return keyfile_fail(f, SSH_E_KEYFILE, l->number, "not base64, and no END line");
		if (!view_same(end, p->label))
			return keyfile_fail(f, SSH_E_KEYFILE, l->number, "the END line is another one's than the BEGIN line");
		return decode(p, view_of(text.p, (size_t)(line.p - text.p)), first, f);
	}
	return keyfile_fail(f, SSH_E_KEYFILE, l->number, "the END line is missing");
}
