#include "reporter/http.h"

#include <string.h>
#include <strings.h>

/* ---- Accept -------------------------------------------------------------------------------- */

struct range { const char *p, *end; };

static struct range trim(struct range r)
{
	while (r.p < r.end && (*r.p == ' ' || *r.p == '\t'))
		r.p++;
	while (r.p < r.end && (r.end[-1] == ' ' || r.end[-1] == '\t'))
		r.end--;
	return r;
}

static int is(struct range r, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(r.end - r.p) == n && strncasecmp(r.p, word, n) == 0;
}

/* Up to the mark or the end; *rest goes on behind it. */
static struct range cut(struct range *rest, char mark)
{
	const char *at = rest->p < rest->end ? memchr(rest->p, mark, (size_t)(rest->end - rest->p)) : NULL;
	struct range r = { rest->p, at != NULL ? at : rest->end };

	rest->p = at != NULL ? at + 1 : rest->end;
	return trim(r);
}

/* "0.75" as 750; what is no quality counts as 1000. */
static int quality(struct range r)
{
	int value = 0, unit = 1000;

	if (r.p == r.end || (*r.p != '0' && *r.p != '1'))
		return 1000;
	value = (*r.p++ - '0') * 1000;
	if (r.p < r.end && *r.p == '.')
		for (r.p++; r.p < r.end && *r.p >= '0' && *r.p <= '9' && unit > 1; r.p++)
			value += (*r.p - '0') * (unit /= 10);
	return value > 1000 ? 1000 : value;
}

static void accept_one(struct range item, int *open, int *text)
{
	struct range type = cut(&item, ';');
	int q = 1000;

	while (item.p < item.end) {
		struct range parameter = cut(&item, ';'), name = cut(&parameter, '=');

		if (is(name, "q"))
			q = quality(trim(parameter));
	}
	if (is(type, "application/openmetrics-text") && q > *open)
		*open = q;
	if ((is(type, "text/plain") || is(type, "text/*") || is(type, "*/*")) && q > *text)
		*text = q;
}

static int likes_openmetrics(struct range value)
{
	int open = 0, text = 0;

	while (value.p < value.end)
		accept_one(cut(&value, ','), &open, &text);
	return open > 0 && open >= text;
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Without its line end; NULL when there is no whole line. */
static const char *line_end(const char *p, const char *end, const char **next)
{
	const char *at = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	if (at == NULL)
		return NULL;
	*next = at + 1;
	return at > p && at[-1] == '\r' ? at - 1 : at;
}

static int printable(struct range r)
{
	for (; r.p < r.end; r.p++)
		if ((unsigned char)*r.p < 0x20 && *r.p != '\t')
			return 0;
	return 1;
}

/* "GET /metrics HTTP/1.1" */
static int request_line(struct range line, struct http_request *q, int *needs_host)
{
	struct range method = cut(&line, ' '), target = cut(&line, ' '), version = line, path;

	if (method.p == method.end || target.p == target.end || (*target.p != '/' && strncasecmp(target.p, "http://", 7) != 0))
		return 400;
	if (version.end - version.p != 8 || strncmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.')
		return 400;
	if (version.p[5] != '1')
		return 505;
	*needs_host = version.p[7] != '0';
	if (is(method, "HEAD"))
		q->head = 1;
	else if (!is(method, "GET"))
		return 405;
	path = cut(&target, '?');
	q->found = path.end - path.p == 8 && memcmp(path.p, "/metrics", 8) == 0;
	return q->found ? 200 : 404;
}

static int header(struct range line, struct http_request *q, int *has_host)
{
	struct range name, value = line;
	const char *colon = memchr(line.p, ':', (size_t)(line.end - line.p));

	if (colon == NULL || colon == line.p || !printable(line))
		return 400;
	name = (struct range){ line.p, colon };
	for (const char *c = name.p; c < name.end; c++)
		if (*c == ' ' || *c == '\t')	/* also what folds a line (RFC 9112 5.2) */
			return 400;
	value = trim((struct range){ colon + 1, line.end });
	if (is(name, "Host")) {
		if (*has_host)
			return 400;
		*has_host = 1;
	}
	if (is(name, "Accept"))
		q->openmetrics = likes_openmetrics(value);
	return 200;
}

int http_parse(const char *p, size_t n, struct http_request *q)
{
	const char *end = p + (n < HTTP_REQUEST_MAX ? n : HTTP_REQUEST_MAX), *next = p, *stop;
	int status, needs_host = 0, has_host = 0, r;

	memset(q, 0, sizeof *q);
	if ((stop = line_end(p, end, &next)) == NULL)
		return n >= HTTP_REQUEST_MAX ? 431 : 0;
	if (!printable((struct range){ p, stop }))
		return 400;
	status = request_line((struct range){ p, stop }, q, &needs_host);
	if (status == 400 || status == 505)	/* what follows may mean anything */
		return status;
	for (;;) {
		const char *begin = next;

		if ((stop = line_end(begin, end, &next)) == NULL)
			return n >= HTTP_REQUEST_MAX ? 431 : 0;
		if (stop == begin)
			break;
		if ((r = header((struct range){ begin, stop }, q, &has_host)) != 200)
			return r;
	}
	return status == 200 && needs_host && !has_host ? 400 : status;
}

const char *http_reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 431: return "Request Header Fields Too Large";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default:  return "Error";
	}
}
