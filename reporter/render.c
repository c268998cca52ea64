#include "reporter/render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/box.h"
#include "ipc/row.h"
#include "ipc/tell.h"

#define VALUE_MAX  1001u	/* a value, escaped */
#define EVENTS_MAX 32u

static const struct { const char *name, *journal; } journal_names[] = {
#define FIELD(name, journal) { name, journal },
#include "ipc/fields.def"
#undef FIELD
};

static const char *const ssh_names[256] = {
#define SSH(number, name, server, client, handler, rfc) [number] = #name,
#include "ssh/messages.def"
#undef SSH
};

static int put(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int put(struct buf *b, const char *format, ...)
{
	char text[VALUE_MAX + 300];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n < 0)
		return SSH_E_BUG;
	return buf_append(b, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

const char *render_time(char out[40], int64_t sec, int64_t usec)
{
	time_t t = (time_t)sec;
	char stamp[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 40, "%s.%03dZ", stamp, (int)(usec / 1000));
	return out;
}

/* Names come from our own processes, and still are not believed. */
static const char *name_of(const struct row_field *f, char out[ROW_NAME_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < f->name.len && n < ROW_NAME_MAX; i++) {
		uint8_t c = f->name.p[i];

		out[n++] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ? (char)c : '_';
	}
	out[n] = '\0';
	return out;
}

static const char *text_of(const struct row_field *f, char *out, size_t size)
{
	switch (f->kind) {
	case ROW_TEXT:
		return log_clean(out, size, f->text.p, f->text.len);
	case ROW_NUMBER:
		snprintf(out, size, "%" PRId64, f->number);
		return out;
	case ROW_BOOL:
		break;
	}
	snprintf(out, size, "%s", f->number ? "yes" : "no");
	return out;
}

const char *render_field(const struct record *r, const char *name, char *out, size_t size)
{
	struct rd in = rd_view(r->fields);
	struct row_field f;

	while (row_next(&in, &f) > 0)
		if (view_is(f.name, name))
			return text_of(&f, out, size);
	out[0] = '\0';
	return out;
}

/* ---- JSON ------------------------------------------------------------------------------------- */

int render_json_string(struct buf *b, const void *p, size_t n)
{
	char clean[LOG_LINE_MAX * 4 + 1];
	int r;

	log_clean(clean, sizeof clean, p, n);
	TRY(buf_append(b, "\"", 1));
	for (const char *c = clean; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			TRY(buf_append(b, "\\", 1));
		TRY(buf_append(b, c, 1));
	}
	return buf_append(b, "\"", 1);
}

static int json_fields(struct buf *b, const struct record *rec)
{
	struct rd in = rd_view(rec->fields);
	char name[ROW_NAME_MAX + 1];
	struct row_field f;
	int r;

	while (row_next(&in, &f) > 0) {
		TRY(put(b, ",\"%s\":", name_of(&f, name)));
		if (f.kind == ROW_TEXT)
			TRY(render_json_string(b, f.text.p, f.text.len));
		else if (f.kind == ROW_NUMBER)
			TRY(put(b, "%" PRId64, f.number));
		else
			TRY(put(b, "%s", f.number ? "true" : "false"));
	}
	return SSH_OK;
}

static const char *note_name(const struct box_event *e)
{
	if (e->kind == NOTE_SSH_IN || e->kind == NOTE_SSH_OUT)
		return e->number < 256 && ssh_names[e->number] != NULL ? ssh_names[e->number] : "unknown";
	return ipc_rule(e->number) != NULL ? ipc_rule(e->number)->name : "unknown";
}

static const char *note_way(const struct box_event *e)
{
	static const char *const ways[] = { "", "link in", "link out", "ssh in", "ssh out" };

	return ways[e->kind];
}

static int json_events(struct buf *b, const struct record *rec)
{
	struct box_event e[EVENTS_MAX];
	size_t n = box_read(rec->box, e, EVENTS_MAX);
	int r;

	TRY(put(b, ",\"events\":["));
	for (size_t i = 0; i < n; i++) {
		TRY(put(b, "%s{\"at_ms\":%u,", i > 0 ? "," : "", e[i].ms));
		if (e[i].is_line) {
			TRY(put(b, "\"level\":\"%s\",\"line\":", log_level_name(e[i].level)));
			TRY(render_json_string(b, e[i].text, strlen(e[i].text)));
			TRY(put(b, "}"));
		} else {
			TRY(put(b, "\"way\":\"%s\",\"message\":\"%s\",\"number\":%u,\"count\":%u,\"bytes\":%" PRIu64 "}", note_way(&e[i]), note_name(&e[i]),
			    e[i].number, e[i].count, e[i].bytes));
		}
	}
	return put(b, "]");
}

int render_json(struct buf *b, const struct record *rec, uint64_t number, int long_form)
{
	char when[40];
	int r;

	TRY(put(b, "{\"time\":\"%s\",\"event\":\"%s\",\"level\":\"%s\",\"from\":\"%s\",\"from_pid\":%d", render_time(when, rec->sec, rec->usec),
	    happening_name(rec->kind) != NULL ? happening_name(rec->kind) : "line", log_level_name(rec->level),
	    rec->trusted ? "coppiced" : "coppiced-connection", (int)rec->pid));
	if (number > 0)
		TRY(put(b, ",\"number\":%" PRIu64, number));
	if (rec->line[0] != '\0') {
		TRY(put(b, ",\"message\":"));
		TRY(render_json_string(b, rec->line, strlen(rec->line)));
	}
	TRY(json_fields(b, rec));
	if (long_form && rec->box.len > 0)
		TRY(json_events(b, rec));
	return put(b, "}\n");
}

/* ---- text -------------------------------------------------------------------------------------- */

static int text_events(struct buf *b, const struct record *rec)
{
	struct box_event e[EVENTS_MAX];
	size_t n = box_read(rec->box, e, EVENTS_MAX);
	int r;

	if (n > 0)
		TRY(put(b, "    last events of the process:\n"));
	for (size_t i = 0; i < n; i++) {
		TRY(put(b, "      +%u.%03us ", e[i].ms / 1000, e[i].ms % 1000));
		if (e[i].is_line)
			TRY(put(b, "%-8s %s\n", log_level_name(e[i].level), e[i].text));
		else
			TRY(put(b, "%-8s %s x%u, %" PRIu64 " bytes\n", note_way(&e[i]), note_name(&e[i]), e[i].count, e[i].bytes));
	}
	return SSH_OK;
}

int render_report(struct buf *b, const struct record *rec)
{
	static const char *const titles[] = { [HAPPENS_PROGRESS] = "PROGRESS", [HAPPENS_CRASH] = "CRASH", [HAPPENS_SUPERVISOR] = "SUPERVISOR" };
	const char *title = rec->kind < sizeof titles / sizeof titles[0] && titles[rec->kind] != NULL ? titles[rec->kind] : "EVENT";
	struct rd in = rd_view(rec->fields);
	char when[40], name[ROW_NAME_MAX + 1], value[VALUE_MAX];
	struct row_field f;
	int r;

	TRY(put(b, "=%s REPORT==== %s ====\n", title, render_time(when, rec->sec, rec->usec)));
	while (row_next(&in, &f) > 0) {
		name_of(&f, name);
		TRY(put(b, "    %s:%*s%s\n", name, strlen(name) < 14 ? 15 - (int)strlen(name) : 1, "", text_of(&f, value, sizeof value)));
	}
	TRY(text_events(b, rec));
	return put(b, "\n");
}

/* ---- the journal ---------------------------------------------------------------------------------- */

static int journal_name(struct buf *b, const char *name)
{
	char upper[ROW_NAME_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < sizeof journal_names / sizeof journal_names[0]; i++)
		if (strcmp(journal_names[i].name, name) == 0)
			return put(b, "%s", journal_names[i].journal);
	for (; name[n] != '\0'; n++)
		upper[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 'a' + 'A') : name[n];
	upper[n] = '\0';
	return put(b, "COPPICE_%s", upper);
}

/* KEY, newline, length in 8 bytes little-endian, bytes, newline: for values of several lines. */
static int journal_long(struct buf *b, const char *key, const struct buf *value)
{
	uint64_t n = buf_len(value);
	uint8_t length[8];
	int r;

	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(n >> (8 * i));
	TRY(put(b, "%s\n", key));
	TRY(buf_append(b, length, sizeof length));
	TRY(buf_append(b, buf_head(value), buf_len(value)));
	return put(b, "\n");
}

static int journal_fields(struct buf *b, const struct record *rec)
{
	struct rd in = rd_view(rec->fields);
	char name[ROW_NAME_MAX + 1], value[VALUE_MAX];
	struct row_field f;
	int r;

	while (row_next(&in, &f) > 0) {
		TRY(journal_name(b, name_of(&f, name)));
		TRY(put(b, "=%s\n", text_of(&f, value, sizeof value)));
	}
	return SSH_OK;
}

static int journal_message(struct buf *b, const struct record *rec)
{
	struct buf text;
	int r;

	if (rec->kind != HAPPENS_CRASH && rec->kind != HAPPENS_SUPERVISOR)
		return put(b, "MESSAGE=%s%s\n", rec->level == LOGL_ERROR ? "error: " : "", rec->line);
	TRY(put(b, "SUMMARY=%s\n", rec->line));
	buf_init(&text, RENDER_MAX, NULL);
	if ((r = render_report(&text, rec)) == SSH_OK) {
		buf_truncate(&text, buf_len(&text) - 2);	/* the journal ends lines itself */
		r = journal_long(b, "MESSAGE", &text);
	}
	buf_drop(&text);
	return r;
}

int render_journal(struct buf *b, const struct record *rec, int facility)
{
	const char *id = happening_id(rec->kind), *role = ipc_role_name(rec->role);
	char node[8];
	int r;

	TRY(journal_message(b, rec));
	if (id[0] != '\0')
		TRY(put(b, "MESSAGE_ID=%s\n", id));
	TRY(put(b, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\n", record_severity(rec->level), facility >> 3,
	    rec->trusted ? "coppiced" : "coppiced-connection", (int)rec->pid));
	if (happening_name(rec->kind) != NULL && rec->kind != HAPPENS_LINE)
		TRY(put(b, "COPPICE_EVENT=%s\n", happening_name(rec->kind)));
	if (render_field(rec, "role", node, sizeof node)[0] == '\0')
		TRY(put(b, "ROLE=%s\n", role));
	return journal_fields(b, rec);
}
