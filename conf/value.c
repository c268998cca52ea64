#include "conf/value.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/algs.h"
#include "conf/conf.h"
#include "conf/listen.h"
#include "conf/names.h"
#include "conf/number.h"
#include "conf/supervise.h"

/* With "SSH-2.0-", a blank and CR LF the identification line has at most 255 bytes (RFC 4253 4.2). */
#define ADDENDUM_MAX 200u
#define VERSION_MAX  44u
_Static_assert(sizeof "SSH-2.0-" - 1 + VERSION_MAX + 1 + ADDENDUM_MAX + 2 <= SSH_IDENT_MAX, "the whole line");

#define RANDOM_MIN 2u		/* letters of `VersionString random`, as Erlang's id_string */
#define RANDOM_MAX 5u

struct why { char *text; size_t size; };

static int bad(struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->size, fmt, ap);
	va_end(ap);
	return SSH_E_CONFIG;
}

static void *member(const struct keyword *k, struct conf_values *v)
{
	return (char *)v + k->offset;
}

static int list_add(struct conf_list *l, const char *word)
{
	char **v, *copy;

	/* Room grows at powers of two, so that n tells it. */
	if ((l->n & (l->n - 1)) == 0) {
		size_t room = l->n > 0 ? l->n * 2 : 1;

		if ((v = realloc(l->v, room * sizeof *v)) == NULL)
			return SSH_E_NOMEM;
		l->v = v;
	}
	if ((copy = strdup(word)) == NULL)
		return SSH_E_NOMEM;
	l->v[l->n++] = copy;
	return SSH_OK;
}

/* USER or USER@HOST; only an address part can be malformed. */
static int bad_user_pattern(const char *word)
{
	static const struct addr nobody;
	const char *at = strrchr(word, '@');

	return at != NULL && (at[1] == '\0' || conf_address_list(&nobody, at + 1) == -2);
}

/* Whoever is believed has an address or a network; a pattern or a name would believe nobody, silently. */
static int bad_network(const char *word)
{
	char ip[ADDR_TEXT_MAX];
	struct addr a;
	size_t n = strcspn(word, "/");

	if (strcmp(word, "unix") == 0)
		return 0;
	if (n >= sizeof ip)
		return 1;
	memcpy(ip, word, n);
	ip[n] = '\0';
	return addr_parse_ip(&a, ip) < 0 || conf_address_list(&a, word) == -2;
}

static int check_item(const struct keyword *k, const char *word, struct why *why)
{
	char host[256];
	uint64_t number;
	int port;

	switch (k->key) {
	case KEY_Port:
		return number_plain(word, 65535, &number) < 0 ? bad(why, "Badly formatted port number.") : SSH_OK;
	case KEY_ListenAddress:
		return listen_split(word, host, sizeof host, &port) < 0 ?
		    bad(why, "bad address or port '%.120s'", word) : SSH_OK;
	case KEY_ProxyProtocolFrom:
		return bad_network(word) ? bad(why, "%s: '%.120s' is no address, network or unix", k->name, word) : SSH_OK;
	case KEY_AcceptEnv:
		return strchr(word, '=') != NULL ? bad(why, "Invalid environment name.") : SSH_OK;
	case KEY_AllowUsers:
	case KEY_DenyUsers:
		return bad_user_pattern(word) ? bad(why, "invalid %s pattern: \"%.120s\"", k->name, word) : SSH_OK;
	default:
		return SSH_OK;
	}
}

static int set_named(struct conf_list *l, const char *name, const char *text, struct why *why)
{
	size_t len = strlen(name);
	char *both;
	int r;

	if (!words_plain(name))
		return bad(why, "bad subsystem name '%.120s'", name);
	for (size_t i = 0; i < l->n; i++)	/* the first of a name wins */
		if (strncmp(l->v[i], name, len) == 0 && l->v[i][len] == ' ')
			return SSH_OK;
	if (asprintf(&both, "%s %s", name, text) < 0)
		return SSH_E_NOMEM;
	r = list_add(l, both);
	free(both);
	return r;
}

static int set_list(const struct keyword *k, struct conf_list *l, const struct words *w, const char *text,
    struct why *why)
{
	int r;

