#include "supervisor/look.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/command.h"

#define PACE_MS 2	/* until the client has taken more of its answer */

struct look {
	struct list link;
	struct client *client;
	struct daemon *d;
	const struct look_how *how;
	unsigned flags;
	char *text;
	uint64_t *ids;
	size_t n, from, to, told;	/* [from, to) has been asked, told is the next to tell */
	uint32_t req;			/* of this batch */
	unsigned waiting;
	uint8_t answered[LOOK_BATCH];
	struct event *timer;
};

static struct list looks = { &looks, &looks };
static uint32_t last_req;

static void look_drop(void *arg)
{
	struct look *l = arg;

	list_remove(&l->link);
	if (l->timer != NULL)
		event_free(l->timer);
	free(l->text);
	free(l->ids);
	free(l);
}

static void ask_batch(struct look *l)
{
	l->from = l->told = l->to;
	l->req = ++last_req;
	l->waiting = 0;
	memset(l->answered, 0, sizeof l->answered);
	for (; l->to < l->n && l->to - l->from < LOOK_BATCH; l->to++) {
		struct session *s = table_get(&l->d->sessions, l->ids[l->to]);

		if (s != NULL && l->how->ask != NULL && l->how->ask(s, l->req, l->text) == SSH_OK)
			l->waiting++;
	}
}

static int wait_ms(struct look *l, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	return event_add(l->timer, &tv) < 0 ? SSH_E_NOMEM : SSH_OK;
}

/* As far as it goes now. */
static int go_on(struct look *l)
{
	int r;

	for (;;) {
		if (l->waiting > 0)
			return wait_ms(l, LOOK_PATIENCE_MS);
		while (l->told < l->to) {
			struct session *s = table_get(&l->d->sessions, l->ids[l->told]);

			if (link_queued(client_link(l->client)) > 0)
				return wait_ms(l, PACE_MS);
			if (s != NULL)
				TRY(l->how->tell(l->client, s, l->answered[l->told - l->from], l->flags));
			l->told++;
		}
		if (l->to == l->n)
			break;
		ask_batch(l);
	}
	event_del(l->timer);
	r = client_done(l->client, 0, "%s", "");
	client_keep(l->client, NULL, NULL);
	return r;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct look *l = arg;
	struct client *c = l->client;	/* the look ends before its client */

	(void)fd, (void)what;
	l->waiting = 0;		/* those who did not answer will not be waited for */
	if (go_on(l) < 0)
		client_end(c);
}

void look_answered(struct session *s, uint32_t req)
{
	LIST_EACH_SAFE(at, next, &looks) {
		struct look *l = LIST_OF(at, struct look, link);

		if (l->req != req)
			continue;
		for (size_t i = l->from; i < l->to; i++) {
			if (l->ids[i] != s->conn || l->answered[i - l->from])
				continue;
			l->answered[i - l->from] = 1;
			if (l->waiting > 0 && --l->waiting == 0)
				wait_ms(l, 0);	/* not from inside a connection's message */
			return;
		}
	}
}

int look_start(struct client *c, uint64_t *ids, size_t n, const struct look_how *how, unsigned flags, const char *text)
{
	struct look *l = calloc(1, sizeof *l);

	if (l == NULL) {
		free(ids);
		return client_done(c, 1, "out of memory");
	}
	list_add_tail(&looks, &l->link);
	l->client = c;
	l->d = client_daemon(c);
	l->how = how;
	l->flags = flags;
	l->ids = ids;
	l->n = n;
	client_keep(c, l, look_drop);
	if ((l->text = strdup(text)) == NULL || (l->timer = evtimer_new(l->d->base, on_timer, l)) == NULL)
		return client_done(c, 1, "out of memory");
	return go_on(l);
}
