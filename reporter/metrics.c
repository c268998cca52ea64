#include "reporter/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/row.h"
#include "ipc/tell.h"
#include "reporter/render.h"

#define KINDS 64u

enum metric_type { GAUGE, COUNTER };

struct metric { const char *name; enum metric_type type; unsigned scale; const char *meaning; };

static const struct metric table[] = {
#define METRIC(name, type, scale, meaning) { name, type, scale, meaning },
#include "reporter/metrics.def"
#undef METRIC
};

/* Rows of one family follow each other; the first says what it means. */
static const struct metric counted[] = {
#define COUNTER(NAME, family, label, value, from, meaning) { family, (enum metric_type)1, 1, meaning },
#include "ipc/counters.def"
#undef COUNTER
};

static uint64_t seen[KINDS];			/* events by kind */

/* Seconds a login took, from the accepted connection to the grant. */
static const unsigned edges_ms[] = { 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000 };
#define EDGES (sizeof edges_ms / sizeof edges_ms[0])
static struct { uint64_t bucket[EDGES], count, sum_ms; } logins;

void metrics_event(const struct record *r)
{
	char text[24];
	uint64_t ms;

	if (r->kind < KINDS)
		seen[r->kind]++;
	if (r->kind != HAPPENS_LOGIN || render_field(r, "login_ms", text, sizeof text)[0] == '\0')
		return;
	ms = strtoull(text, NULL, 10);
	logins.count++;
	logins.sum_ms += ms;
	for (size_t i = 0; i < EDGES; i++)
		logins.bucket[i] += ms <= edges_ms[i];
}

const char *metrics_type(int openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";
}

static int put(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int put(struct buf *b, const char *format, ...)
{
	char text[600];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= sizeof text ? SSH_E_FULL : buf_append(b, text, (size_t)n);
}

/* OpenMetrics names the family, Prometheus the sample. */
static int head(struct buf *b, int openmetrics, const char *name, const char *type, const char *meaning)
{
	const char *total = !openmetrics && strcmp(type, "counter") == 0 ? "_total" : "";
	int r;

	TRY(put(b, "# HELP coppice_%s%s %s\n", name, total, meaning));
	return put(b, "# TYPE coppice_%s%s %s\n", name, total, type);
}

/* "" or {label="value"}, out of "name label=value" */
static const char *labels(struct view name, size_t base, char out[200])
{
	char clean[120];
	size_t n;
	char *is;

	out[0] = '\0';
	if (name.len <= base)
		return out;
	log_clean(clean, sizeof clean, name.p + base + 1, name.len - base - 1);
	if ((is = strchr(clean, '=')) == NULL)
		return out;
	*is = '\0';
	for (char *c = clean; *c != '\0'; c++)		/* a name is letters; a value has no quotes of its own */
		if (*c < 'a' || *c > 'z')
			*c = '_';
	for (char *c = is + 1; *c != '\0'; c++)
		if (*c == '"' || *c == '\\')
			*c = '_';
	n = (size_t)snprintf(out, 200, "{%s=\"%s\"}", clean, is + 1);
	return n < 200 ? out : "";
}

static int number(struct buf *b, const struct metric *m, int64_t value)
{
	if (m->scale == 1)
		return put(b, "%" PRId64 "\n", value);
	return put(b, "%.3f\n", (double)value / m->scale);
}

/* All samples of one name. */
static int family(struct buf *b, int openmetrics, const struct metric *m, struct view samples)
{
	struct rd in = rd_view(samples);
	size_t base = strlen(m->name);
	struct row_field f;
	char text[200];
	int first = 1, r;

	while (row_next(&in, &f) > 0) {
		if (f.kind != ROW_NUMBER || f.name.len < base || memcmp(f.name.p, m->name, base) != 0
		    || (f.name.len > base && f.name.p[base] != ' '))
			continue;
		if (first)
			TRY(head(b, openmetrics, m->name, m->type == COUNTER ? "counter" : "gauge", m->meaning));
		first = 0;
		TRY(put(b, "coppice_%s%s%s ", m->name, m->type == COUNTER ? "_total" : "", labels(f.name, base, text)));
		TRY(number(b, m, f.number));
	}
	return SSH_OK;
}

static int login_histogram(struct buf *b, int openmetrics)
{
	int r;

	TRY(head(b, openmetrics, "login_seconds", "histogram", "time from the connection to the login"));
	for (size_t i = 0; i < EDGES; i++)
		TRY(put(b, "coppice_login_seconds_bucket{le=\"%.2f\"} %" PRIu64 "\n", edges_ms[i] / 1000.0, logins.bucket[i]));
	TRY(put(b, "coppice_login_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", logins.count));
	TRY(put(b, "coppice_login_seconds_sum %.3f\n", (double)logins.sum_ms / 1000));
	return put(b, "coppice_login_seconds_count %" PRIu64 "\n", logins.count);
}

/* What this process knows itself, in the form of the supervisor's samples. */
static int own_samples(struct buf *b, const struct sink *s, const struct crashes *c, unsigned followers)
{
	struct wr w = wr_to(b);
	char name[80];

	row_number(&w, "build_info version=" COPPICE_VERSION, 1);
	row_number(&w, "log_lines", (int64_t)s->lines);
	row_number(&w, "log_lines_lost", (int64_t)s->lost);
	row_number(&w, "crash_reports", (int64_t)c->n);
	row_number(&w, "crash_reports_lost", (int64_t)c->failed);
	row_number(&w, "followers", followers);
	for (unsigned i = 0; i < KINDS; i++)
		if (happening_name(i) != NULL && i != HAPPENS_LINE) {
			snprintf(name, sizeof name, "events event=%s", happening_name(i));
			row_number(&w, name, (int64_t)seen[i]);
		}
	return wr_done(&w);
}

int metrics_page(struct buf *b, int openmetrics, struct view samples, const struct sink *s, const struct crashes *c, unsigned followers)
{
	struct buf own;
	int r;

	buf_init(&own, 16384, NULL);
	r = own_samples(&own, s, c, followers);
	for (size_t i = 0; i < sizeof table / sizeof table[0] && r == SSH_OK; i++) {
		size_t before = buf_len(b);

		r = family(b, openmetrics, &table[i], samples);
		if (r == SSH_OK && buf_len(b) == before)
			r = family(b, openmetrics, &table[i], view_of(buf_head(&own), buf_len(&own)));
	}
	for (size_t i = 0; i < sizeof counted / sizeof counted[0] && r == SSH_OK; i++)
		if (i == 0 || strcmp(counted[i].name, counted[i - 1].name) != 0)
			r = family(b, openmetrics, &counted[i], samples);
	if (r == SSH_OK)
		r = login_histogram(b, openmetrics);
	if (r == SSH_OK && openmetrics)
		r = put(b, "# EOF\n");
	buf_drop(&own);
	return r;
}
