#include "tests/unit/ssh/chan_pair.h"

Test(mux, nothing_before_login)
{
	struct lp p;
	uint32_t id;

	lp_start(&p, 0, NULL);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ssh_chan_open(p.side[i], "session", view_of(NULL, 0), &id), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_global_request(p.side[i], "x", 0, view_of(NULL, 0)), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_global_reply(p.side[i], 1, view_of(NULL, 0)), SSH_E_NOT_NOW);
	}
	lp_stop(&p);
}

Test(mux, open_accept_refuse)
{
	const struct ssh_event *e;
	uint32_t a, b, s;
	struct lp p;

	lp_start(&p, 1, NULL);
	cr_assert_eq(ssh_chan_open(p.side[CLI], "direct-tcpip", view_str("rest"), &a), SSH_OK);
	cr_assert_eq(ssh_chan_open(p.side[CLI], "session", view_of(NULL, 0), &b), SSH_OK);
	cr_assert_neq(a, b);
	lp_run(&p);
	e = TAKE(&p, SRV, CHAN_OPEN);
	cr_assert(view_is(e->ctype, "direct-tcpip") && view_is(e->data, "rest"));
	s = e->chan;
	cr_assert_eq(ssh_chan_eof(p.side[SRV], s), SSH_E_NOT_NOW, "not open yet");
	cr_assert_eq(ssh_chan_close(p.side[SRV], s), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_room(p.side[SRV], s), 0);
	/* answered out of order */
	cr_assert_eq(ssh_chan_accept(p.side[SRV], TAKE(&p, SRV, CHAN_OPEN)->chan), SSH_OK);
	cr_assert_eq(ssh_chan_refuse(p.side[SRV], s, 1, "not here"), SSH_OK);
	cr_assert_eq(ssh_chan_refuse(p.side[SRV], s, 1, "not here"), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_accept(p.side[SRV], s), SSH_E_NOT_NOW);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, CLI, CHAN_OPENED)->chan, b);
	e = TAKE(&p, CLI, CHAN_REFUSED);
	cr_assert(e->chan == a && e->count == 1 && view_is(e->text, "not here"));
	cr_assert_eq(mux_count(p.side[CLI]), 1);
	cr_assert_eq(mux_count(p.side[SRV]), 1);
	LIVES(&p);
	lp_stop(&p);
}

Test(mux, server_opens_too)
{
	uint32_t id, c;
	struct lp p;

	lp_start(&p, 1, NULL);
	cr_assert_eq(ssh_chan_open(p.side[SRV], "forwarded-tcpip", view_str("x"), &id), SSH_OK);
	lp_run(&p);
	c = TAKE(&p, CLI, CHAN_OPEN)->chan;
	ssh_chan_accept(p.side[CLI], c);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, SRV, CHAN_OPENED)->chan, id);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id, 0, (const uint8_t *)"hi", 2), 2);
	lp_run(&p);
	cr_assert(view_is(TAKE(&p, CLI, CHAN_DATA)->data, "hi"));
	lp_stop(&p);
}

Test(mux, more_channels_than_allowed_are_refused_by_itself)
{
	struct ssh_policy policy[2];
	uint32_t id[8];
	struct lp p;

	ssh_policy_defaults(&policy[CLI]);
	ssh_policy_defaults(&policy[SRV]);
	policy[SRV].max_channels = 5;
	policy[CLI].max_channels = 7;
	lp_start(&p, 1, policy);
	for (int i = 0; i < 7; i++)
		cr_assert_eq(ssh_chan_open(p.side[CLI], "session", view_of(NULL, 0), &id[i]), SSH_OK);
	cr_assert_eq(ssh_chan_open(p.side[CLI], "session", view_of(NULL, 0), &id[7]), SSH_E_LIMIT);
	lp_run(&p);
	for (int i = 0; i < 5; i++)
		TAKE(&p, SRV, CHAN_OPEN);
	for (int i = 5; i < 7; i++) {
		const struct ssh_event *e = TAKE(&p, CLI, CHAN_REFUSED);

		cr_assert(e->chan == id[i] && e->count == 4);
	}
	NOTHING(&p);
	cr_assert_eq(mux_count(p.side[SRV]), 5);
	cr_assert_eq(mux_count(p.side[CLI]), 5);
	LIVES(&p);
	lp_stop(&p);
}

