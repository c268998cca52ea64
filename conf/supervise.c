#include "conf/supervise.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/names.h"
#include "conf/number.h"

#define BACKOFF_MIN_MS  100u
#define BACKOFF_MAX_MS  30000u
#define BACKOFF_LEAST   10u		/* below it waiting is spinning */
#define BACKOFF_MOST    3600000u
#define TIME_MOST_MS    2147483647u	/* 24 days; UINT32_MAX is infinity */

/* ---- the tree, as far as it can be changed ------------------------------------------------- */

enum count { ONE, PER_LISTENER, PER_CLIENT, ON_DEMAND };

struct node { const char *name; int supervisor, significant; enum count count; struct conf_child def; };

#define SUP(id, parent, name_, strategy, intensity_, period_s, restart_, auto_, count_) \
	{ .name = name_, .supervisor = 1, .count = count_, .def = { .restart = CONF_##restart_, .intensity = intensity_, \
	    .period_ms = (period_s) * 1000u, .shutdown_ms = CONF_INFINITY, .backoff_min_ms = BACKOFF_MIN_MS, .backoff_max_ms = BACKOFF_MAX_MS } },
#define KID(id, parent, name_, role, program, account, restart_, significant_, shutdown_, start_, count_) \
	{ .name = name_, .significant = significant_, .count = count_, .def = { .restart = CONF_##restart_, .shutdown_ms = shutdown_, \
	    .start_ms = start_, .backoff_min_ms = BACKOFF_MIN_MS, .backoff_max_ms = BACKOFF_MAX_MS } },
static const struct node nodes[CONF_NODES] = {
#include "supervisor/children.def"
};
#undef SUP
#undef KID

static const struct { const char *name, *node; } aliases[] = { { "root", "coppiced" }, { "channel", "worker" } };

static const struct name names_restart[] = {
	{ "permanent", CONF_PERMANENT }, { "transient", CONF_TRANSIENT }, { "temporary", CONF_TEMPORARY }, { NULL, 0 },
};

static int find(const char *name)
{
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (strcasecmp(aliases[i].name, name) == 0)
			name = aliases[i].node;
	for (int i = 0; i < CONF_NODES; i++)
		if (strcasecmp(nodes[i].name, name) == 0)
			return i;
	return -1;
}

struct conf_child conf_child_of(const struct conf_supervise *s, size_t node)
{
	const struct conf_child *said = &s->child[node];
	struct conf_child c = nodes[node].def;

	if (said->given & CONF_SAID_RESTART)
		c.restart = said->restart;
	if (said->given & CONF_SAID_INTENSITY)
		c.intensity = said->intensity;
	if (said->given & CONF_SAID_PERIOD)
		c.period_ms = said->period_ms;
	if (said->given & CONF_SAID_SHUTDOWN)
		c.shutdown_ms = said->shutdown_ms;
	if (said->given & CONF_SAID_START)
		c.start_ms = said->start_ms;
	if (said->given & CONF_SAID_BACKOFF) {
		c.backoff_min_ms = said->backoff_min_ms;
		c.backoff_max_ms = said->backoff_max_ms;
	}
	c.given = said->given;
	return c;
}

const char *conf_node_name(size_t node)
{
	return node < CONF_NODES ? nodes[node].name : "unknown";
}

/* ---- values ----------------------------------------------------------------------------------- */

struct why { char *text; size_t size; const struct node *n; };

static int bad(struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct why *why, const char *fmt, ...)
{
	int n = snprintf(why->text, why->size, "Supervise %s: ", why->n->name);
	va_list ap;

	va_start(ap, fmt);
	if ((size_t)n < why->size)
		vsnprintf(why->text + n, why->size - (size_t)n, fmt, ap);
	va_end(ap);
	return SSH_E_CONFIG;
}

/* "250ms", or a time of sshd_config. */
static int to_ms(const char *word, uint32_t *ms)
{
	size_t len = strlen(word);
	char digits[16];
	uint32_t seconds;
	uint64_t n;
	int r;

	if (len > 2 && len < sizeof digits && strcasecmp(word + len - 2, "ms") == 0) {
		memcpy(digits, word, len - 2);
		digits[len - 2] = '\0';
		TRY(number_plain(digits, TIME_MOST_MS, &n));
		*ms = (uint32_t)n;
		return SSH_OK;
	}
	TRY(number_time(word, &seconds));
	if (seconds > TIME_MOST_MS / 1000)
		return SSH_E_TOO_BIG;
	*ms = seconds * 1000;
	return SSH_OK;
}

