#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* log - one line per event, handed to the process's sink; sanitised here and again by the receiver. */

enum log_level { LOGL_QUIET, LOGL_ERROR, LOGL_WARN, LOGL_INFO, LOGL_VERBOSE, LOGL_DEBUG, LOGL_TRACE };

#define LOG_LINE_MAX 1000u	/* one event, already escaped */

/* line: printable text, no newline; borrowed for the call. */
typedef void log_sink(void *ctx, enum log_level, const char *line);

/* The process's one sink; NULL discards. Lines above the level are never formatted. */
void log_to(log_sink *, void *ctx);
void log_set_level(enum log_level);
enum log_level log_get_level(void);
/* While it is not 0 every line begins with "conn=N ": a process that serves many speaks about one. */
void log_about(uint64_t conn);

/* Formats, escapes control bytes and non-ASCII as \ooo, cuts at LOG_LINE_MAX, calls the sink. */
void log_ev(enum log_level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_vev(enum log_level, const char *fmt, va_list) __attribute__((format(printf, 2, 0)));

/* n bytes from anywhere as printable text in out (size bytes with NUL); octal escapes, "\\" doubled. */
const char *log_escape(char *out, size_t size, const void *p, size_t n);
/* The same for text that was escaped before: a backslash stays single. */
const char *log_clean(char *out, size_t size, const void *p, size_t n);

const char *log_level_name(enum log_level);	/* "info" */

#endif
