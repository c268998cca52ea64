#include "tests/unit/ssh/chan_pair.h"

static uint8_t pattern(uint32_t seed, uint64_t at)
{
	return (uint8_t)(seed * 131 + at * 7 + (at >> 8) * 13 + (at >> 16));
}

static uint8_t buf[1 << 20];

static void invariant(struct lp *p)
{
	for (int i = 0; i < 2; i++)
		for (uint32_t k = 0; k < p->side[i]->mux->size; k++) {
			struct chan *c = &p->side[i]->mux->slots[k];

			if (c->state != CHAN_FREE)
				cr_assert_eq(c->room + c->unread + c->credit, c->window);
		}
}

static struct chan *end_of(struct lp *p, int side, const uint32_t id[2])
{
	struct chan *c = mux_find(p->side[side], id[side]);

	cr_assert(c != NULL);
	return c;
}

Test(chan, data_both_ways)
{
	const struct ssh_event *e;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	cr_assert_eq(ssh_chan_write(p.side[CLI], id[CLI], 0, (const uint8_t *)"in", 2), 2);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 0, (const uint8_t *)"out", 3), 3);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 1, (const uint8_t *)"err", 3), 3);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 0, buf, 0), 0);
	lp_run(&p);
	e = TAKE(&p, SRV, CHAN_DATA);
	cr_assert(e->chan == id[SRV] && e->ext == 0 && view_is(e->data, "in"));
	e = TAKE(&p, CLI, CHAN_DATA);
	cr_assert(e->chan == id[CLI] && e->ext == 0 && view_is(e->data, "out"));
	e = TAKE(&p, CLI, CHAN_DATA);
	cr_assert(e->ext == 1 && view_is(e->data, "err"));
	NOTHING(&p);
	lp_stop(&p);
}

/* A reader that never consumes stops the writer after exactly one window; nothing is held anywhere. */
Test(chan, a_reader_that_does_not_consume_stops_the_writer)
{
	for (int from = 0; from < 2; from++) {
		uint64_t sent = 0;
		uint32_t id[2];
		struct lp p;
		int n;

		cp_start(&p, id);
		p.quiet = 1;
		while ((n = ssh_chan_write(p.side[from], id[from], 0, buf, 100000)) > 0) {
			sent += (uint64_t)n;
			lp_run(&p);
		}
		cr_assert_eq(n, 0);
		cr_assert_eq(sent, CHAN_WINDOW);
		cr_assert_eq(end_of(&p, !from, id)->unread, CHAN_WINDOW);
		cr_assert_lt(buf_len(&p.side[from]->out) + buf_len(&p.side[!from]->in), 65536);
		/* not a byte more before enough is consumed, then CHAN_ROOM once */
		p.quiet = 0;
		ssh_chan_consumed(p.side[!from], id[!from], CHAN_WINDOW / 4 - 1);
		lp_run(&p);
		NOTHING(&p);
		cr_assert_eq(ssh_chan_room(p.side[from], id[from]), 0);
		ssh_chan_consumed(p.side[!from], id[!from], 1);
		lp_run(&p);
		TAKE(&p, from, CHAN_ROOM);
		NOTHING(&p);
		cr_assert_eq(ssh_chan_room(p.side[from], id[from]), CHAN_WINDOW / 4);
		ssh_chan_consumed(p.side[!from], id[!from], CHAN_WINDOW / 4);
		lp_run(&p);
		NOTHING(&p);		/* nobody was refused since */
		invariant(&p);
		lp_stop(&p);
	}
}

/* A peer that does not read its socket: output stays below the mark and a little. */
Test(chan, a_peer_that_does_not_read_stops_the_writer)
{
	struct ssh_policy policy[2];
	uint32_t id[2];
	struct lp p;
	int n;

	ssh_policy_defaults(&policy[CLI]);
	ssh_policy_defaults(&policy[SRV]);
	policy[CLI].window = 1u << 30;
	lp_start(&p, 1, policy);
	cp_open(&p, id);
	while ((n = ssh_chan_write(p.side[SRV], id[SRV], 0, buf, sizeof buf)) > 0)
		;
	cr_assert_eq(n, 0);
	cr_assert_geq(ssh_output_len(p.side[SRV]), SSH_OUTPUT_HIGH);
	cr_assert_lt(ssh_output_len(p.side[SRV]), SSH_OUTPUT_HIGH + 2 * CHAN_SEND_MAX);
	p.quiet = 1;
	lp_run(&p);		/* the hook below sees nothing: quiet */
	cr_assert_gt(ssh_chan_room(p.side[SRV], id[SRV]), 0);
	LIVES(&p);
	lp_stop(&p);
}

