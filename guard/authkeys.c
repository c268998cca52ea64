#include "guard/authkeys.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ssh/keyfile.h"

/* ---- one line --------------------------------------------------------------------- */

static struct view skip_blanks(struct view v)
{
	while (v.len > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
		v.p++;
		v.len--;
	}
	return v;
}

/* Up to the next blank; *rest is what follows the blanks. */
static struct view take_word(struct view v, struct view *rest)
{
	size_t n = 0;

	while (n < v.len && v.p[n] != ' ' && v.p[n] != '\t')
		n++;
	*rest = skip_blanks(view_of(v.p + n, v.len - n));
	return view_of(v.p, n);
}

/*
 * Does a key's type stand here? Names that no algorithm of ours has count too: their line is
 * about a key, not about options.
 */
static int is_key_type(struct view w)
{
	static const char *const heads[] = { "ssh-", "ecdsa-sha2-", "sk-" };

	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		if (w.len > strlen(heads[i]) && memcmp(w.p, heads[i], strlen(heads[i])) == 0)
			return 1;
	return 0;
}

int authkeys_split(struct view line, struct view *options, struct view *type, struct view *base64)
{
	struct view at = line, rest;
	size_t n;

	if (at.len > 0 && at.p[at.len - 1] == '\r')
		at.len--;
	at = skip_blanks(at);
	if (at.len == 0 || at.p[0] == '#' || memchr(at.p, '\0', at.len) != NULL)
		return 0;
	*options = view_of(at.p, 0);
	*type = take_word(at, &rest);
	if (!is_key_type(*type)) {
		if ((n = authopts_span(at)) == SIZE_MAX)
			return 0;
		*options = view_of(at.p, n);
		at = skip_blanks(view_of(at.p + n, at.len - n));
		*type = take_word(at, &rest);
		if (!is_key_type(*type))
			return 0;
	}
	*base64 = take_word(rest, &rest);
	return base64->len > 0;
}

/* The whole blob must be the same, and the word in front of it its own name. */
static int same_key(struct view type, struct view base64, struct view blob)
{
	struct rd r = rd_view(blob);
	struct buf b;
	int same;

	if (base64.len / 4 * 3 < blob.len || base64.len / 4 > blob.len)	/* cheap: most lines end here */
		return 0;
	if (!view_same(rd_string(&r, SSH_ALG_NAME_MAX), type))
		return 0;
	buf_init(&b, SSH_BLOB_MAX, NULL);
	same = keyfile_decode_base64(&b, base64) == SSH_OK && buf_len(&b) == blob.len &&
	    memcmp(buf_head(&b), blob.p, blob.len) == 0;
	buf_drop(&b);
	return same;
}

/* ---- what its options say ------------------------------------------------------------- */

static int from_permitted(const struct addr *peer, const char *list)
{
	char ip[ADDR_TEXT_MAX];
	int by_addr = conf_address_list(peer, list), by_name;

	if (by_addr < 0)	/* a negated match, or a list that cannot be read */
		return 0;
	/* Names are never looked up (UseDNS no): the address is the name. */
	by_name = conf_pattern_list(addr_ip_text(peer, ip), list, 1);
	return by_name >= 0 && (by_name == 1 || by_addr == 1);
}

/* NULL when the options let this client in, else why not. */
static const char *refusal(const struct authopts *o, const struct authkeys_query *q, char *text, size_t size)
{
	char ip[ADDR_TEXT_MAX], list[200];

	if (o->cert_authority)
		return "";	/* not about this key as such: nothing to say */
	if (o->expires && q->now >= o->expiry)
		return "key expired";
	if (o->from == NULL || from_permitted(&q->peer, o->from))
		return NULL;
	addr_ip_text(&q->peer, ip);
	snprintf(text, size, "Authentication tried with correct key but not from a permitted host "
	    "(host=%s, ip=%s, required=%s).", ip, ip, log_escape(list, sizeof list, o->from, strlen(o->from)));
	return text;
}

static int line_decides(struct view line, const struct authkeys_query *q, struct authopts *o, unsigned number,
    authkeys_say *say, void *ctx)
{
	struct view options, type, base64;
	const char *why;
	char text[400];

	if (!authkeys_split(line, &options, &type, &base64) || !same_key(type, base64, q->blob))
		return 0;
	if (authopts_parse(o, options, &why) < 0) {
		snprintf(text, sizeof text, "bad key options: %s", why);
		why = text;
	} else if ((why = refusal(o, q, text, sizeof text)) == NULL) {
		return 1;
	}
	authopts_drop(o);
	if (say != NULL && why[0] != '\0')
		say(ctx, number, why);
	return 0;
}

enum authkeys_found authkeys_search(struct view file, const struct authkeys_query *q, struct authopts *o, unsigned *line,
    authkeys_say *say, void *ctx)
{
	unsigned number = 0;

	memset(o, 0, sizeof *o);
	while (file.len > 0) {
		const uint8_t *nl = memchr(file.p, '\n', file.len);
		size_t n = nl != NULL ? (size_t)(nl - file.p) : file.len, next = nl != NULL ? n + 1 : n;

		number++;
		if (line_decides(view_of(file.p, n), q, o, number, say, ctx)) {
			*line = number;
			return AUTHKEYS_YES;
		}
		file.p += next;
		file.len -= next;
	}
	return AUTHKEYS_NO;
}