static void open_body(struct body *x, uint32_t window, uint32_t packet)
{
	body_begin(x);
	wr_cstr(&x->w, "session");
	wr_u32(&x->w, 77);
	wr_u32(&x->w, window);
	wr_u32(&x->w, packet);
}

/* The bug class of 2026: a packet size of zero made servers spin. */
Test(mux, silly_packet_sizes_are_refused)
{
	static const uint32_t bad[] = { 0, 1, 31, CHAN_PACKET_MIN - 1 }, good[] = { CHAN_PACKET_MIN, UINT32_MAX };
	struct body x;
	struct lp p;

	lp_start(&p, 1, NULL);
	p.deaf[CLI] = 1;
	for (size_t i = 0; i < 4; i++) {
		open_body(&x, 1000, bad[i]);
		body_inject(&x, &p, CLI, SSH_MSG_CHANNEL_OPEN);
		cr_assert(!lp_more(&p, SRV));
		cr_assert_eq(mux_count(p.side[SRV]), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		uint32_t id;

		open_body(&x, UINT32_MAX, good[i]);
		body_inject(&x, &p, CLI, SSH_MSG_CHANNEL_OPEN);
		id = TAKE(&p, SRV, CHAN_OPEN)->chan;
		ssh_chan_accept(p.side[SRV], id);
		cr_assert_gt(ssh_chan_room(p.side[SRV], id), 0);
		cr_assert_leq(ssh_chan_room(p.side[SRV], id), SSH_OUTPUT_HIGH);
	}
	cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK);
	lp_stop(&p);
}