/* More channels wait for room than the event queue has slots: each hears of it, once. */
Test(chan, all_channels_hear_of_room)
{
	uint32_t id[30][2];
	int heard[30] = { 0 };
	struct lp p;

	lp_start(&p, 1, NULL);
	for (int i = 0; i < 30; i++)
		cp_open(&p, id[i]);
	for (int i = 0; ssh_output_len(p.side[SRV]) < SSH_OUTPUT_HIGH; i = (i + 1) % 30)
		ssh_chan_write(p.side[SRV], id[i][SRV], 0, buf, 65536);
	for (int i = 0; i < 29; i++)		/* the last one does not ask */
		cr_assert_eq(ssh_chan_room(p.side[SRV], id[i][SRV]), 0);
	end_of(&p, SRV, id[29])->starved = 0;
	lp_run(&p);
	while (lp_more(&p, SRV)) {
		uint32_t chan = TAKE(&p, SRV, CHAN_ROOM)->chan;

		for (int i = 0; i < 30; i++)
			heard[i] += id[i][SRV] == chan;
	}
	for (int i = 0; i < 30; i++)
		cr_assert_eq(heard[i], i < 29, "channel %d heard %d times", i, heard[i]);
	LIVES(&p);
	lp_stop(&p);
}

static void data_head(struct body *x, uint32_t chan, uint32_t ext)
{
	body_begin(x);
	wr_u32(&x->w, chan);
	if (ext != 0)
		wr_u32(&x->w, ext);
}

Test(chan, data_beyond_the_window_ends_it)
{
	struct ssh_policy policy[2];

	for (int over = 0; over < 2; over++) {
		struct body x;
		uint32_t id[2];
		struct lp p;

		ssh_policy_defaults(&policy[CLI]);
		ssh_policy_defaults(&policy[SRV]);
		policy[SRV].window = 5000;
		lp_start(&p, 1, policy);
		cp_open(&p, id);
		p.deaf[CLI] = 1;
		data_head(&x, id[SRV], 0);
		wr_string(&x.w, buf, (size_t)(5000 + over));
		body_inject(&x, &p, CLI, SSH_MSG_CHANNEL_DATA);
		cr_assert_eq(ssh_error(p.side[SRV]), over ? SSH_E_PROTOCOL : SSH_OK);
		cr_assert_eq(lp_more(&p, SRV), !over);
		lp_stop(&p);
	}
}

Test(chan, data_longer_than_our_packets_ends_it)
{
	for (int over = 0; over < 2; over++)
		for (uint32_t ext = 0; ext < 3; ext++) {
			struct body x;
			uint32_t id[2];
			struct lp p;

			cp_start(&p, id);
			p.deaf[CLI] = 1;
			data_head(&x, id[SRV], ext);
			wr_string(&x.w, buf, (size_t)(CHAN_PACKET + (unsigned)over));
			body_inject(&x, &p, CLI, ext ? SSH_MSG_CHANNEL_EXTENDED_DATA : SSH_MSG_CHANNEL_DATA);
			cr_assert_eq(ssh_error(p.side[SRV]), over ? SSH_E_PROTOCOL : SSH_OK);
			lp_stop(&p);
		}
}

Test(chan, window_may_reach_but_not_pass_the_end)
{
	for (int over = 0; over < 2; over++) {
		struct body x;
		uint32_t id[2];
		struct lp p;

		cp_start(&p, id);
		body_begin(&x);
		wr_u32(&x.w, UINT32_MAX - CHAN_WINDOW + (uint32_t)over);
		cp_inject(&p, SSH_MSG_CHANNEL_WINDOW_ADJUST, id[SRV], buf_head(&x.b), 4);
		buf_drop(&x.b);
		if (over) {
			ENDED(&p, SRV, PROTOCOL);
		} else {
			LIVES(&p);
			cr_assert_eq(end_of(&p, SRV, id)->peer_room, UINT32_MAX);
			cp_inject(&p, SSH_MSG_CHANNEL_WINDOW_ADJUST, id[SRV], "\0\0\0\0", 4);
			LIVES(&p);
		}
		lp_stop(&p);
	}
}

