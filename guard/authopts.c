#include "guard/authopts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/err.h"
#include "ipc/permits.h"

#define PERMIT_NOTHING 0u

struct parser {
	struct authopts *o;
	struct view in;		/* what is left */
	const char *why;
};

static int fail(struct parser *p, const char *why)
{
	p->why = why;
	return SSH_E_FORMAT;
}

static void skip(struct view *v, size_t n)
{
	v->p += n;
	v->len -= n;
}

/* ---- values --------------------------------------------------------------------- */

/* "text" with \" for a quote, as a string of its own. */
static int dequote(struct parser *p, char **res)
{
	char *out;
	size_t n = 0, i = 1;

	*res = NULL;
	if (p->in.len == 0 || p->in.p[0] != '"')
		return fail(p, "missing start quote");
	if (p->in.len > AUTHOPTS_TEXT_MAX)
		return fail(p, "option too long");
	if ((out = malloc(p->in.len)) == NULL)
		return SSH_E_NOMEM;
	for (; i < p->in.len && p->in.p[i] != '"'; i++) {
		if (p->in.p[i] == '\\' && i + 1 < p->in.len && p->in.p[i + 1] == '"')
			i++;
		out[n++] = (char)p->in.p[i];
	}
	if (i >= p->in.len) {
		free(out);
		return fail(p, "missing end quote");
	}
	out[n] = '\0';
	skip(&p->in, i + 1);
	*res = out;
	return SSH_OK;
}

static int set_once(struct parser *p, char **where, const char *why)
{
	char *text;
	int r;

	TRY(dequote(p, &text));
	if (*where != NULL) {
		free(text);
		return fail(p, why);
	}
	*where = text;
	return SSH_OK;
}

static int on_command(struct parser *p)
{
	return set_once(p, &p->o->command, "multiple \"command\" clauses");
}

static int on_from(struct parser *p)
{
	return set_once(p, &p->o->from, "multiple \"from\" clauses");
}

static int on_expiry(struct parser *p)
{
	char *text;
	int64_t at;
	int r;

	TRY(dequote(p, &text));
	r = authopts_time(view_str(text), &at);
	free(text);
	if (r < 0)
		return fail(p, "invalid expires time");
	if (!p->o->expires || at < p->o->expiry)	/* given twice: the earlier */
		p->o->expiry = at;
	p->o->expires = 1;
	return SSH_OK;
}

/* Values of options we know and do not act on; they must be well-formed all the same. */
static int on_ignored(struct parser *p)
{
	char *text;
	int r;

	TRY(dequote(p, &text));
	free(text);
	return SSH_OK;
}

static int on_environment(struct parser *p)
{
	char *text, *eq;
	int r, bad;

	TRY(dequote(p, &text));
	eq = strchr(text, '=');
	bad = eq == NULL || eq == text;
	for (const char *c = text; !bad && c < eq; c++)
		bad = !((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_');
	free(text);	/* PermitUserEnvironment does not exist here, which is its default in sshd */
	return bad ? fail(p, "invalid environment string") : SSH_OK;
}

/* A list of places is a restriction; until forwarding knows it, nothing is allowed. */
static int on_places(struct parser *p)
{
	int r;

	TRY(on_ignored(p));
	p->o->permits &= ~PERMIT_FORWARD;
	return SSH_OK;
}

/* ---- flags ---------------------------------------------------------------------- */

static const struct { const char *name; uint32_t bit; } flags[] = {
	{ "port-forwarding", PERMIT_FORWARD }, { "agent-forwarding", PERMIT_AGENT }, { "x11-forwarding", PERMIT_X11 },
	{ "pty", PERMIT_PTY }, { "user-rc", PERMIT_USER_RC },
	/* for keys on FIDO tokens, which no algorithm of ours knows: no such key gets this far */
	{ "touch-required", PERMIT_NOTHING },
};

static const struct { const char *name; int (*take)(struct parser *); } valued[] = {
	{ "command=", on_command }, { "from=", on_from }, { "expiry-time=", on_expiry },
	{ "environment=", on_environment }, { "principals=", on_ignored }, { "tunnel=", on_ignored },
	{ "permitopen=", on_places }, { "permitlisten=", on_places },
};

/* Does the rest start with name as a whole word? */
static int word(const struct parser *p, const char *name)
{
	size_t n = strlen(name);

	return p->in.len >= n && strncasecmp((const char *)p->in.p, name, n) == 0 &&
	    (p->in.len == n || p->in.p[n] == ',');
}

/* 1: a flag, taken; 0: none of them. */
static int take_flag(struct parser *p)
{
	struct authopts *o = p->o;
	struct parser at = *p;
	int off = 0;

	if (word(p, "restrict"))
		return o->permits = PERMIT_NOTHING, skip(&p->in, 8), 1;
	if (word(p, "cert-authority"))
		return o->cert_authority = 1, skip(&p->in, 14), 1;
	if (word(p, "verify-required"))
		return skip(&p->in, 15), 1;
	if (at.in.len > 3 && strncasecmp((const char *)at.in.p, "no-", 3) == 0) {
		off = 1;
		skip(&at.in, 3);
	}
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (!word(&at, flags[i].name))
			continue;
		o->permits = off ? o->permits & ~flags[i].bit : o->permits | flags[i].bit;
		skip(&at.in, strlen(flags[i].name));
		p->in = at.in;
		return 1;
	}
	return 0;
}

static int take_one(struct parser *p)
{
	if (take_flag(p))
		return SSH_OK;
	for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++) {
		size_t n = strlen(valued[i].name);

		if (p->in.len < n || strncasecmp((const char *)p->in.p, valued[i].name, n) != 0)
			continue;
		skip(&p->in, n);
		return valued[i].take(p);
	}
	return fail(p, "unknown key option");
}