	if (keyword_form(k) == FORM_NAMED)
		return set_named(l, w->v[0], text, why);
	/* AuthorizedKeysFile none: no file, whatever the default */
	if (keyword_form(k) == FORM_ONCE && w->n == 1 && strcasecmp(w->v[0], "none") == 0)
		return SSH_OK;
	for (size_t i = 0; i < w->n; i++) {
		TRY(check_item(k, w->v[i], why));
		TRY(list_add(l, w->v[i]));
	}
	return SSH_OK;
}

#define REKEY_BYTES_MIN 16u	/* sshd's: one block */

/* "default" and "none" are 0. The sentence about what is wrong: sshd's. */
static int rekey_parse(const char *size, const char *time, uint64_t *bytes, uint32_t *seconds, struct why *why)
{
	*bytes = 0;
	*seconds = 0;
	if (strcasecmp(size, "default") != 0 && number_size(size, bytes) < 0)
		return bad(why, "Bad RekeyLimit number '%.60s'", size);
	if (*bytes > 0 && *bytes < REKEY_BYTES_MIN)
		return bad(why, "RekeyLimit too small");
	if (time != NULL && strcasecmp(time, "none") != 0 && number_time(time, seconds) < 0)
		return bad(why, "bad RekeyLimit time '%.60s'", time);
	return SSH_OK;
}

int conf_rekey_limit(const struct conf_values *v, uint64_t *bytes, uint32_t *seconds)
{
	char text[100];
	struct why why = { text, sizeof text };
	struct words w;
	int r;

	TRY(words_split(&w, v->RekeyLimit, strlen(v->RekeyLimit), NULL, NULL));
	r = w.n > 0 ? rekey_parse(w.v[0], w.v[1], bytes, seconds, &why) : SSH_E_FORMAT;
	words_drop(&w);
	return r;
}

/* Kept as "BYTES SECONDS" in plain numbers, or the words for 0, so that every reader needs to know just one form. */
static int set_rekey(char **to, const struct words *w, struct why *why)
{
	uint64_t bytes;
	uint32_t seconds;
	char text[64];
	int r;

	TRY(rekey_parse(w->v[0], w->v[1], &bytes, &seconds, why));
	if (bytes > 0)
		snprintf(text, sizeof text, "%" PRIu64, bytes);
	else
		snprintf(text, sizeof text, "default");
	if (seconds > 0)
		snprintf(text + strlen(text), sizeof text - strlen(text), " %" PRIu32, seconds);
	else
		strcat(text, " none");
	return (*to = strdup(text)) != NULL ? SSH_OK : SSH_E_NOMEM;
}

/* "unix:/path" or a loopback address with its port: numbers about users are not for the network. */
static int metrics_place(const char *text, struct addr *a, const char **path)
{
	char host[256];
	int port;

	memset(a, 0, sizeof *a);
	*path = NULL;
	if (strncmp(text, "unix:/", 6) == 0) {
		*path = text + 5;
		return SSH_OK;
	}
	if (listen_split(text, host, sizeof host, &port) < 0 || port <= 0 || addr_parse_ip(a, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host) < 0)
		return SSH_E_FORMAT;
	a->port = (uint16_t)port;
	return SSH_OK;
}

static int is_loopback(const struct addr *a)
{
	static const uint8_t six[16] = { [15] = 1 };

	return a->family == ADDR_IPV4 ? a->ip[0] == 127 : a->family == ADDR_IPV6 && memcmp(a->ip, six, sizeof six) == 0;
}

static int check_metrics(const char *text, struct why *why)
{
	const char *path;
	struct addr a;

	if (strcasecmp(text, "none") == 0)
		return SSH_OK;
	if (metrics_place(text, &a, &path) < 0)
		return bad(why, "bad Metrics place '%.120s': unix:/PATH or a loopback ADDRESS:PORT", text);
	return path != NULL || is_loopback(&a) ? SSH_OK : bad(why, "Metrics are served on loopback addresses only, not on '%.120s'", text);
}

int conf_metrics_place(const struct conf_values *v, struct addr *a, const char **path)
{
	return v->Metrics != NULL && metrics_place(v->Metrics, a, path) == SSH_OK;
}

