#include "base/log.h"

#include <stdio.h>
#include <string.h>

static log_sink *sink;
static void *sink_ctx;
static enum log_level level = LOGL_INFO;
static log_tap_fn *tap;
static log_note_fn *noter;

void log_to(log_sink *fn, void *ctx)
{
	sink = fn;
	sink_ctx = ctx;
}

void log_set_level(enum log_level l)
{
	level = l;
}

static unsigned long long about;

void log_about(uint64_t conn)
{
	about = conn;
}

enum log_level log_get_level(void)
{
	return level;
}

/* One byte as text; returns how many characters were written (at most 4), 0 when they do not fit. */
static size_t escape_one(char *out, size_t room, unsigned char c, int double_backslash)
{
	if (c >= 0x20 && c < 0x7f && (c != '\\' || !double_backslash)) {
		if (room < 2)
			return 0;
		out[0] = (char)c;
		return 1;
	}
	if (room < 5)
		return 0;
	if (c == '\\') {
		memcpy(out, "\\\\", 2);
		return 2;
	}
	out[0] = '\\';
	out[1] = (char)('0' + (c >> 6));
	out[2] = (char)('0' + (c >> 3 & 7));
	out[3] = (char)('0' + (c & 7));
	return 4;
}

static const char *escape(char *out, size_t size, const void *p, size_t n, int double_backslash)
{
	const unsigned char *in = p;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = escape_one(out + used, size - used, in[i], double_backslash);

		if (k == 0)
			break;
		used += k;
	}
	out[used] = '\0';
	return out;
}

const char *log_escape(char *out, size_t size, const void *p, size_t n)
{
	return escape(out, size, p, n, 1);
}

const char *log_clean(char *out, size_t size, const void *p, size_t n)
{
	return escape(out, size, p, n, 0);
}

void log_tap(log_tap_fn *lines, log_note_fn *notes)
{
	tap = lines;
	noter = notes;
}

void log_note(enum log_note kind, unsigned number, size_t bytes)
{
	if (noter != NULL)
		noter(kind, number, bytes);
}

void log_tapped(enum log_level l, const char *line)
{
	if (tap != NULL && l <= LOGL_DEBUG)
		tap(l, line);
}

const char *log_worded(char *out, const char *line)
{
	char raw[LOG_LINE_MAX + 1];
	int n = about != 0 ? snprintf(raw, sizeof raw, "conn=%llu ", about) : 0;

	snprintf(raw + n, sizeof raw - (size_t)n, "%s", line);
	return log_clean(out, LOG_LINE_MAX + 1, raw, strlen(raw));
}

static void put(enum log_level, int private, const char *fmt, va_list) __attribute__((format(printf, 3, 0)));

static void put(enum log_level l, int private, const char *fmt, va_list ap)
{
	char raw[LOG_LINE_MAX + 1], line[LOG_LINE_MAX + 1];
	int heard = sink != NULL && l <= level, tapped = tap != NULL && l <= LOGL_DEBUG && !private;
	int n = 0;

	if (l == LOGL_QUIET || (!heard && !tapped))
		return;
	if (about != 0)
		n = snprintf(raw, sizeof raw, "conn=%llu ", about);
	vsnprintf(raw + n, sizeof raw - (size_t)n, fmt, ap);
	log_clean(line, sizeof line, raw, strlen(raw));	/* names inside were escaped by their caller */
	if (tapped)
		tap(l, line);
	if (heard)
		sink(sink_ctx, l, line);
}

void log_vev(enum log_level l, const char *fmt, va_list ap)
{
	put(l, 0, fmt, ap);
}

void log_private(enum log_level l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(l, 1, fmt, ap);
	va_end(ap);
}

void log_ev(enum log_level l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vev(l, fmt, ap);
	va_end(ap);
}

const char *log_level_name(enum log_level l)
{
	static const char *const names[] = {
		"quiet", "error", "warning", "info", "verbose", "debug", "trace",
	};

	return (size_t)l < sizeof names / sizeof names[0] ? names[l] : "unknown";
}