/* Kinds of extended data nobody knows are dropped, and the window comes back. */
Test(chan, unknown_extended_data_is_dropped)
{
	static const uint32_t kinds[] = { 2, UINT32_MAX };
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	for (int i = 0; i < 200; i++) {
		cr_assert_gt(ssh_chan_write(p.side[SRV], id[SRV], kinds[i & 1], buf, CHAN_PACKET), 0);
		lp_run(&p);
	}
	cp_inject(&p, SSH_MSG_CHANNEL_EXTENDED_DATA, id[SRV], "\0\0\0\0\0\0\0\1x", 9);	/* 0 is not plain data */
	NOTHING(&p);
	LIVES(&p);
	invariant(&p);
	lp_stop(&p);
}

Test(chan, consumed_is_checked)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_write(p.side[CLI], id[CLI], 0, buf, 10);
	lp_run(&p);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], id[SRV], 11), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], id[SRV], 10), SSH_OK);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], id[SRV], 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], id[SRV] ^ 1024, 0), SSH_E_NOT_NOW);
	LIVES(&p);
	lp_stop(&p);
}

/* ---- EOF and CLOSE (RFC 4254 5.3) */

Test(chan, eof_is_one_way)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_write(p.side[CLI], id[CLI], 0, (const uint8_t *)"last", 4);
	cr_assert_eq(ssh_chan_eof(p.side[CLI], id[CLI]), SSH_OK);
	cr_assert_eq(ssh_chan_eof(p.side[CLI], id[CLI]), SSH_OK);
	cr_assert_eq(ssh_chan_write(p.side[CLI], id[CLI], 0, buf, 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_room(p.side[CLI], id[CLI]), 0);
	lp_run(&p);
	TAKE(&p, SRV, CHAN_DATA);
	TAKE(&p, SRV, CHAN_EOF);
	NOTHING(&p);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 0, (const uint8_t *)"answer", 6), 6);
	cr_assert_eq(ssh_chan_request(p.side[CLI], id[CLI], "signal", 0, view_of("\0\0\0\3HUP", 7)), SSH_OK);
	lp_run(&p);
	TAKE(&p, CLI, CHAN_DATA);
	TAKE(&p, SRV, CHAN_REQUEST);
	cp_inject(&p, SSH_MSG_CHANNEL_EOF, id[SRV], NULL, 0);
	cp_inject(&p, SSH_MSG_CHANNEL_DATA, id[SRV], "\0\0\0\4late", 8);
	NOTHING(&p);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan, data_after_eof_is_dropped_and_bounded)
{
	struct body x;
	uint32_t id[2];
	struct lp p;
	unsigned n = 0;

	cp_start(&p, id);
	cp_inject(&p, SSH_MSG_CHANNEL_EOF, id[SRV], NULL, 0);
	TAKE(&p, SRV, CHAN_EOF);
	for (; ssh_error(p.side[SRV]) == SSH_OK; n++) {
		cr_assert_leq(n, CHAN_WINDOW / CHAN_PACKET);
		data_head(&x, id[SRV], 0);
		wr_string(&x.w, buf, CHAN_PACKET);
		body_inject(&x, &p, CLI, SSH_MSG_CHANNEL_DATA);
		cr_assert(!lp_more(&p, SRV));
	}
	cr_assert_eq(n, CHAN_WINDOW / CHAN_PACKET + 1);
	ENDED(&p, SRV, PROTOCOL);
	lp_stop(&p);
}