static int bad_place(const char *text)
{
	char host[256];
	int port;

	if (strncmp(text, "unix:", 5) == 0)
		return text[5] != '/' || strlen(text + 5) > 107;	/* sun_path (unix(7)) */
	return strcasecmp(text, "none") != 0 && (listen_split(text, host, sizeof host, &port) < 0 || port < 1);
}

/* "random", "random MIN MAX": 1; 0: it is a text; -1: numbers that cannot be. */
static int random_letters(const char *text, unsigned *min, unsigned *max)
{
	char end;
	int n = -1;

	if (strncmp(text, "random", 6) != 0 || (text[6] != '\0' && text[6] != ' '))
		return 0;
	*min = RANDOM_MIN;
	*max = RANDOM_MAX;
	if (strspn(text + 6, " ") == strlen(text + 6))
		return 1;
	if (strspn(text + 6, " 0123456789") != strlen(text + 6) || (n = sscanf(text + 6, "%3u%*1[ ]%3u%c", min, max, &end)) != 2)
		return -1;
	return *min >= 1 && *min <= *max && *max <= VERSION_MAX ? 1 : -1;
}

int conf_version_random(const struct conf_values *v, unsigned *min, unsigned *max)
{
	return v->VersionString != NULL && random_letters(v->VersionString, min, max) == 1;
}

