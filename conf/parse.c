#include "conf/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"
#include "conf/match.h"
#include "conf/value.h"

#define NAME_MAX_ 64u	/* longer than any keyword */

int parse_fail(struct conf_error *e, const struct where *at, const char *fmt, ...)
{
	char place[220];
	va_list ap;
	int n;

	if (e == NULL)
		return SSH_E_CONFIG;
	snprintf(place, sizeof place, at->line > 0 ? "%.180s line %u: " : "%.180s: ", at->file, at->line);
	n = snprintf(e->text, sizeof e->text, "%s", place);
	va_start(ap, fmt);
	vsnprintf(e->text + n, sizeof e->text - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = e->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';	/* it will be printed on a terminal */
	return SSH_E_CONFIG;
}

static int fail_(struct parser *p, const char *sentence)
{
	return parse_fail(p->error, &p->at, "%s", sentence);
}

struct conf *parse_new(void)
{
	struct conf *c = calloc(1, sizeof *c);

	if (c == NULL || (c->block = calloc(1, sizeof *c->block)) == NULL) {
		free(c);
		return NULL;
	}
	c->blocks = c->block_room = 1;
	c->block[0].all = 1;
	return c;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->lines; i++) {
		words_drop(&c->line[i].words);
		free(c->line[i].text);
	}
	for (size_t i = 0; i < c->blocks; i++)
		match_drop(&c->block[i]);
	free(c->line);
	free(c->block);
	free(c);
}

/* Room for one more of n elements of size bytes each. */
static int grow(void **v, size_t *room, size_t n, size_t size)
{
	size_t more = *room > 0 ? *room * 2 : 16;
	void *grown;

	if (n < *room)
		return SSH_OK;
	if ((grown = reallocarray(*v, more, size)) == NULL)
		return SSH_E_NOMEM;
	*v = grown;
	*room = more;
	return SSH_OK;
}

/* ---- one line ---- */

/* What is left of a line behind its keyword, and the words of that. */
struct rest { const char *p; size_t len; struct words words; size_t second, end; };

static int blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static int parse_match(struct parser *p, const struct words *w)
{
	struct conf *c = p->conf;
	struct block *b;
	void *v = c->block;
	int r;

	if (p->option)
		return fail_(p, "Match directive not supported as a command-line option");
	if (grow(&v, &c->block_room, c->blocks, sizeof *c->block) < 0)
		return SSH_E_NOMEM;
	c->block = v;
	b = &c->block[c->blocks++];
	memset(b, 0, sizeof *b);
	TRY(match_parse(b, w, p->error, &p->at));
	b->parent = p->outer;
	b->all = b->n == 0 && c->block[b->parent].all;
	p->block = c->blocks - 1;
	return SSH_OK;
}

static int parse_include(struct parser *p, const struct words *w)
{
	struct parser before = *p;
	int r;

	if (p->option)
		return fail_(p, "Include directive not supported as a command-line option");
	if (p->include == NULL)
		return fail_(p, "Include is not allowed here");
	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i][0] == '\0')
			return fail_(p, "keyword Include empty argument");
		p->outer = p->block;
		r = p->include(p, w->v[i]);
		*p = before;	/* a Match ends with its file */
		if (r < 0)
			return r;
	}
	return SSH_OK;
}

/* A keyword of OpenSSH that we lack is fine as long as it asks for what we do anyway. */
static int parse_other(struct parser *p, const char *name, const struct words *w)
{
	const char *accepted, *official = keyword_other(name, &accepted);

	if (official == NULL)
		return parse_fail(p->error, &p->at, "Bad configuration option: %.100s", name);
	if (accepted != NULL && (accepted[0] == '*' || (w->n == 1 && strcasecmp(w->v[0], accepted) == 0)))
		return SSH_OK;
	if (accepted != NULL)
		return parse_fail(p->error, &p->at, "option %s of OpenSSH is not implemented here (except as '%s %s')",
		    official, official, accepted);
	return parse_fail(p->error, &p->at, "option %s of OpenSSH is not implemented here", official);
}

/* The right number of words, none of them empty. */
static int check_words(struct parser *p, const struct keyword *k, const struct words *w)
{
	enum conf_form f = keyword_form(k);
	size_t most = f == FORM_ONE || f == FORM_EACH ? 1 : f == FORM_REKEY ? 2 : SIZE_MAX;

	if (f == FORM_NAMED && w->n == 1)
		return parse_fail(p->error, &p->at, "Missing subsystem command for '%.100s'", w->v[0]);
	if (w->n > most)
		return parse_fail(p->error, &p->at, "keyword %s extra arguments at end of line", k->name);
	for (size_t i = 0; i < w->n && f != FORM_TEXT; i++)
		if (w->v[i][0] == '\0')
			return parse_fail(p->error, &p->at, "keyword %s empty argument", k->name);
	return SSH_OK;
}

/* The value as written, for the forms that want it. */
static int raw_text(struct line *l, const struct rest *rest)
{
	enum conf_form f = keyword_form(l->key);

	if (f == FORM_TEXT)
		l->text = strndup(rest->p, rest->len);
	else if (f == FORM_NAMED && l->words.n == 2 && words_plain(l->words.v[1]))
		l->text = strdup(l->words.v[1]);
	else if (f == FORM_NAMED)
		l->text = strndup(rest->p + rest->second, rest->end - rest->second);
	else
		return SSH_OK;
	return l->text != NULL ? SSH_OK : SSH_E_NOMEM;
}