Test(mux, silly_packet_size_in_a_confirmation_ends_it)
{
	struct body x;
	uint32_t id;
	struct lp p;

	lp_start(&p, 1, NULL);
	ssh_chan_open(p.side[CLI], "session", view_of(NULL, 0), &id);
	body_begin(&x);
	wr_u32(&x.w, id);
	wr_u32(&x.w, 0);
	wr_u32(&x.w, 1000);
	wr_u32(&x.w, 0);
	body_inject(&x, &p, SRV, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ENDED(&p, CLI, PROTOCOL);
	lp_stop(&p);
}

/* Numbers out of the past never mean a new channel, and the table does not grow. */
Test(mux, numbers_are_not_reused_for_long)
{
	uint32_t id[2], old[2] = { UINT32_MAX, UINT32_MAX };
	struct lp p;

	lp_start(&p, 1, NULL);
	for (int i = 0; i < 100000; i++) {
		cp_open(&p, id);
		for (int k = 0; k < 2; k++) {
			cr_assert_neq(id[k], old[k]);
			cr_assert_eq(ssh_chan_write(p.side[k], old[k], 0, (const uint8_t *)"x", 1), SSH_E_NOT_NOW);
			cr_assert_eq(ssh_chan_close(p.side[k], old[k]), SSH_E_NOT_NOW);
			cr_assert_eq(ssh_chan_consumed(p.side[k], old[k], 0), SSH_E_NOT_NOW);
			old[k] = id[k];
		}
		cr_assert_eq(ssh_chan_close(p.side[i & 1], id[i & 1]), SSH_OK);
		lp_run(&p);
		TAKE(&p, CLI, CHAN_CLOSE);
		TAKE(&p, SRV, CHAN_CLOSE);
		lp_forget(&p);
	}
	cr_assert_eq(p.side[SRV]->mux->size, 4);
	cr_assert_eq(mux_count(p.side[SRV]), 0);
	cr_assert_eq(mux_count(p.side[CLI]), 0);
	LIVES(&p);
	lp_stop(&p);
}

/* Whatever names a channel that is not there ends the connection. */
Test(mux, nonexistent_channels)
{
	static const uint8_t types[] = { 91, 92, 93, 94, 95, 96, 97, 98, 99, 100 };

	for (size_t i = 0; i < sizeof types; i++)
		for (int kind = 0; kind < 3; kind++) {
			struct body x;
			uint32_t id[2], to = 5;
			struct lp p;

			cp_start(&p, id);
			if (kind == 1) {		/* one that was */
				to = id[SRV];
				ssh_chan_close(p.side[SRV], id[SRV]);
				lp_run(&p);
			} else if (kind == 2) {		/* one that is not yet */
				struct body y;

				open_body(&y, 1, 32768);
				body_inject(&y, &p, CLI, SSH_MSG_CHANNEL_OPEN);
				to = p.log[SRV][p.count[SRV] - 1].e.chan;
			}
			lp_forget(&p);
			body_begin(&x);
			wr_u32(&x.w, to);
			if (types[i] == 91)
				wr_u32(&x.w, 0), wr_u32(&x.w, 1), wr_u32(&x.w, 32768);
			else if (types[i] == 92)
				wr_u32(&x.w, 1), wr_cstr(&x.w, "no"), wr_cstr(&x.w, "");
			else if (types[i] == 93)
				wr_u32(&x.w, 1);
			else if (types[i] == 94)
				wr_cstr(&x.w, "data");
			else if (types[i] == 95)
				wr_u32(&x.w, 1), wr_cstr(&x.w, "data");
			else if (types[i] == 98)
				wr_cstr(&x.w, "shell"), wr_bool(&x.w, 1);
			body_inject(&x, &p, CLI, types[i]);
			ENDED(&p, SRV, PROTOCOL);
			cr_assert(cp_bye_is(&p, CLI, "nonexistent channel"), "message %u kind %d", types[i], kind);
			cr_assert(!lp_more(&p, SRV));
			lp_stop(&p);
		}
}

Test(mux, open_answers_for_an_open_channel)
{
	for (int failed = 0; failed < 2; failed++) {
		struct body x;
		uint32_t id[2];
		struct lp p;

		cp_start(&p, id);
		body_begin(&x);
		wr_u32(&x.w, id[SRV]);
		wr_u32(&x.w, 1);
		if (failed)
			wr_cstr(&x.w, "no"), wr_cstr(&x.w, "");
		else
			wr_u32(&x.w, 1), wr_u32(&x.w, 32768);
		body_inject(&x, &p, CLI, failed ? SSH_MSG_CHANNEL_OPEN_FAILURE : SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
		ENDED(&p, SRV, PROTOCOL);
		lp_stop(&p);
	}
}

/* ---- global requests */

Test(mux, global_requests_in_order)
{
	const struct ssh_event *e;
	struct lp p;

	lp_start(&p, 1, NULL);
	ssh_global_request(p.side[CLI], "one", 1, view_str("1"));
	ssh_global_request(p.side[CLI], "two", 0, view_of(NULL, 0));
	ssh_global_request(p.side[CLI], "three", 1, view_of(NULL, 0));
	lp_run(&p);
	e = TAKE(&p, SRV, GLOBAL_REQUEST);
	cr_assert(view_is(e->ctype, "one") && view_is(e->data, "1") && e->want_reply);
	e = TAKE(&p, SRV, GLOBAL_REQUEST);
	cr_assert(view_is(e->ctype, "two") && !e->want_reply);
	TAKE(&p, SRV, GLOBAL_REQUEST);
	cr_assert_eq(ssh_global_reply(p.side[SRV], 1, view_str("port")), SSH_OK);
	cr_assert_eq(ssh_global_reply(p.side[SRV], 0, view_str("ignored")), SSH_OK);
	cr_assert_eq(ssh_global_reply(p.side[SRV], 0, view_of(NULL, 0)), SSH_E_NOT_NOW);
	lp_run(&p);
	e = TAKE(&p, CLI, GLOBAL_REPLY);
	cr_assert(e->ok && view_is(e->data, "port"));
	e = TAKE(&p, CLI, GLOBAL_REPLY);
	cr_assert(!e->ok && e->data.len == 0);
	NOTHING(&p);
	LIVES(&p);
	lp_stop(&p);
}

Test(mux, global_requests_are_bounded)
{
	struct body x;
	struct lp p;

	lp_start(&p, 1, NULL);
	for (unsigned i = 0; i < SSH_GLOBAL_REQUESTS_MAX; i++)
		cr_assert_eq(ssh_global_request(p.side[CLI], "x", 1, view_of(NULL, 0)), SSH_OK);
	cr_assert_eq(ssh_global_request(p.side[CLI], "x", 1, view_of(NULL, 0)), SSH_E_FULL);
	cr_assert_eq(ssh_global_request(p.side[CLI], "x", 0, view_of(NULL, 0)), SSH_OK);
	lp_run(&p);
	LIVES(&p);
	for (unsigned i = 0; i < SSH_GLOBAL_REQUESTS_MAX; i++)
		cr_assert_eq(ssh_global_reply(p.side[SRV], i & 1, view_of(NULL, 0)), SSH_OK);
	lp_run(&p);
	for (unsigned i = 0; i < SSH_GLOBAL_REQUESTS_MAX; i++)
		cr_assert_eq(TAKE(&p, CLI, GLOBAL_REPLY)->ok, (int)(i & 1));
	for (unsigned i = 0; i <= SSH_GLOBAL_REQUESTS_MAX; i++) {
		LIVES(&p);
		body_begin(&x);
		wr_cstr(&x.w, "flood");
		wr_bool(&x.w, 1);
		body_inject(&x, &p, CLI, SSH_MSG_GLOBAL_REQUEST);
	}
	ENDED(&p, SRV, LIMIT);
	lp_stop(&p);
}

Test(mux, answers_to_no_request_end_it)
{
	static const uint8_t types[] = { 81, 82, 99, 100 };

	for (size_t i = 0; i < sizeof types; i++) {
		uint32_t id[2];
		struct lp p;

		cp_start(&p, id);
		if (types[i] >= 99)
			cp_inject(&p, types[i], id[SRV], NULL, 0);
		else
			lp_inject(&p, CLI, types[i], NULL, 0);
		ENDED(&p, SRV, PROTOCOL);
		cr_assert(cp_bye_is(&p, CLI, "answer to no request"));
		lp_stop(&p);
	}
}

/* ---- keepalive */

static void tick(struct lp *p, uint64_t at)
{
	p->now = at;
	ssh_tick(p->side[SRV], at);
	lp_run(p);
}

Test(mux, silent_client_times_out)
{
	struct lp p;
	uint64_t t;

	lp_start(&p, 1, NULL);
	ssh_set_alive(p.side[SRV], 1000, 3);
	p.deaf[SRV] = 1;
	t = mux_deadline(p.side[SRV]);
	cr_assert_eq(t, 2000);
	for (int i = 0; i < 3; i++) {
		tick(&p, t - 1);
		cr_assert(!lp_more(&p, CLI));
		tick(&p, t);
		cr_assert(view_is(TAKE(&p, CLI, GLOBAL_REQUEST)->ctype, "keepalive@openssh.com"));
		cr_assert_eq(mux_deadline(p.side[SRV]), t + 1000);
		t += 1000;
	}
	cr_assert_eq(ssh_tick(p.side[SRV], t), SSH_E_TIMEOUT);
	cr_assert_eq(mux_deadline(p.side[SRV]), UINT64_MAX);
	lp_run(&p);
	cr_assert(cp_bye_is(&p, CLI, "Timeout, client not responding."));
	lp_stop(&p);
}

Test(mux, any_packet_is_a_sign_of_life)
{
	struct lp p;

	lp_start(&p, 1, NULL);
	ssh_set_alive(p.side[SRV], 1000, 1);
	for (uint64_t t = 2000; t < 50000; t += 1000) {
		tick(&p, t);
		lp_forget(&p);
		p.now = t + 500;
		/* the keepalive itself is answered late, or in another order: only then does it say something */
		if (t % 3000 == 0)
			ssh_global_reply(p.side[CLI], 0, view_of(NULL, 0));
		else
			ssh_global_request(p.side[CLI], "hello", 0, view_of(NULL, 0));
		lp_run(&p);
		LIVES(&p);
		for (size_t i = 0; i < p.count[SRV]; i++)
			cr_assert_neq(p.log[SRV][i].e.type, SSH_EV_GLOBAL_REPLY, "answers to keepalives are ours");
		cr_assert_eq(mux_deadline(p.side[SRV]), t + 1500);
		t += 500;
	}
	lp_stop(&p);
}

Test(mux, keepalives_and_requests_share_one_order)
{
	const struct ssh_event *e;
	struct lp p;

	lp_start(&p, 1, NULL);
	ssh_set_alive(p.side[SRV], 1000, 0);
	ssh_global_request(p.side[SRV], "a", 1, view_of(NULL, 0));
	tick(&p, 2000);
	ssh_global_request(p.side[SRV], "b", 1, view_of(NULL, 0));
	lp_run(&p);
	ssh_global_reply(p.side[CLI], 1, view_str("A"));
	ssh_global_reply(p.side[CLI], 1, view_str("keepalive"));
	ssh_global_reply(p.side[CLI], 1, view_str("B"));
	lp_run(&p);
	e = TAKE(&p, SRV, GLOBAL_REPLY);
	cr_assert(view_is(e->data, "A"));
	e = TAKE(&p, SRV, GLOBAL_REPLY);
	cr_assert(view_is(e->data, "B"));
	cr_assert(!lp_more(&p, SRV));
	lp_stop(&p);
}

/* ClientAliveCountMax 0: asks for ever, within bounds. */
Test(mux, keepalive_without_a_maximum)
{
	struct lp p;

	lp_start(&p, 1, NULL);
	ssh_set_alive(p.side[SRV], 1000, 0);
	p.deaf[SRV] = 1;
	for (uint64_t t = 2000; t < 1000000; t += 1000)
		tick(&p, t);
	LIVES(&p);
	cr_assert_eq(p.count[CLI], SSH_GLOBAL_REQUESTS_MAX);
	ssh_set_alive(p.side[SRV], 0, 0);
	cr_assert_eq(mux_deadline(p.side[SRV]), UINT64_MAX);
	tick(&p, 5000000);
	LIVES(&p);
	ssh_set_alive(p.side[SRV], UINT64_MAX, 0);
	tick(&p, 6000000);
	cr_assert_eq(mux_deadline(p.side[SRV]), UINT64_MAX);
	lp_stop(&p);
}

/* ---- malformed */

static void make_plain(struct lp *p, uint32_t id[2])
{
	lp_start(p, 1, NULL);
	id[0] = id[1] = 0;
}

/* One global request of ours is out, and one channel is being opened by us. */
static void make_asked(struct lp *p, uint32_t id[2])
{
	lp_start(p, 1, NULL);
	ssh_global_request(p->side[SRV], "x", 1, view_of(NULL, 0));
	ssh_chan_open(p->side[SRV], "session", view_of(NULL, 0), &id[SRV]);
	cr_assert_eq(id[SRV], 0);
	lp_run(p);
}

#define CUT(make, type, body, fixed, open_end) \
	cp_truncate(make, type, (const uint8_t *)(body), sizeof(body) - 1, fixed, open_end)

Test(mux, every_truncation)
{
	CUT(make_plain, SSH_MSG_GLOBAL_REQUEST, "\0\0\0\4name\1rest", 9, 1);
	CUT(make_asked, SSH_MSG_REQUEST_SUCCESS, "rest", 0, 1);
	CUT(make_asked, SSH_MSG_REQUEST_FAILURE, "x", 0, 0);
	CUT(make_plain, SSH_MSG_CHANNEL_OPEN, "\0\0\0\7session\0\0\0\1\0\0\1\0\0\0\100\0rest", 23, 1);
	CUT(make_asked, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, "\0\0\0\0\0\0\0\1\0\0\1\0\0\0\100\0rest", 16, 1);
	CUT(make_asked, SSH_MSG_CHANNEL_OPEN_FAILURE, "\0\0\0\0\0\0\0\1\0\0\0\2no\0\0\0\2enx", 20, 0);
}

Test(mux, long_names_are_malformed)
{
	for (int global = 0; global < 2; global++)
		for (int extra = 0; extra < 2; extra++) {
			char *name = malloc(CHAN_NAME_MAX + 2);
			struct body x;
			struct lp p;

			memset(name, 'n', CHAN_NAME_MAX + 1);
			name[CHAN_NAME_MAX + extra] = '\0';
			lp_start(&p, 1, NULL);
			p.deaf[CLI] = 1;
			body_begin(&x);
			wr_cstr(&x.w, name);
			wr_bool(&x.w, 0);
			if (!global)
				wr_raw(&x.w, "\0\0\0\0\0\0\0\0\1\0\0", 11);
			body_inject(&x, &p, CLI, global ? SSH_MSG_GLOBAL_REQUEST : SSH_MSG_CHANNEL_OPEN);
			cr_assert_eq(ssh_error(p.side[SRV]), extra ? SSH_E_FORMAT : SSH_OK);
			lp_stop(&p);
			free(name);
		}
}