static int set_restart(struct conf_child *c, const char *value, struct why *why)
{
	int v;

	if (names_value(names_restart, value, &v) < 0)
		return bad(why, "restart is permanent, transient or temporary, not '%.60s'", value);
	if (why->n->significant && v == CONF_PERMANENT)
		return bad(why, "a significant child cannot be permanent: its end ends its supervisor");
	if ((why->n->count == PER_CLIENT || why->n->count == ON_DEMAND) && v != CONF_TEMPORARY)
		return bad(why, "it stays temporary: what served a client cannot be restarted");
	c->restart = (enum conf_restart)v;
	return SSH_OK;
}

static int set_intensity(struct conf_child *c, const char *value, struct why *why)
{
	uint64_t n;

	if (number_plain(value, CONF_INTENSITY_MAX, &n) < 0)
		return bad(why, "intensity is a number from 0 to %u, not '%.60s'", CONF_INTENSITY_MAX, value);
	c->intensity = (unsigned)n;
	return SSH_OK;
}

static int set_period(struct conf_child *c, const char *value, struct why *why)
{
	if (to_ms(value, &c->period_ms) < 0 || c->period_ms == 0)
		return bad(why, "period is a time above 0, not '%.60s'", value);
	return SSH_OK;
}

static int set_shutdown(struct conf_child *c, const char *value, struct why *why)
{
	if (strcasecmp(value, "brutal_kill") == 0)
		c->shutdown_ms = 0;
	else if (strcasecmp(value, "infinity") == 0)
		c->shutdown_ms = CONF_INFINITY;
	else if (to_ms(value, &c->shutdown_ms) < 0)
		return bad(why, "shutdown is brutal_kill, infinity or a time, not '%.60s'", value);
	return SSH_OK;
}

static int set_start(struct conf_child *c, const char *value, struct why *why)
{
	if (strcasecmp(value, "infinity") == 0)
		c->start_ms = 0;
	else if (to_ms(value, &c->start_ms) < 0)
		return bad(why, "start is infinity or a time, not '%.60s'", value);
	return SSH_OK;
}

static int set_backoff(struct conf_child *c, const char *value, struct why *why)
{
	const char *colon = strchr(value, ':');
	char first[32];

	c->backoff_min_ms = c->backoff_max_ms = 0;
	if (strcasecmp(value, "none") == 0)
		return SSH_OK;
	if (colon == NULL || (size_t)(colon - value) >= sizeof first)
		return bad(why, "backoff is MIN:MAX or none, not '%.60s'", value);
	memcpy(first, value, (size_t)(colon - value));
	first[colon - value] = '\0';
	if (to_ms(first, &c->backoff_min_ms) < 0 || to_ms(colon + 1, &c->backoff_max_ms) < 0)
		return bad(why, "backoff is MIN:MAX or none, not '%.60s'", value);
	if (c->backoff_min_ms < BACKOFF_LEAST || c->backoff_max_ms > BACKOFF_MOST || c->backoff_min_ms > c->backoff_max_ms)
		return bad(why, "backoff grows from at least %ums to at most 1h, not '%.60s'", BACKOFF_LEAST, value);
	return SSH_OK;
}

/* whose: workers, supervisors, and with the root a third kind, which is nobody's child. */
enum { OF_WORKERS = 1, OF_SUPERVISORS = 2, OF_ROOT = 4 };
static const struct {
	const char *name;
	unsigned said, whose;
	int (*set)(struct conf_child *, const char *value, struct why *);
} keys[] = {
	{ "restart",   CONF_SAID_RESTART,   OF_WORKERS | OF_SUPERVISORS, set_restart },
	{ "intensity", CONF_SAID_INTENSITY, OF_SUPERVISORS | OF_ROOT,    set_intensity },
	{ "period",    CONF_SAID_PERIOD,    OF_SUPERVISORS | OF_ROOT,    set_period },
	{ "shutdown",  CONF_SAID_SHUTDOWN,  OF_WORKERS | OF_SUPERVISORS, set_shutdown },
	{ "start",     CONF_SAID_START,     OF_WORKERS | OF_SUPERVISORS, set_start },
	{ "backoff",   CONF_SAID_BACKOFF,   OF_WORKERS | OF_SUPERVISORS, set_backoff },
};
#define KEYS (sizeof keys / sizeof keys[0])