Test(chan, close_is_answered_once)
{
	for (int from = 0; from < 2; from++) {
		uint32_t id[2];
		struct lp p;

		cp_start(&p, id);
		cr_assert_eq(ssh_chan_close(p.side[from], id[from]), SSH_OK);
		cr_assert_eq(ssh_chan_close(p.side[from], id[from]), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_chan_write(p.side[from], id[from], 0, buf, 1), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_chan_eof(p.side[from], id[from]), SSH_E_NOT_NOW);
		cr_assert_eq(mux_count(p.side[from]), 1, "not free before the peer said it too");
		lp_run(&p);
		cr_assert_eq(TAKE(&p, CLI, CHAN_CLOSE)->chan, id[CLI]);
		cr_assert_eq(TAKE(&p, SRV, CHAN_CLOSE)->chan, id[SRV]);
		NOTHING(&p);
		cr_assert(mux_count(p.side[CLI]) == 0 && mux_count(p.side[SRV]) == 0);
		cr_assert_eq(ssh_chan_close(p.side[from], id[from]), SSH_E_NOT_NOW);
		LIVES(&p);
		lp_stop(&p);
	}
}

/* The client closes as soon as both ends of file were said; the exit status must still reach it. */
Test(chan, a_lingering_channel_can_still_tell_its_exit_status)
{
	const struct ssh_event *e;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	cr_assert_eq(ssh_chan_linger(p.side[SRV], id[SRV]), SSH_OK);
	ssh_chan_eof(p.side[SRV], id[SRV]);
	lp_run(&p);
	TAKE(&p, CLI, CHAN_EOF);
	ssh_chan_eof(p.side[CLI], id[CLI]);
	ssh_chan_close(p.side[CLI], id[CLI]);
	lp_run(&p);
	TAKE(&p, SRV, CHAN_EOF);
	cr_assert_eq(TAKE(&p, SRV, CHAN_CLOSING)->chan, id[SRV]);
	NOTHING(&p);
	cr_assert_eq(mux_count(p.side[CLI]), 1, "not answered yet");
	cr_assert_eq(ssh_chan_room(p.side[SRV], id[SRV]), 0);
	cr_assert_eq(ssh_chan_exit_status(p.side[SRV], id[SRV], 7), SSH_OK);
	cr_assert_eq(ssh_chan_close(p.side[SRV], id[SRV]), SSH_OK);
	lp_run(&p);
	TAKE(&p, SRV, CHAN_CLOSE);
	/* Our own client half said CLOSE itself and takes no requests any more; OpenSSH's still reads the status. */
	e = TAKE(&p, CLI, CHAN_CLOSE);
	cr_assert_eq(e->chan, id[CLI]);
	NOTHING(&p);
	cr_assert(mux_count(p.side[CLI]) == 0 && mux_count(p.side[SRV]) == 0);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan, both_close_at_once)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_write(p.side[SRV], id[SRV], 0, buf, 1000);
	ssh_chan_exit_status(p.side[SRV], id[SRV], 0);
	ssh_chan_eof(p.side[SRV], id[SRV]);
	ssh_chan_close(p.side[SRV], id[SRV]);
	ssh_chan_write(p.side[CLI], id[CLI], 0, buf, 1000);
	ssh_chan_request(p.side[CLI], id[CLI], "shell", 1, view_of(NULL, 0));
	ssh_chan_close(p.side[CLI], id[CLI]);
	lp_run(&p);
	TAKE(&p, CLI, CHAN_CLOSE);		/* data and requests in flight are of no use any more */
	TAKE(&p, SRV, CHAN_CLOSE);
	NOTHING(&p);
	cr_assert(mux_count(p.side[CLI]) == 0 && mux_count(p.side[SRV]) == 0);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan, order_is_kept_to_the_end)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_write(p.side[SRV], id[SRV], 0, buf, 40000);
	ssh_chan_write(p.side[SRV], id[SRV], 1, buf, 10);
	ssh_chan_eof(p.side[SRV], id[SRV]);
	ssh_chan_exit_status(p.side[SRV], id[SRV], 3);
	ssh_chan_close(p.side[SRV], id[SRV]);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, CLI, CHAN_DATA)->data.len, 32768);
	cr_assert_eq(TAKE(&p, CLI, CHAN_DATA)->data.len, 40000 - 32768);
	cr_assert_eq(TAKE(&p, CLI, CHAN_DATA)->ext, 1);
	TAKE(&p, CLI, CHAN_EOF);
	TAKE(&p, CLI, CHAN_REQUEST);
	TAKE(&p, CLI, CHAN_CLOSE);
	cr_assert(!lp_more(&p, CLI));
	lp_stop(&p);
}

/* ---- without a copy */