/* "host_key" -> "/where/we/are/host_key": the daemon will run elsewhere. */
static int absolute(const struct parser *p, struct line *l)
{
	struct words made = { .n = 1 };
	const char *path = l->words.v[0];
	size_t need;

	if (p->cwd == NULL || !keyword_is_path(l->key) || path[0] == '/' || strcasecmp(path, "none") == 0)
		return SSH_OK;
	need = strlen(p->cwd) + strlen(path) + 2;
	if ((made.v = malloc(2 * sizeof *made.v + need)) == NULL)
		return SSH_E_NOMEM;
	made.v[0] = (char *)(made.v + 2);
	made.v[1] = NULL;
	snprintf(made.v[0], need, "%s/%s", p->cwd, path);
	words_drop(&l->words);
	l->words = made;
	return SSH_OK;
}

/* Tries the value on a scratch copy, so that resolving cannot meet a bad one. */
static int check_value(struct parser *p, const struct line *l)
{
	struct conf_values scratch = { .Port = { NULL, 0 } };
	char why[CONF_WHY_MAX - 100] = "";
	int r = value_set(l->key, &scratch, &l->words, l->text, why, sizeof why);

	value_drop(l->key, &scratch);
	return r == SSH_E_CONFIG ? fail_(p, why) : r;
}

/* Takes the words of rest. */
static int parse_ours(struct parser *p, const struct keyword *k, struct rest *rest)
{
	struct conf *c = p->conf;
	struct line *l;
	void *v = c->line;
	int r;

	if (!k->match && !c->block[p->block].all)
		return parse_fail(p->error, &p->at, "Directive '%s' is not allowed within a Match block", k->name);
	TRY(check_words(p, k, &rest->words));
	if (grow(&v, &c->line_room, c->lines, sizeof *c->line) < 0)
		return SSH_E_NOMEM;
	c->line = v;
	l = &c->line[c->lines++];
	*l = (struct line){ .key = k, .words = rest->words, .block = k->match ? p->block : 0 };
	memset(&rest->words, 0, sizeof rest->words);
	TRY(raw_text(l, rest));
	TRY(absolute(p, l));
	return check_value(p, l);
}

static int parse_keyword(struct parser *p, const char *name, struct rest *rest)
{
	const struct keyword *k = keyword_find(name);

	if (rest->words.n == 0)
		return parse_fail(p->error, &p->at, "no argument after keyword \"%s\"", name);
	if (k != NULL)
		return parse_ours(p, k, rest);
	if (strcasecmp(name, "Match") == 0)
		return parse_match(p, &rest->words);
	if (strcasecmp(name, "Include") == 0)
		return parse_include(p, &rest->words);
	return parse_other(p, name, &rest->words);
}

/* A line without its newline. */
static int parse_line(struct parser *p, const char *s, size_t len)
{
	const char *end = s + len, *start;
	char name[NAME_MAX_ + 1];
	struct rest rest;
	int r;

	if (memchr(s, '\0', len) != NULL)
		return fail_(p, "NUL byte");
	while (s < end && blank(end[-1]))
		end--;
	while (s < end && blank(*s))
		s++;
	if (s == end || *s == '#')
		return SSH_OK;
	for (start = s; s < end && !blank(*s) && *s != '='; )
		s++;
	snprintf(name, sizeof name, "%.*s", (int)(s - start < (long)NAME_MAX_ ? s - start : (long)NAME_MAX_), start);
	for (int equals = 0; s < end && (blank(*s) || (*s == '=' && !equals)); s++)
		equals |= *s == '=';
	rest = (struct rest){ .p = s, .len = (size_t)(end - s) };
	r = words_split(&rest.words, rest.p, rest.len, &rest.second, &rest.end);
	if (r == SSH_E_CONFIG)
		return fail_(p, "invalid quotes");
	if (r == SSH_OK)
		r = parse_keyword(p, name, &rest);
	words_drop(&rest.words);
	return r;
}

int parse_text(struct parser *p, const char *name, const char *text, size_t len)
{
	const char *end = len > 0 ? text + len : text;	/* an empty view may be NULL */
	int r;

	p->at.file = name;
	for (p->at.line = 1; text < end; p->at.line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (newline == NULL)
			newline = end;
		TRY(parse_line(p, text, (size_t)(newline - text)));
		text = newline < end ? newline + 1 : end;
	}
	return SSH_OK;
}

int conf_parse(struct conf **conf, struct view text, const char *name, struct conf_error *e)
{
	struct parser p = { .conf = parse_new(), .error = e };
	int r = p.conf != NULL ? parse_text(&p, name, (const char *)text.p, text.len) : SSH_E_NOMEM;

	if (r < 0) {
		conf_free(p.conf);
		if (r == SSH_E_NOMEM && e != NULL)
			snprintf(e->text, sizeof e->text, "%.180s: out of memory", name);
		return r;
	}
	*conf = p.conf;
	return SSH_OK;
}
