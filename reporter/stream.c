#include "reporter/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "ipc/tell.h"
#include "reporter/render.h"

struct stream {
	struct list link;
	struct streams *all;
	int fd, follows;
	char filter[1001];
	struct buf queue;
	unsigned lost;
	struct event *writable, *closed;
};

struct streams { struct event_base *base; struct list list; unsigned count; };

struct streams *streams_new(struct event_base *base)
{
	struct streams *all = calloc(1, sizeof *all);

	if (all != NULL) {
		all->base = base;
		list_init(&all->list);
	}
	return all;
}

static void stream_free(struct stream *s)
{
	list_remove(&s->link);
	s->all->count--;
	if (s->writable != NULL)
		event_free(s->writable);
	if (s->closed != NULL)
		event_free(s->closed);
	buf_drop(&s->queue);
	close(s->fd);
	free(s);
}

void streams_free(struct streams *all)
{
	if (all == NULL)
		return;
	while (!list_empty(&all->list))
		stream_free(LIST_OF(all->list.next, struct stream, link));
	free(all);
}

unsigned streams_count(const struct streams *all)
{
	return all->count;
}

/* What it missed, as a line of the stream itself. */
static void tell_gap(struct stream *s)
{
	char line[80];
	int n = snprintf(line, sizeof line, "{\"event\":\"gap\",\"lost\":%u}\n", s->lost);

	if (s->lost > 0 && buf_append(&s->queue, line, (size_t)n) == SSH_OK)
		s->lost = 0;
}

/* SSH_OK, or SSH_E_GONE: it is freed. */
static int flush(struct stream *s)
{
	while (buf_len(&s->queue) > 0) {
		ssize_t n = write(s->fd, buf_head(&s->queue), buf_len(&s->queue));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (event_add(s->writable, NULL) == 0)
				return SSH_OK;
			n = -1;
		}
		if (n < 0) {
			stream_free(s);
			return SSH_E_GONE;
		}
		buf_consume(&s->queue, (size_t)n);
		if (buf_len(&s->queue) == 0)
			tell_gap(s);
	}
	buf_shrink(&s->queue);
	if (!s->follows) {
		stream_free(s);
		return SSH_E_GONE;
	}
	return SSH_OK;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	flush(arg);
}

/* A pipe's writing end becomes "readable" when nobody reads it any more. */
static void on_closed(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	stream_free(arg);
}

static struct stream *stream_new(struct streams *all, int fd, size_t max)
{
	struct stream *s = calloc(1, sizeof *s);
	int flags = fcntl(fd, F_GETFL);

	if (s == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(s);
		close(fd);
		return NULL;
	}
	s->all = all;
	s->fd = fd;
	buf_init(&s->queue, max, NULL);
	list_add_tail(&all->list, &s->link);
	all->count++;
	s->writable = event_new(all->base, fd, EV_WRITE, on_writable, s);
	s->closed = event_new(all->base, fd, EV_READ, on_closed, s);
	if (s->writable == NULL || s->closed == NULL || event_add(s->closed, NULL) < 0) {
		stream_free(s);
		return NULL;
	}
	return s;
}

void streams_answer(struct streams *all, int fd, const void *p, size_t n)
{
	struct stream *s;

	if (all->count >= STREAMS_MAX * 2) {
		close(fd);
		return;
	}
	if ((s = stream_new(all, fd, STREAM_ANSWER_MAX)) == NULL)
		return;
	if (buf_append(&s->queue, p, n) < 0)
		stream_free(s);
	else
		flush(s);
}

void streams_follow(struct streams *all, int fd, struct view filter)
{
	static const char full[] = "{\"event\":\"error\",\"message\":\"too many followers\"}\n";
	struct stream *s;

	if (all->count >= STREAMS_MAX) {
		streams_answer(all, fd, full, sizeof full - 1);
		return;
	}
	if ((s = stream_new(all, fd, STREAM_QUEUE_MAX)) == NULL)
		return;
	s->follows = 1;
	snprintf(s->filter, sizeof s->filter, "%.*s", (int)filter.len, filter.len > 0 ? (const char *)filter.p : "");
}

int stream_passes(const char *filter, const struct record *r)
{
	char words[1001], value[1001], *save = NULL;
	int kinds = 0, kind_ok = 0;

	snprintf(words, sizeof words, "%s", filter);
	for (char *w = strtok_r(words, " ,", &save); w != NULL; w = strtok_r(NULL, " ,", &save)) {
		char *is = strchr(w, '=');

		if (is == NULL) {
			kinds = 1;
			kind_ok |= happening_name(r->kind) != NULL && strcmp(happening_name(r->kind), w) == 0;
			continue;
		}
		*is = '\0';
		if (strcmp(render_field(r, w, value, sizeof value), is + 1) != 0)
			return 0;
	}
	return !kinds || kind_ok;
}

void streams_event(struct streams *all, const struct record *r)
{
	struct buf line;
	int rendered = 0;

	if (all->count == 0)
		return;
	buf_init(&line, RENDER_MAX, NULL);
	LIST_EACH_SAFE(l, next, &all->list) {
		struct stream *s = LIST_OF(l, struct stream, link);

		if (!s->follows || !stream_passes(s->filter, r))
			continue;
		if (!rendered && render_json(&line, r, 0, 0) < 0)
			break;
		rendered = 1;
		if (buf_len(&s->queue) == 0)
			tell_gap(s);
		if (s->lost > 0 || buf_append(&s->queue, buf_head(&line), buf_len(&line)) < 0)
			s->lost++;
		if (buf_len(&s->queue) > 0)
			flush(s);
	}
	buf_drop(&line);
}
