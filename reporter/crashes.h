#ifndef REPORTER_CRASHES_H
#define REPORTER_CRASHES_H
#include "reporter/sink.h"

/*
 * crashes - the crash reports that are kept: files crash-000017 in one directory, each a line of JSON and then the text. The
 * oldest go when there are too many of them or too many bytes. A full disk costs reports, never more.
 */

struct buf;

#define CRASHES_MAX      10000u		/* that many at most, whatever is configured */
#define CRASH_FILE_MAX   (64u * 1024u)

struct crash_file { uint64_t number; uint64_t size; };

struct crashes {
	int dir;			/* -1: none are kept */
	struct crash_file *v;		/* in the order of their numbers */
	size_t n, most;
	uint64_t bytes, bytes_most;
	uint64_t kept, failed;		/* by this process */
	int complained;
};

/* dir (taken; -1: none): as the supervisor opened it. Reads what is there. */
void crashes_open(struct crashes *, int dir, unsigned most, uint64_t bytes_most);
void crashes_close(struct crashes *);
/* New limits. */
void crashes_limit(struct crashes *, unsigned most, uint64_t bytes_most);
/* A crash report becomes a file. Its number, 0 when none are kept or it could not be written (errno). */
uint64_t crashes_keep(struct crashes *, const struct record *);
/* The list, newest first, for people or as a JSON array. */
int  crashes_list(struct crashes *, int json, struct buf *);
/* One report: its text or its JSON. SSH_E_SYS: there is none of that number. */
int  crashes_show(const struct crashes *, uint64_t number, int json, struct buf *);

#endif