Test(chan, fill_gives_much_room_at_once)
{
	struct iovec iov[CHAN_FILL_MAX + 4];
	size_t total = 0, lens[] = { 0, 1, 32767, 32768, 32769, 200000, 8 * 32768 };
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	p.eat[CLI] = 1;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		int n = ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, 8);
		size_t left = lens[i], room = 0, got = 0;
		uint64_t at = total;

		cr_assert_eq(n, 8);
		for (int k = 0; k < n; k++) {
			size_t take = left < iov[k].iov_len ? left : iov[k].iov_len;

			room += iov[k].iov_len;
			for (size_t b = 0; b < take; b++)
				((uint8_t *)iov[k].iov_base)[b] = pattern(1, at++);
			left -= take;
		}
		cr_assert_geq(room, 256 * 1024);
		cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, 8), SSH_E_NOT_NOW, "one at a time");
		cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 0, buf, 1), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_chan_eof(p.side[SRV], id[SRV]), SSH_E_NOT_NOW);
		cr_assert_eq(ssh_chan_fill_done(p.side[SRV], lens[i]), SSH_OK);
		lp_run(&p);
		while (lp_more(&p, CLI)) {
			const struct ssh_event *e = TAKE(&p, CLI, CHAN_DATA);

			cr_assert_leq(e->data.len, 32768);
			for (size_t b = 0; b < e->data.len; b++)
				cr_assert_eq(e->data.p[b], pattern(1, total + got + b));
			got += e->data.len;
		}
		cr_assert_eq(got, lens[i]);
		total += got;
	}
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, CHAN_FILL_MAX + 4), CHAN_FILL_MAX);
	ssh_chan_fill_done(p.side[SRV], 0);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, 0), 0);
	cr_assert_eq(ssh_chan_fill_done(p.side[SRV], 0), SSH_OK);
	cr_assert_eq(ssh_chan_fill_done(p.side[SRV], 1), SSH_E_NOT_NOW);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan, fill_keeps_to_window_and_packet)
{
	struct ssh_policy policy[2];
	struct iovec iov[8];
	uint32_t id[2];
	struct lp p;

	ssh_policy_defaults(&policy[CLI]);
	ssh_policy_defaults(&policy[SRV]);
	policy[CLI].window = 10000;
	policy[CLI].max_packet = 3000;
	lp_start(&p, 1, policy);
	cp_open(&p, id);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 1, iov, 8), 3);
	cr_assert_eq(iov[0].iov_len, 3000);
	memset(iov[0].iov_base, 'x', 3000), memset(iov[1].iov_base, 'x', 3000), memset(iov[2].iov_base, 'x', 3000);
	ssh_chan_fill_done(p.side[SRV], 9000);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 1, iov, 8), 1);
	cr_assert_eq(iov[0].iov_len, 1000);
	memset(iov[0].iov_base, 'x', 1000);
	ssh_chan_fill_done(p.side[SRV], 1000);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 1, iov, 8), 0);
	ssh_chan_fill_done(p.side[SRV], 0);
	lp_run(&p);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(TAKE(&p, CLI, CHAN_DATA)->ext, 1);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan, fill_done_with_more_than_reserved_is_our_bug)
{
	struct iovec iov[1];
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, 1), 1);
	cr_assert_eq(ssh_chan_fill_done(p.side[SRV], iov[0].iov_len + 1), SSH_E_BUG);
	ENDED(&p, SRV, BUG);
	lp_stop(&p);
}

/* ---- key exchanges under way */

