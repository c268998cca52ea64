#ifndef TESTS_CHAN_PAIR_H
#define TESTS_CHAN_PAIR_H
#include <criterion/criterion.h>

#include "ssh/mux.h"
#include "tests/unit/ssh/login_pair.h"

/* chan_pair - a logged in pair with a channel, for the tests of the connection protocol. */

/* The client opens a session, the server takes it: their numbers of it in id[CLI], id[SRV]. */
static inline void cp_open(struct lp *p, uint32_t id[2])
{
	cr_assert_eq(ssh_chan_open(p->side[CLI], "session", view_of(NULL, 0), &id[CLI]), SSH_OK);
	lp_run(p);
	id[SRV] = TAKE(p, SRV, CHAN_OPEN)->chan;
	cr_assert_eq(ssh_chan_accept(p->side[SRV], id[SRV]), SSH_OK);
	lp_run(p);
	cr_assert_eq(TAKE(p, CLI, CHAN_OPENED)->chan, id[CLI]);
	NOTHING(p);
}

static inline void cp_start(struct lp *p, uint32_t id[2])
{
	lp_start(p, 1, NULL);
	cp_open(p, id);
}

/* One message to the server, as the hostile end of a channel writes it. */
static inline void cp_inject(struct lp *p, uint8_t type, uint32_t chan, const void *rest, size_t n)
{
	struct body x;

	body_begin(&x);
	wr_u32(&x.w, chan);
	wr_raw(&x.w, rest, n);
	body_inject(&x, p, CLI, type);
}

/*
 * Every cut of a message to the server, and one byte too many: at and above fixed bytes it must be
 * taken (the rest is free form; fixed == n and no more when there is none), below it the connection
 * ends with FORMAT and nobody hears of it.
 */
static inline void cp_truncate(void (*make)(struct lp *, uint32_t id[2]), uint8_t type, const uint8_t *body, size_t n,
    size_t fixed, int open_end)
{
	for (size_t cut = 0; cut <= n; cut++) {
		uint32_t id[2];
		struct lp p;

		make(&p, id);
		p.deaf[CLI] = 1;
		lp_forget(&p);
		lp_inject(&p, CLI, type, body, cut);
		if (cut < fixed || (cut > fixed && !open_end)) {
			cr_assert_eq(ssh_error(p.side[SRV]), SSH_E_FORMAT, "message %u cut at %zu: %s", type, cut,
			    err_name(ssh_error(p.side[SRV])));
			cr_assert(!lp_more(&p, SRV));
		} else {
			cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK, "message %u cut at %zu: %s", type, cut,
			    err_name(ssh_error(p.side[SRV])));
		}
		lp_stop(&p);
	}
}

static inline struct chan *cp_end(struct lp *p, int side, const uint32_t id[2])
{
	struct chan *c = mux_find(p->side[side], id[side]);

	cr_assert(c != NULL);
	return c;
}

/* Of a stream's bytes the one at a place: a lost or doubled one is seen. */
static inline uint8_t cp_byte(uint32_t seed, uint64_t at)
{
	return (uint8_t)(seed * 131 + at * 7 + (at >> 8) * 13 + (at >> 16));
}

/* The windows of all channels add up. */
static inline void cp_adds_up(struct lp *p)
{
	for (int i = 0; i < 2; i++)
		for (uint32_t k = 0; k < p->side[i]->mux->size; k++) {
			struct chan *c = &p->side[i]->mux->slots[k];

			if (c->state != CHAN_FREE)
				cr_assert_eq(c->room + c->unread + c->credit, c->window);
		}
}

/* The last words of a side that ended the connection, as the other side got them. */
static inline int cp_bye_is(struct lp *p, int hearer, const char *text)
{
	struct view v;

	ssh_disconnect_reason(p->side[hearer], &v);
	return view_is(v, text);
}

#endif
