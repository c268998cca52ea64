#ifndef REPORTER_STREAM_H
#define REPORTER_STREAM_H
#include "reporter/sink.h"

/*
 * stream - pipes to the tools of people: events as they happen, and answers. Nothing here waits for a reader: who reads
 * too slowly loses events, and is told how many.
 */

struct event_base;

#define STREAMS_MAX        16
#define STREAM_QUEUE_MAX   (256u * 1024u)	/* unread events of one reader */
#define STREAM_ANSWER_MAX  (16u << 20)		/* one answer; more than the crash directory holds */

struct streams;

/* base: where it waits for pipes to become writable. NULL: no memory. */
struct streams *streams_new(struct event_base *);
void streams_free(struct streams *);
/*
 * fd gets every event that passes the filter, for as long as it is open: words are kinds ("login"), NAME=VALUE fields;
 * one of the kinds and each of the fields must hold; "" passes all. fd is taken.
 */
void streams_follow(struct streams *, int fd, struct view filter);
/* To every follower whose filter it passes. */
void streams_event(struct streams *, const struct record *);
/* An answer: written as the reader takes it, then closed. fd is taken, the bytes are copied. */
void streams_answer(struct streams *, int fd, const void *p, size_t n);
unsigned streams_count(const struct streams *);
/* Does a record pass? For tests. */
int  stream_passes(const char *filter, const struct record *);

#endif