Test(chan, a_key_exchange_holds_data_back_and_keeps_the_order)
{
	struct iovec iov[4];
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_write(p.side[SRV], id[SRV], 0, (const uint8_t *)"before", 6);
	cr_assert_eq(ssh_rekey(p.side[SRV]), SSH_OK);
	cr_assert_eq(ssh_chan_room(p.side[SRV], id[SRV]), 0);
	cr_assert_eq(ssh_chan_write(p.side[SRV], id[SRV], 0, (const uint8_t *)"during", 6), 0);
	cr_assert_eq(ssh_chan_fill(p.side[SRV], id[SRV], 0, iov, 4), 0);
	cr_assert_eq(ssh_chan_fill_done(p.side[SRV], 0), SSH_OK);
	cr_assert_eq(ssh_chan_exit_status(p.side[SRV], id[SRV], 1), SSH_OK);
	lp_run(&p);
	TAKE(&p, CLI, CHAN_DATA);
	TAKE(&p, CLI, CHAN_REQUEST);
	TAKE(&p, SRV, CHAN_ROOM);
	NOTHING(&p);
	ssh_rekey(p.side[CLI]);
	cr_assert_eq(ssh_chan_eof(p.side[CLI], id[CLI]), SSH_OK);
	cr_assert_eq(ssh_chan_close(p.side[CLI], id[CLI]), SSH_OK);
	lp_run(&p);
	TAKE(&p, SRV, CHAN_EOF);
	TAKE(&p, SRV, CHAN_CLOSE);
	TAKE(&p, CLI, CHAN_CLOSE);
	NOTHING(&p);
	LIVES(&p);
	lp_stop(&p);
}

/* ---- moving */

/* The side as another object that goes on from its exported state. */
static void move_side(struct lp *p, int side)
{
	struct ssh_env env = { .random = crypto_random };
	struct ssh_policy policy;
	struct ssh *s;
	struct buf state;

	ssh_policy_defaults(&policy);
	buf_init(&state, 16 << 20, NULL);
	cr_assert_eq(ssh_export(p->side[side], &state), SSH_OK);
	cr_assert_eq(ssh_import(&s, &env, &policy, view_of(buf_head(&state), buf_len(&state)), p->now), SSH_OK);
	buf_drop(&state);
	ssh_free(p->side[side]);
	p->side[side] = s;
	if (side == SRV)
		ssh_add_hostkey(s, 0, privkey_blob(p->key));
}

