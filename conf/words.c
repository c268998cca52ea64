#include "conf/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

struct cursor { const char *p, *end; };

static int blank(char c)
{
	return c == ' ' || c == '\t';
}

static int escapes(const struct cursor *c, char quote)
{
	char next;

	if (*c->p != '\\' || c->p + 1 == c->end)
		return 0;
	next = c->p[1];
	return next == '\'' || next == '"' || next == '\\' || (quote == 0 && next == ' ');
}

/*
 * The next word. 1: its bytes are at out (NULL: only counted) and *len of them; 0: there is none; -1: a quote is
 * left open. c->p stands behind the word, *start is where it began.
 */
static int next_word(struct cursor *c, char *out, size_t *len, const char **start)
{
	char quote = 0;
	size_t n = 0;

	while (c->p < c->end && blank(*c->p))
		c->p++;
	if (c->p == c->end || *c->p == '#')
		return 0;
	for (*start = c->p; c->p < c->end && (quote != 0 || !blank(*c->p)); c->p++) {
		if (escapes(c, quote)) {
			c->p++;
		} else if (quote == 0 && (*c->p == '"' || *c->p == '\'')) {
			quote = *c->p;
			continue;
		} else if (quote != 0 && *c->p == quote) {
			quote = 0;
			continue;
		}
		if (out != NULL)
			out[n] = *c->p;
		n++;
	}
	*len = n;
	return quote == 0 ? 1 : -1;
}

/* How many words, and how many bytes they need with a NUL each. */
static int count(struct cursor c, size_t *words, size_t *bytes)
{
	const char *start;
	size_t len;
	int r;

	for (*words = *bytes = 0; (r = next_word(&c, NULL, &len, &start)) > 0; (*words)++)
		*bytes += len + 1;
	return r < 0 ? SSH_E_CONFIG : SSH_OK;
}

int words_split(struct words *w, const char *text, size_t len, size_t *second, size_t *end)
{
	struct cursor c = { text, text + len };
	const char *start = text;	/* gcc 14 cannot know that count() has seen all of them */
	size_t n, bytes, used;
	char *out;
	int r;

	memset(w, 0, sizeof *w);
	TRY(count(c, &n, &bytes));
	if ((w->v = malloc((n + 1) * sizeof *w->v + bytes)) == NULL)
		return SSH_E_NOMEM;
	out = (char *)(w->v + n + 1);
	for (w->n = 0; w->n < n; w->n++) {
		next_word(&c, out, &used, &start);
		if (w->n == 1 && second != NULL)
			*second = (size_t)(start - text);
		if (end != NULL)
			*end = (size_t)(c.p - text);
		out[used] = '\0';
		w->v[w->n] = out;
		out += used + 1;
	}
	w->v[n] = NULL;
	return SSH_OK;
}

void words_drop(struct words *w)
{
	free(w->v);
	memset(w, 0, sizeof *w);
}

int words_plain(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

	return word[0] != '\0' && word[0] != '=' && word[strspn(word, safe)] == '\0';
}

/* Everything a splitter or the end of a line would take for something else. */
static int needs_quotes(const char *word)
{
	return word[0] == '\0' || word[0] == '#' || word[0] == '=' || word[strcspn(word, " \t\r\f\"'\\")] != '\0';
}

int words_quote(struct buf *b, const char *word)
{
	int r;

	if (!needs_quotes(word))
		return buf_append(b, word, strlen(word));
	TRY(buf_append(b, "\"", 1));
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\')
			TRY(buf_append(b, "\\", 1));
		TRY(buf_append(b, word, 1));
	}
	return buf_append(b, "\"", 1);
}
