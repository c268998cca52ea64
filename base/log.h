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

/* As log_ev(), for text a peer chose as it liked: it never reaches the tap. */
void log_private(enum log_level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * What the process did last, for the report of its death (ipc/box.h): the tap gets every line down to DEBUG, whatever
 * the level; the noter gets numbers and sizes of messages, never their content. NULL: nobody.
 */
enum log_note { NOTE_LINK_IN = 1, NOTE_LINK_OUT, NOTE_SSH_IN, NOTE_SSH_OUT };
typedef void log_tap_fn(enum log_level, const char *line);
typedef void log_note_fn(enum log_note, unsigned number, size_t bytes);
void log_tap(log_tap_fn *, log_note_fn *);
void log_note(enum log_note, unsigned number, size_t bytes);
/* The line as log_ev() would have it, cleaned and with log_about()'s number; out has LOG_LINE_MAX + 1 bytes. */
const char *log_worded(char *out, const char *line);
/* For the tap alone: a line that is sent on another way. */
void log_tapped(enum log_level, const char *line);

/* n bytes from anywhere as printable text in out (size bytes with NUL); octal escapes, "\\" doubled. */
const char *log_escape(char *out, size_t size, const void *p, size_t n);
/* The same for text that was escaped before: a backslash stays single. */
const char *log_clean(char *out, size_t size, const void *p, size_t n);

const char *log_level_name(enum log_level);	/* "info" */

#endif