Test(chan, channels_survive_a_move)
{
	uint32_t a[2], b[2], old[2];
	struct lp p;

	cp_start(&p, old);
	ssh_chan_close(p.side[CLI], old[CLI]);
	lp_run(&p);
	lp_forget(&p);
	cp_open(&p, a);
	cp_open(&p, b);
	ssh_chan_write(p.side[CLI], a[CLI], 0, buf, 5000);
	ssh_chan_request(p.side[CLI], a[CLI], "shell", 1, view_of(NULL, 0));
	ssh_chan_eof(p.side[SRV], b[SRV]);
	ssh_global_request(p.side[SRV], "g", 1, view_of(NULL, 0));
	lp_run(&p);
	lp_forget(&p);
	move_side(&p, SRV);
	move_side(&p, CLI);
	invariant(&p);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], a[SRV], 5001), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_consumed(p.side[SRV], a[SRV], 5000), SSH_OK);
	cr_assert_eq(ssh_chan_reply(p.side[SRV], a[SRV], 1), SSH_OK);
	cr_assert_eq(ssh_chan_reply(p.side[SRV], a[SRV], 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_write(p.side[SRV], b[SRV], 0, buf, 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_close(p.side[SRV], old[SRV]), SSH_E_NOT_NOW);
	ssh_global_reply(p.side[CLI], 1, view_of(NULL, 0));
	cr_assert_eq(ssh_chan_write(p.side[SRV], a[SRV], 0, (const uint8_t *)"on", 2), 2);
	lp_run(&p);
	TAKE(&p, SRV, GLOBAL_REPLY);
	TAKE(&p, CLI, CHAN_REPLY);
	TAKE(&p, CLI, CHAN_DATA);
	cp_open(&p, old);
	cr_assert_neq(old[SRV], a[SRV]);
	LIVES(&p);
	lp_stop(&p);
}

/* A damaged record is an error, never a channel with windows that do not add up. */
Test(chan, damaged_state)
{
	struct buf state;
	struct chan c, d;
	struct wr w;
	uint32_t id[2];
	struct lp p;
	size_t n;

	cp_start(&p, id);
	c = *end_of(&p, SRV, id);
	buf_init(&state, 1000, NULL);
	w = wr_to(&state);
	chan_export(&c, &w);
	n = buf_len(&state);
	for (size_t cut = 0; cut <= n; cut++) {
		struct rd in = rd_of(buf_head(&state), cut);

		cr_assert_eq(chan_import(&d, &in), cut < n ? SSH_E_STATE : SSH_OK);
	}
	for (size_t at = 0; at < n; at++)
		for (int bit = 0; bit < 8; bit++) {
			struct rd in = rd_of(buf_head(&state), n);

			buf_head(&state)[at] ^= (uint8_t)(1 << bit);
			if (chan_import(&d, &in) == SSH_OK && d.state != CHAN_FREE) {
				cr_assert_eq(d.room + d.unread + d.credit, d.window);
				cr_assert_leq(d.peer_room, UINT32_MAX);
			}
			buf_head(&state)[at] ^= (uint8_t)(1 << bit);
		}
	buf_drop(&state);
	lp_stop(&p);
}

/* ---- malformed */

#define CUT(type, body, fixed) \
	cp_truncate(cp_start, type, (const uint8_t *)(body), sizeof(body) - 1, fixed, 0)

Test(chan, every_truncation)
{
	CUT(SSH_MSG_CHANNEL_WINDOW_ADJUST, "\0\0\0\0\0\0\0\1x", 8);
	CUT(SSH_MSG_CHANNEL_DATA, "\0\0\0\0\0\0\0\4datax", 12);
	CUT(SSH_MSG_CHANNEL_EXTENDED_DATA, "\0\0\0\0\0\0\0\1\0\0\0\4datax", 16);
	CUT(SSH_MSG_CHANNEL_EOF, "\0\0\0\0x", 4);
	CUT(SSH_MSG_CHANNEL_CLOSE, "\0\0\0\0x", 4);
}

/* ---- anything in any order */

#define CHANS 12

/* What the test knows of one end of a channel. */
struct end { uint32_t id; int known, open, eof, closed; uint64_t sent, seen, unread; uint32_t seed; };

struct model { struct end end[2][CHANS]; uint64_t rng; struct lp *p; };

static uint32_t roll(struct model *m, uint32_t n)
{
	m->rng = m->rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(m->rng >> 33) % n;
}

static struct end *end_by(struct model *m, int side, uint32_t id)
{
	for (int i = 0; i < CHANS; i++)
		if (m->end[side][i].known && m->end[side][i].id == id)
			return &m->end[side][i];
	cr_assert(0, "an event for a channel nobody knows");
	return NULL;
}

static void model_sees(struct lp *p, int side, const struct ssh_event *e)
{
	struct model *m = p->ctx;
	struct end *x;

	if (e->type == SSH_EV_CHAN_OPEN) {
		int slot = (int)get_u32(e->data.p);

		x = &m->end[side][slot];
		cr_assert(!x->known);
		*x = (struct end){ .id = e->chan, .known = 1, .seed = (uint32_t)slot };
		return;
	}
	if (e->type < SSH_EV_CHAN_OPENED || e->type > SSH_EV_CHAN_REPLY)
		return;
	x = end_by(m, side, e->chan);
	switch (e->type) {
	case SSH_EV_CHAN_OPENED:
		x->open = 1;
		break;
	case SSH_EV_CHAN_DATA:
		cr_assert(x->open && e->data.len > 0);
		for (size_t i = 0; i < e->data.len; i++)
			cr_assert_eq(e->data.p[i], pattern(x->seed, x->seen + i), "wrong byte");
		x->seen += e->data.len;
		x->unread += e->data.len;
		break;
	case SSH_EV_CHAN_REQUEST:
		if (e->want_reply && roll(m, 2))
			ssh_chan_reply(p->side[side], e->chan, 1);
		break;
	case SSH_EV_CHAN_REFUSED:
	case SSH_EV_CHAN_CLOSE:
		x->known = 0;
		break;
	default:
		break;
	}
}

static void model_write(struct model *m, int side, struct end *x)
{
	size_t n = roll(m, 4) ? roll(m, 3000) : roll(m, 200000);
	struct ssh *s = m->p->side[side];
	struct iovec iov[8];
	int r;

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(x->seed, x->sent + i);
	if (roll(m, 2)) {
		r = ssh_chan_write(s, x->id, 0, buf, n);
	} else {
		size_t at = 0;

		r = ssh_chan_fill(s, x->id, 0, iov, 1 + (int)roll(m, 8));
		for (int i = 0; i < r; i++) {
			size_t k = n - at < iov[i].iov_len ? n - at : iov[i].iov_len;

			memcpy(iov[i].iov_base, buf + at, k);
			at += k;
		}
		if (r >= 0)
			r = ssh_chan_fill_done(s, at) < 0 ? -1 : (int)at;
	}
	if (r > 0)
		x->sent += (uint64_t)r;
}

static void model_step(struct model *m)
{
	int side = (int)roll(m, 2), slot = (int)roll(m, CHANS);
	struct end *x = &m->end[side][slot];
	struct ssh *s = m->p->side[side];

	if (!x->known) {
		uint8_t name[4];

		put_u32(name, (uint32_t)slot);
		if (!m->end[!side][slot].known && roll(m, 4) == 0 && ssh_output_len(s) < 100000 &&
		    ssh_chan_open(s, "session", view_of(name, 4), &x->id) == SSH_OK)
			*x = (struct end){ .id = x->id, .known = 1, .seed = (uint32_t)slot };
		return;
	}
	switch (roll(m, 16)) {
	case 0:
		if (!x->open && roll(m, 3) && ssh_chan_accept(s, x->id) == SSH_OK)
			x->open = 1;
		else if (!x->open && ssh_chan_refuse(s, x->id, 1, "no") == SSH_OK)
			x->known = 0;
		break;
	case 1:
		if (roll(m, 4) == 0)
			ssh_chan_eof(s, x->id);
		break;
	case 2:
		if (roll(m, 4) == 0)
			ssh_chan_close(s, x->id);
		break;
	case 3:
		ssh_chan_request(s, x->id, "shell", (int)roll(m, 2), view_of(NULL, 0));
		break;
	case 4:
		ssh_chan_reply(s, x->id, 0);
		break;
	case 5:
		if (roll(m, 30) == 0)
			ssh_rekey(s);
		break;
	case 6: case 7: case 8: case 9: {
		size_t n = x->unread > 0 ? roll(m, (uint32_t)x->unread + 1) : 0;

		if (ssh_chan_consumed(s, x->id, n) == SSH_OK)
			x->unread -= n;
		break;
	}
	default:
		model_write(m, side, x);
		break;
	}
}

/* With nothing in flight both ends agree about every window. */
static void model_agrees(struct model *m)
{
	struct lp *p = m->p;

	for (int slot = 0; slot < CHANS; slot++) {
		struct end *x = &m->end[CLI][slot], *y = &m->end[SRV][slot];
		struct chan *a, *b;

		if (!x->open || !y->open || !x->known || !y->known)
			continue;
		a = mux_find(p->side[CLI], x->id);
		b = mux_find(p->side[SRV], y->id);
		cr_assert(a != NULL && b != NULL);
		if (a->close_sent || b->close_sent)
			continue;
		cr_assert_eq(a->peer_room, b->room);
		cr_assert_eq(b->peer_room, a->room);
		cr_assert_eq(y->seen, x->sent);
		cr_assert_eq(x->seen, y->sent);
		cr_assert_eq(a->unread, x->unread);
		cr_assert_eq(b->unread, y->unread);
	}
}

Test(chan, random_operations)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct ssh_policy policy[2];
		struct model m;
		struct lp p;

		ssh_policy_defaults(&policy[CLI]);
		ssh_policy_defaults(&policy[SRV]);
		policy[CLI].window = seed % 3 == 0 ? 20000 : 0;
		policy[SRV].max_packet = seed % 4 == 0 ? 1024 : 0;
		policy[SRV].max_channels = seed % 5 == 0 ? 6 : 0;
		memset(&m, 0, sizeof m);
		m.rng = seed;
		m.p = &p;
		lp_start(&p, 1, policy);
		p.ctx = &m;
		p.hook = model_sees;
		p.quiet = 1;
		for (int i = 0; i < 1500; i++) {
			model_step(&m);
			switch (roll(&m, 8)) {
			case 0: lp_move(&p, CLI); break;
			case 1: lp_move(&p, SRV); break;
			case 2: lp_events(&p, CLI); break;
			case 3: lp_events(&p, SRV); break;
			case 4: if (roll(&m, 10) == 0) lp_run(&p), model_agrees(&m); break;
			default: break;
			}
			invariant(&p);
			LIVES(&p);
		}
		lp_run(&p);
		LIVES(&p);
		model_agrees(&m);
		lp_stop(&p);
	}
}