/* RFC 4253 4.2: softwareversion is printable US-ASCII without blanks and minus signs; what follows a blank is comments. */
static int check_text(const struct keyword *k, const char *text, struct why *why)
{
	unsigned most = k->key == KEY_VersionString ? VERSION_MAX : ADDENDUM_MAX, min, max;

	for (const char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return bad(why, "%s must be printable ASCII", k->name);
	if (strlen(text) > most)
		return bad(why, "%s is longer than %u bytes", k->name, most);
	if (k->key != KEY_VersionString)
		return SSH_OK;
	if (random_letters(text, &min, &max) < 0)
		return bad(why, "VersionString random takes two numbers, MIN and MAX, from 1 to %u", VERSION_MAX);
	if (*text == '\0' || *text == ' ' || memchr(text, '-', strcspn(text, " ")) != NULL)
		return bad(why, "VersionString begins with a name and version without a minus sign (RFC 4253 4.2), not '%.60s'", text);
	return SSH_OK;
}

static int set_string(const struct keyword *k, char **to, const struct words *w, const char *text, struct why *why)
{
	int r;

	switch (keyword_form(k)) {
	case FORM_REKEY:
		return set_rekey(to, w, why);
	case FORM_TEXT:
		TRY(check_text(k, text, why));
		break;
	default:
		text = w->v[0];
		if (k->key == KEY_HealthListen && bad_place(text))
			return bad(why, "%s is ADDRESS:PORT, unix:PATH or none, not '%.120s'", k->name, text);
	}
	if (k->key == KEY_Metrics)
		TRY(check_metrics(text, why));
	*to = NULL;
	if (strcasecmp(text, "none") != 0 && (*to = strdup(text)) == NULL)
		return SSH_E_NOMEM;
	return SSH_OK;
}

static int set_name(const struct name *table, const char *word, int *value, const char *what, const char *q,
    struct why *why)
{
	if (names_value(table, word, value) < 0)
		return bad(why, "unsupported %s %s%.120s%s", what, q, word, *q == '"' ? "\"." : q);
	return SSH_OK;
}

static int set_int(const struct keyword *k, int64_t *to, const char *word, struct why *why)
{
	uint64_t value;
	int r = number_plain(word, INT_MAX, &value);

	if (r < 0)
		return bad(why, "%s integer value %s.", k->name, r == SSH_E_TOO_BIG ? "too large" : "invalid");
	if (k->key == KEY_WindowMax && (value < CHAN_WINDOW || value > CHAN_WINDOW_LIMIT))
		return bad(why, "%s is %u to %u bytes, not %.20s", k->name, CHAN_WINDOW, CHAN_WINDOW_LIMIT, word);
	*to = (int64_t)value;
	return SSH_OK;
}

/* "10" or "10:30:100" */
static int set_startups(struct conf_startups *s, const char *word, struct why *why)
{
	uint64_t n[3] = { 0, 30, 0 };
	char part[16];
	int parts = 0;

	for (const char *p = word;; p++) {
		size_t len = strcspn(p, ":");

		if (parts == 3 || len >= sizeof part)
			return bad(why, "Invalid MaxStartups spec.");
		memcpy(part, p, len);
		part[len] = '\0';
		if (number_plain(part, INT_MAX, &n[parts++]) < 0)
			return bad(why, "Invalid MaxStartups spec.");
		p += len;
		if (*p == '\0')
			break;
	}
	if (parts == 1)
		n[2] = n[0];
	if (parts == 2 || n[0] == 0 || n[0] > n[2] || n[1] < 1 || n[1] > 100)
		return bad(why, "Invalid MaxStartups spec.");
	*s = (struct conf_startups){ (unsigned)n[0], (unsigned)n[1], (unsigned)n[2] };
	return SSH_OK;
}

static int set_time(uint32_t *to, const char *word, struct why *why)
{
	return number_time(word, to) < 0 ? bad(why, "invalid time value '%.120s'.", word) : SSH_OK;
}

static int set_one(const struct keyword *k, void *to, const char *word, struct why *why)
{
	int value = 0, r;

	switch (k->type) {
	case TYPE_BOOL:
		return set_name(names_bool, word, to, "option", "\"", why);
	case TYPE_ROOT:
		TRY(set_name(names_root, word, &value, "option", "\"", why));
		*(enum conf_root *)to = (enum conf_root)value;
		return SSH_OK;
	case TYPE_FAMILY:
		TRY(set_name(names_family, word, &value, "option", "\"", why));
		*(enum conf_family *)to = (enum conf_family)value;
		return SSH_OK;
	case TYPE_LEVEL:
		TRY(set_name(names_level, word, &value, "log level", "'", why));
		*(enum log_level *)to = (enum log_level)value;
		return SSH_OK;
	case TYPE_FACILITY:
		return set_name(names_facility, word, to, "log facility", "'", why);
	case TYPE_FORMAT:
		TRY(set_name(names_format, word, &value, "log format", "'", why));
		*(enum conf_log_format *)to = (enum conf_log_format)value;
		return SSH_OK;
	case TYPE_INT:
		return set_int(k, to, word, why);
	case TYPE_TIME:
		return set_time(to, word, why);
	case TYPE_STARTUPS:
		return set_startups(to, word, why);
	case TYPE_COMPRESSION:
		return set_name(names_compression, word, to, "option", "\"", why);
	case TYPE_PROXY:
		TRY(set_name(names_proxy, word, &value, "option", "\"", why));
		*(enum conf_proxy *)to = (enum conf_proxy)value;
		return SSH_OK;
	case TYPE_ALGS:
		return algs_expand(k->key, word, to, why->text, why->size);
	default:
		return SSH_E_BUG;
	}
}

int value_set(const struct keyword *k, struct conf_values *v, const struct words *w, const char *text,
    char *why, size_t size)
{
	struct why reason = { why, size };

	if (k->type == TYPE_LIST)
		return set_list(k, member(k, v), w, text, &reason);
	if (k->type == TYPE_SUPERVISE)
		return supervise_set(member(k, v), w, why, size);
	value_drop(k, v);
	if (k->type == TYPE_STRING)
		return set_string(k, member(k, v), w, text, &reason);
	return set_one(k, member(k, v), w->v[0], &reason);
}

int value_default(const struct keyword *k, struct conf_values *v)
{
	char why[200], nothing[] = "", *empty = nothing;
	struct words w, none = { &empty, 1 };
	int r;

	TRY(words_split(&w, k->def, strlen(k->def), NULL, NULL));
	if (w.n > 0 || k->type == TYPE_ALGS)
		r = value_set(k, v, w.n > 0 ? &w : &none, k->def, why, sizeof why);
	words_drop(&w);
	return r;
}

void value_drop(const struct keyword *k, struct conf_values *v)
{
	if (k->type == TYPE_LIST) {
		struct conf_list *l = member(k, v);

		for (size_t i = 0; i < l->n; i++)
			free(l->v[i]);
		free(l->v);
		memset(l, 0, sizeof *l);
	} else if (k->type == TYPE_STRING || k->type == TYPE_ALGS) {
		char **s = member(k, v);

		free(*s);
		*s = NULL;
	}
}
