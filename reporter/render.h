#ifndef REPORTER_RENDER_H
#define REPORTER_RENDER_H
#include "reporter/sink.h"

/*
 * render - a record as JSON, as the text of a report in OTP's manner, as a datagram of the journal's native protocol. Pure:
 * bytes in, bytes out. Whatever a sender wrote comes out as printable ASCII on lines of its own making.
 */

struct buf;

#define RENDER_MAX (64u * 1024u)	/* one record in any form */

/* JSON string with its quotes: escapes of log.h for what is not printable ASCII. */
int render_json_string(struct buf *, const void *p, size_t n);
/*
 * One object and a newline: {"time":"...","event":"login","level":"info","pid":42,"message":"...","user":"ada",...}. number: of the
 * report in the crash directory, 0: it has none. long form: with the last events of the process.
 */
int render_json(struct buf *, const struct record *, uint64_t number, int long_form);
/* "=CRASH REPORT==== 2026-11-21T08:00:00.123Z ====", a line for each value, the last events; an empty line. */
int render_report(struct buf *, const struct record *);
/* The record's fields for journald (systemd.io/JOURNAL_NATIVE_PROTOCOL): KEY=value, or KEY, length and bytes where a newline is inside. */
int render_journal(struct buf *, const struct record *, int facility);
/* "2026-11-21T08:00:00.123Z" */
const char *render_time(char out[40], int64_t sec, int64_t usec);
/* Text of the named value, escaped; "" when it has none. */
const char *render_field(const struct record *, const char *name, char *out, size_t size);

#endif
