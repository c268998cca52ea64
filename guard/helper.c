#include "guard/helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "guard/proc.h"

struct helper {
	struct list at;			/* in idle, or alone */
	struct proc proc;
	struct event *readable;		/* with a timeout while it owes an answer */
	int asked;
	helper_done *done;
	void *ctx;
};

/* Idle ones of this process, longest idle first; and how many there are in all. */
static struct list idle = { &idle, &idle };
static unsigned alive;

/* ---- the child ------------------------------------------------------------------- */

static int serve_one(int fd, const struct keyfind *k, uint8_t *in, struct buf *texts)
{
	ssize_t n = recv(fd, in, HELPER_MESSAGE_MAX, 0);
	struct helper_answer a;
	struct helper_ask q;
	struct buf b;
	ssize_t sent;
	int ok;

	if (n <= 0 || helper_ask_decode(&q, view_of(in, (size_t)n)) < 0)
		return 0;
	alarm(HELPER_WALL_S);
	keyfind_answer(k, &q, &a, texts);
	alarm(0);
	buf_init(&b, HELPER_MESSAGE_MAX, NULL);
	ok = helper_answer_encode(&b, &a) == SSH_OK;
	sent = ok ? send(fd, buf_head(&b), buf_len(&b), MSG_NOSIGNAL) : -1;
	buf_drop(&b);
	return sent >= 0;
}

static void child_main(int fd, void *ctx)
{
	const struct helper_person *p = ctx;
	uint8_t *in = malloc(HELPER_MESSAGE_MAX);
	struct buf texts;

	if (in == NULL)
		return;
	if (p->become)
		proc_become(p->uid, p->gid, p->groups, p->ngroups);
	buf_init(&texts, AUTHOPTS_TEXT_MAX + HELPER_LINES * HELPER_LINE_MAX, NULL);
	while (serve_one(fd, &p->find, in, &texts))
		;
}

/* ---- the parent -------------------------------------------------------------------- */

static void become_idle(struct helper *h)
{
	h->asked = 0;
	event_add(h->readable, NULL);	/* its end is noticed */
	list_add_tail(&idle, &h->at);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t in[HELPER_MESSAGE_MAX + 1];
	struct helper *h = arg;
	struct helper_answer a;
	ssize_t n;

	if (what & EV_TIMEOUT) {
		h->done(h->ctx, SSH_E_TIMEOUT, NULL);
		return;
	}
	n = recv(fd, in, sizeof in, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		struct timeval wall = { HELPER_WALL_S, 0 };

		event_add(h->readable, h->asked ? &wall : NULL);
		return;
	}
	if (n <= 0)
		h->done(h->ctx, SSH_E_GONE, NULL);
	else if (!h->asked || n > (ssize_t)HELPER_MESSAGE_MAX ||
	    helper_answer_decode(&a, view_of(in, (size_t)n)) < 0)
		h->done(h->ctx, SSH_E_FORMAT, NULL);
	else
		become_idle(h), h->done(h->ctx, SSH_OK, &a);
}

/* 0 when nobody can be spared. */
static int make_room(void)
{
	struct helper *h;

	if (alive < HELPERS_MAX)
		return 1;
	if (list_empty(&idle))
		return 0;
	h = LIST_OF(idle.next, struct helper, at);
	h->done(h->ctx, SSH_E_GONE, NULL);	/* its owner frees it */
	return alive < HELPERS_MAX;
}

int helper_new(struct helper **res, struct event_base *base, const struct helper_person *p, helper_done *done, void *ctx)
{
	struct helper *h;
	int r;

	*res = NULL;
	if (!make_room())
		return SSH_E_FULL;
	if ((h = calloc(1, sizeof *h)) == NULL)
		return SSH_E_NOMEM;
	list_init(&h->at);
	h->done = done;
	h->ctx = ctx;
	if ((r = proc_start(&h->proc, HELPER_CPU_S, child_main, (void *)(uintptr_t)p)) < 0) {
		free(h);
		return r;
	}
	alive++;
	if ((h->readable = event_new(base, h->proc.fd, EV_READ, on_answer, h)) == NULL) {
		helper_free(h);
		return SSH_E_NOMEM;
	}
	become_idle(h);
	*res = h;
	return SSH_OK;
}

int helper_ask(struct helper *h, const struct helper_ask *q)
{
	struct timeval wall = { HELPER_WALL_S, 0 };
	struct buf b;
	int r;

	if (h->asked)
		return SSH_E_BUG;
	buf_init(&b, HELPER_MESSAGE_MAX, NULL);
	if ((r = helper_ask_encode(&b, q)) == SSH_OK &&
	    send(h->proc.fd, buf_head(&b), buf_len(&b), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		r = SSH_E_GONE;
	buf_drop(&b);
	if (r < 0)
		return r;
	list_remove(&h->at);
	h->asked = 1;
	event_add(h->readable, &wall);
	return SSH_OK;
}

void helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	list_remove(&h->at);
	if (h->readable != NULL)
		event_free(h->readable);
	proc_stop(&h->proc);
	alive--;
	free(h);
}
