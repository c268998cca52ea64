#ifndef REPORTER_SINK_H
#define REPORTER_SINK_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/wire.h"
#include "conf/conf.h"
#include "ipc/codec.h"

/* sink - where lines end: a descriptor (stderr, -E file), the journal's socket or syslog's. */

#define SINK_JOURNAL "/run/systemd/journal/socket"
#define SINK_SYSLOG  "/dev/log"

struct sink {
	enum conf_log_format format;	/* never AUTO after sink_open() */
	int fd;			/* stderr or file; -1: a socket */
	int socket_fd;		/* connected datagram socket; -1: not now */
	int facility;		/* LOG_AUTH ... */
	unsigned dropped;
	uint64_t lines, lost;	/* in all */
};

/* One line as it came, with what the kernel says of its sender. */
struct record {
	enum log_level level;
	enum ipc_role role;	/* what the sender says it is; decides nothing */
	int trusted;		/* came by the socket of the trusted roles */
	pid_t pid;		/* by the kernel */
	const char *line;	/* printable; "" : only an event */
	unsigned kind;		/* enum happening */
	struct view fields;	/* row.h; empty: a plain line */
	struct view box;	/* box.h; empty: none */
	int64_t sec, usec;	/* CLOCK_REALTIME of its arrival */
};

/* "coppiced[812]" for trusted roles, "coppiced-connection[913]" for what talks to the network. */
const char *record_ident(char *out, size_t size, const struct record *);
/* The whole line for a file: time, ident, text, newline. now: CLOCK_REALTIME. Returns its length, less than size. */
size_t record_file_line(char *out, size_t size, const struct record *, int64_t sec, int64_t usec);
/* RFC 3164 style as syslog(3) sends it to the local socket. */
size_t record_syslog_line(char *out, size_t size, const struct record *, int facility, int64_t sec);
/* syslog severity 0..7 */
int record_severity(enum log_level);

/* fd is taken; -1: the journal where its socket is there, else syslog, unless format says which. */
void sink_open(struct sink *, int fd, enum conf_log_format format, int facility);
/* Never blocks for ever: a file or terminal is written at once; syslog that does not take a line loses it, counted and told later. */
void sink_write(struct sink *, const struct record *);

#endif