int authopts_parse(struct authopts *o, struct view options, const char **why)
{
	struct parser p = { .o = o, .in = options };
	int r = SSH_OK;

	memset(o, 0, sizeof *o);
	o->permits = PERMIT_ALL;
	if (options.len > 0 && memchr(options.p, '\0', options.len) != NULL)
		r = fail(&p, "NUL byte");
	while (r == SSH_OK && p.in.len > 0) {
		if ((r = take_one(&p)) < 0 || p.in.len == 0)
			break;
		if (p.in.p[0] != ',')
			r = fail(&p, "unknown key option");
		else if (p.in.len == 1)
			r = fail(&p, "unexpected end-of-options");
		else
			skip(&p.in, 1);
	}
	*why = r == SSH_E_FORMAT ? p.why : err_text(r);
	return r;
}

void authopts_drop(struct authopts *o)
{
	free(o->command);
	free(o->from);
	o->command = o->from = NULL;
}

size_t authopts_span(struct view line)
{
	int quoted = 0;

	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.p[i];

		if (c == '\\' && i + 1 < line.len && line.p[i + 1] == '"')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ' ' || c == '\t'))
			return i;
	}
	return quoted ? SIZE_MAX : line.len;
}

/* ---- times ---------------------------------------------------------------------- */

static int two_digits(const uint8_t *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

int authopts_time(struct view text, int64_t *at)
{
	struct tm tm = { .tm_isdst = -1 }, same;
	int utc = text.len > 0 && text.p[text.len - 1] == 'Z';
	size_t n = text.len - (size_t)utc;
	time_t t;

	if (n != 8 && n != 12 && n != 14)
		return SSH_E_FORMAT;
	for (size_t i = 0; i < n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return SSH_E_FORMAT;
	tm.tm_year = two_digits(text.p) * 100 + two_digits(text.p + 2) - 1900;
	tm.tm_mon = two_digits(text.p + 4) - 1;
	tm.tm_mday = two_digits(text.p + 6);
	tm.tm_hour = n >= 12 ? two_digits(text.p + 8) : 0;
	tm.tm_min = n >= 12 ? two_digits(text.p + 10) : 0;
	tm.tm_sec = n == 14 ? two_digits(text.p + 12) : 0;
	same = tm;
	t = utc ? timegm(&tm) : mktime(&tm);
	/* The 31st of a month with 30 days comes back as another day. */
	if (t < 0 || tm.tm_mday != same.tm_mday || tm.tm_mon != same.tm_mon || same.tm_hour > 23 || same.tm_min > 59 ||
	    same.tm_sec > 59)
		return SSH_E_FORMAT;
	*at = (int64_t)t;
	return SSH_OK;
}
