#include "tests/unit/ssh/chan_pair.h"

/* window - receive windows grow with what is consumed in a round trip, and with nothing else (RFC 4254 5.2). */

static uint8_t buf[1 << 20];

/* The client's first message on a fresh channel comes a round trip after its number was said. */
static void first_message(struct lp *p, const uint32_t id[2], unsigned rtt_ms)
{
	p->now += rtt_ms;
	ssh_chan_request(p->side[CLI], id[CLI], "shell", 0, view_of(NULL, 0));
	lp_run(p);
	lp_forget(p);
}

static void start(struct lp *p, uint32_t id[2], unsigned rtt_ms)
{
	cp_start(p, id);
	first_message(p, id, rtt_ms);
	p->quiet = 1;
}

/* One round trip: the client sends all it may, the program takes at most that much of it. */
static void trip(struct lp *p, const uint32_t id[2], unsigned ms, size_t most)
{
	struct chan *c = cp_end(p, SRV, id);

	while (ssh_chan_write(p->side[CLI], id[CLI], 0, buf, sizeof buf) > 0)
		lp_run(p);
	p->now += ms;
	ssh_tick(p->side[SRV], p->now);
	ssh_chan_consumed(p->side[SRV], id[SRV], c->unread < most ? (size_t)c->unread : most);
	lp_run(p);
	cp_adds_up(p);
	cr_assert_leq(c->window, CHAN_WINDOW_MAX);
	LIVES(p);
}

Test(window, grows_with_the_way_and_the_reader)
{
	uint32_t id[2];
	struct lp p;

	start(&p, id, 100);
	cr_assert_eq(p.side[SRV]->mux->rtt, 100);
	for (int i = 0; i < 10; i++)
		trip(&p, id, 100, SIZE_MAX);
	cr_assert_eq(cp_end(&p, SRV, id)->window, CHAN_WINDOW_MAX);
	cr_assert_geq(ssh_chan_room(p.side[CLI], id[CLI]), (size_t)SSH_OUTPUT_HIGH, "the client knows of it");
	cr_assert_geq(cp_end(&p, CLI, id)->peer_room, CHAN_WINDOW_MAX - CHAN_GRANT_MAX);
	lp_stop(&p);
}

/* After these trips the window is what it was. */
static void does_not_grow(struct lp *p, const uint32_t id[2], int trips, unsigned ms, size_t most)
{
	for (int i = 0; i < trips; i++)
		trip(p, id, ms, most);
	cr_assert_eq(cp_end(p, SRV, id)->window, CHAN_WINDOW);
}

Test(window, a_program_that_stops_makes_nothing_grow)
{
	uint32_t id[2];
	struct lp p;

	start(&p, id, 100);
	does_not_grow(&p, id, 10, 100, 0);
	cr_assert_eq(cp_end(&p, SRV, id)->unread, CHAN_WINDOW);
	lp_stop(&p);
}

/* Half of the window in a round trip is what the first one is large enough for. */
Test(window, a_slow_program_needs_no_more)
{
	uint32_t id[2];
	struct lp p;

	start(&p, id, 100);
	does_not_grow(&p, id, 20, 100, CHAN_WINDOW / 2);
	/* the same bytes a trip over a longer time are fewer in a round trip */
	does_not_grow(&p, id, 20, 1000, CHAN_WINDOW);
	lp_stop(&p);
}

Test(window, a_near_client_needs_no_more)
{
	uint32_t id[2];
	struct lp p;

	start(&p, id, 0);
	does_not_grow(&p, id, 10, 20, SIZE_MAX);
	lp_stop(&p);
}

Test(window, all_channels_share_one_growth)
{
	uint32_t id[4][2];
	struct lp p;

	start(&p, id[0], 100);
	for (int i = 1; i < 4; i++) {
		p.quiet = 0;
		cp_open(&p, id[i]);
		p.quiet = 1;
	}
	for (int round = 0; round < 12; round++)
		for (int i = 0; i < 4; i++) {
			uint64_t grown = 0;

			trip(&p, id[i], i == 0 ? 100 : 0, SIZE_MAX);	/* one round trip for all */
			for (int k = 0; k < 4; k++)
				grown += cp_end(&p, SRV, id[k])->grown;
			cr_assert_eq(grown, p.side[SRV]->mux->grown);
			cr_assert_leq(grown, CHAN_WINDOW_MAX);
		}
	cr_assert_gt(cp_end(&p, SRV, id[0])->grown, 0);
	ssh_chan_close(p.side[SRV], id[0][SRV]);
	ssh_chan_close(p.side[CLI], id[0][CLI]);
	lp_run(&p);
	for (int i = 0; i < 4; i++)
		trip(&p, id[3], 100, SIZE_MAX);
	cr_assert_leq(p.side[SRV]->mux->grown, CHAN_WINDOW_MAX);
	cr_assert_gt(cp_end(&p, SRV, id[3])->grown, 0, "what a closed channel had is free again");
	lp_stop(&p);
}

/* A busy line answers later: only the shortest time counts. */
Test(window, the_shortest_round_trip_counts)
{
	uint32_t id[2], more[2];
	struct lp p;

	start(&p, id, 40);
	p.quiet = 0;
	cp_open(&p, more);
	first_message(&p, more, 900);
	cr_assert_eq(p.side[SRV]->mux->rtt, 40);
	lp_stop(&p);
}

/* In the middle of a measurement too: whoever goes on says the same. */
Test(window, survives_a_move)
{
	struct ssh_env env = { .random = crypto_random };
	struct ssh_policy policy;
	struct chan *a, *b;
	struct buf state;
	uint32_t id[2];
	struct ssh *s;
	struct lp p;

	start(&p, id, 100);
	for (int i = 0; i < 2; i++)
		trip(&p, id, 100, SIZE_MAX);
	trip(&p, id, 30, 100000);
	ssh_policy_defaults(&policy);
	policy.window_max = CHAN_WINDOW;	/* of new connections */
	buf_init(&state, 16 << 20, NULL);
	cr_assert_eq(ssh_export(p.side[SRV], &state), SSH_OK);
	cr_assert_eq(ssh_import(&s, &env, &policy, view_of(buf_head(&state), buf_len(&state)), p.now), SSH_OK);
	a = mux_find(p.side[SRV], id[SRV]);
	b = mux_find(s, id[SRV]);
	cr_assert(b->window == a->window && b->grown == a->grown && b->grown > 0);
	cr_assert(b->drained == a->drained && b->drained > 0 && b->measured_at == a->measured_at && b->asked_at == a->asked_at);
	cr_assert(s->mux->rtt == 100 && s->mux->grown == a->grown && s->mux->window_max == CHAN_WINDOW_MAX);
	ssh_free(s);
	buf_drop(&state);
	lp_stop(&p);
}
