#include "guard/helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "guard/proc.h"

#define PERSON_MAX 8192u	/* one with more groups than fit is not kept */

struct helper {
	struct list at;			/* in idle or kept, or alone */
	struct proc proc;
	struct event *readable;		/* with a timeout while it owes an answer, or is kept */
	int asked;
	unsigned questions;
	helper_done *done;
	void *ctx;
	struct buf person;		/* whose it is, as person_encode() says it */
};

/* Idle ones of this process, longest idle first; those whose login is over, oldest first; and how many there are in all. */
static struct list idle = { &idle, &idle }, kept = { &kept, &kept };
static unsigned nkept, alive;

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

/* ---- whose it is -------------------------------------------------------------------- */

/* Everything its answers depend on but the question: two of the same bytes may stand in for each other. */
static int person_encode(struct buf *b, const struct helper_person *p)
{
	struct wr w = wr_to(b);

	wr_bool(&w, p->become);
	wr_u32(&w, (uint32_t)p->uid);
	wr_u32(&w, (uint32_t)p->gid);
	wr_u32(&w, (uint32_t)p->ngroups);
	for (size_t i = 0; i < p->ngroups; i++)
		wr_u32(&w, (uint32_t)p->groups[i]);
	wr_cstr(&w, p->find.user);
	wr_cstr(&w, p->find.home);
	wr_u32(&w, (uint32_t)p->find.uid);
	wr_bool(&w, p->find.strict);
	for (size_t i = 0; i < p->find.nfiles; i++)
		wr_cstr(&w, p->find.files[i]);
	return wr_done(&w);
}

static struct view person_of(const struct buf *b)
{
	return view_of(b->v == NULL ? NULL : buf_head(b), buf_len(b));
}

/* ---- the parent -------------------------------------------------------------------- */

static void unlist(struct helper *h)
{
	if (h->done == NULL && !list_empty(&h->at))
		nkept--;
	list_remove(&h->at);
}

static void become_idle(struct helper *h)
{
	h->asked = 0;
	event_remove_timer(h->readable);	/* its end is noticed */
	list_add_tail(&idle, &h->at);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t in[HELPER_MESSAGE_MAX + 1];
	struct helper *h = arg;
	struct helper_answer a;
	ssize_t n;

	if (h->done == NULL) {		/* nobody's: its time is over, or it ended, or spoke without being asked */
		helper_free(h);
		return;
	}
	if (what & EV_TIMEOUT) {
		h->done(h->ctx, SSH_E_TIMEOUT, NULL);
		return;
	}
	n = recv(fd, in, sizeof in, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
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
	if (!list_empty(&kept)) {
		helper_free(LIST_OF(kept.next, struct helper, at));
		return 1;
	}
	if (list_empty(&idle))
		return 0;
	h = LIST_OF(idle.next, struct helper, at);
	h->done(h->ctx, SSH_E_GONE, NULL);	/* its owner frees it */
	return alive < HELPERS_MAX;
}

/* Whoever said something unasked, or is no more, is of no use. */
static int is_silent(const struct helper *h)
{
	uint8_t byte;

	return recv(h->proc.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* One that was kept for this very person; NULL: none. */
static struct helper *take_kept(struct view person)
{
	LIST_EACH_SAFE(at, next, &kept) {
		struct helper *h = LIST_OF(at, struct helper, at);

		if (!view_same(person_of(&h->person), person))
			continue;
		if (is_silent(h)) {
			unlist(h);
			return h;
		}
		helper_free(h);
	}
	return NULL;
}

static int start(struct helper **res, struct event_base *base, const struct helper_person *p)
{
	struct helper *h;
	int r;

	if (!make_room())
		return SSH_E_FULL;
	if ((h = calloc(1, sizeof *h)) == NULL)
		return SSH_E_NOMEM;
	list_init(&h->at);
	buf_init(&h->person, PERSON_MAX, NULL);
	if ((r = proc_start(&h->proc, HELPER_CPU_S, child_main, (void *)(uintptr_t)p)) < 0) {
		free(h);
		return r;
	}
	alive++;
	if ((h->readable = event_new(base, h->proc.fd, EV_READ | EV_PERSIST, on_answer, h)) == NULL ||
	    event_add(h->readable, NULL) < 0) {
		helper_free(h);
		return SSH_E_NOMEM;
	}
	*res = h;
	return SSH_OK;
}

int helper_new(struct helper **res, struct event_base *base, const struct helper_person *p, helper_done *done, void *ctx)
{
	struct helper *h = NULL;
	struct buf person;
	int r = SSH_OK;

	*res = NULL;
	buf_init(&person, PERSON_MAX, NULL);
	if (person_encode(&person, p) < 0)
		buf_drop(&person);	/* nobody is like him */
	else
		h = take_kept(person_of(&person));
	if (h == NULL && (r = start(&h, base, p)) == SSH_OK) {
		h->person = person;
		buf_init(&person, PERSON_MAX, NULL);
	}
	buf_drop(&person);
	if (r < 0)
		return r;
	h->done = done;
	h->ctx = ctx;
	become_idle(h);
	*res = h;
	return SSH_OK;
}

void helper_keep(struct helper *h)
{
	struct timeval time = { HELPER_KEEP_S, 0 };

	if (h == NULL)
		return;
	list_remove(&h->at);
	h->done = NULL;
	if (h->asked || buf_len(&h->person) == 0 || h->questions >= HELPER_QUESTIONS || event_add(h->readable, &time) < 0) {
		helper_free(h);
		return;
	}
	list_add_tail(&kept, &h->at);
	if (++nkept > HELPERS_KEPT)
		helper_free(LIST_OF(kept.next, struct helper, at));
}

void helpers_end(void)
{
	while (!list_empty(&kept))
		helper_free(LIST_OF(kept.next, struct helper, at));
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
	unlist(h);
	h->asked = 1;
	h->questions++;
	event_add(h->readable, &wall);
	return SSH_OK;
}

void helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	unlist(h);
	if (h->readable != NULL)
		event_free(h->readable);
	proc_stop(&h->proc);
	buf_drop(&h->person);
	alive--;
	free(h);
}