/* OTP's words for what is not the administrator's to change. */
static const char *const fixed[] = { "strategy", "significant", "auto_shutdown", "type", "id", "modules" };

static unsigned kind_of(size_t node)
{
	return node == 0 ? OF_ROOT : nodes[node].supervisor ? OF_SUPERVISORS : OF_WORKERS;
}

/* What an earlier line gave stays; the value is checked all the same. */
static int one(struct conf_child *line, struct conf_child *to, size_t node, const char *word, struct why *why)
{
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word), i = 0;

	while (i < KEYS && (strlen(keys[i].name) != len || strncasecmp(keys[i].name, word, len) != 0))
		i++;
	for (size_t f = 0; i == KEYS && f < sizeof fixed / sizeof fixed[0]; f++)
		if (strlen(fixed[f]) == len && strncasecmp(fixed[f], word, len) == 0)
			return bad(why, "%s is the design's and cannot be set", fixed[f]);
	if (i == KEYS || equals == NULL || equals[1] == '\0')
		return bad(why, "'%.60s' is none of restart= intensity= period= shutdown= start= backoff=", word);
	if (!(keys[i].whose & kind_of(node)))
		return node == 0 ? bad(why, "it has no supervisor: only intensity and period can be set")
		    : bad(why, "%s is a supervisor's, and this is a worker", keys[i].name);
	if (line->given & keys[i].said)
		return bad(why, "%s is given twice", keys[i].name);
	line->given |= keys[i].said;
	return keys[i].set(to->given & keys[i].said ? line : to, equals + 1, why);
}

int supervise_set(struct conf_supervise *s, const struct words *w, char *text, size_t size)
{
	int node = find(w->v[0]), r;
	struct conf_child line = { 0 }, *c;

	if (node < 0) {
		snprintf(text, size, "Supervise: there is no node '%.60s' in the tree", w->v[0]);
		return SSH_E_CONFIG;
	}
	if (w->n == 1)
		return bad(&(struct why){ text, size, &nodes[node] }, "nothing is said of it");
	c = &s->child[node];
	for (size_t i = 1; i < w->n; i++)
		TRY(one(&line, c, (size_t)node, w->v[i], &(struct why){ text, size, &nodes[node] }));
	c->given |= line.given;
	return SSH_OK;
}

/* ---- text ------------------------------------------------------------------------------------- */

const char *conf_ms_text(char *out, size_t size, uint32_t ms)
{
	if (ms % 1000 == 0)
		snprintf(out, size, "%" PRIu32, ms / 1000);
	else
		snprintf(out, size, "%" PRIu32 "ms", ms);
	return out;
}

const char *conf_shutdown_text(char *out, size_t size, uint32_t ms)
{
	if (ms == 0 || ms == CONF_INFINITY)
		snprintf(out, size, "%s", ms == 0 ? "brutal_kill" : "infinity");
	else
		conf_ms_text(out, size, ms);
	return out;
}

const char *conf_backoff_text(char *out, size_t size, uint32_t min_ms, uint32_t max_ms)
{
	char a[16], b[16];

	if (max_ms == 0)
		snprintf(out, size, "none");
	else
		snprintf(out, size, "%s:%s", conf_ms_text(a, sizeof a, min_ms), conf_ms_text(b, sizeof b, max_ms));
	return out;
}

void supervise_text(const struct conf_supervise *s, size_t node, char *out, size_t size)
{
	struct conf_child c = conf_child_of(s, node);
	char counting[64] = "", period[16], shutdown[16], start[16], backoff[40];

	if (nodes[node].supervisor)
		snprintf(counting, sizeof counting, " intensity=%u period=%s", c.intensity, conf_ms_text(period, sizeof period, c.period_ms));
	if (node == 0)
		snprintf(out, size, "%s%s", nodes[node].name, counting);
	else
		snprintf(out, size, "%s restart=%s%s shutdown=%s start=%s backoff=%s", nodes[node].name, names_word(names_restart, (int)c.restart),
		    counting, conf_shutdown_text(shutdown, sizeof shutdown, c.shutdown_ms),
		    c.start_ms == 0 ? "infinity" : conf_ms_text(start, sizeof start, c.start_ms),
		    conf_backoff_text(backoff, sizeof backoff, c.backoff_min_ms, c.backoff_max_ms));
}
