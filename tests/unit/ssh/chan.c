#include "tests/unit/ssh/chan_pair.h"

static uint8_t buf[1 << 20];

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
		cr_assert_eq(cp_end(&p, !from, id)->unread, CHAN_WINDOW);
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
		cp_adds_up(&p);
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
	cp_end(&p, SRV, id[29])->starved = 0;
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
			cr_assert_eq(cp_end(&p, SRV, id)->peer_room, UINT32_MAX);
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
	cp_adds_up(&p);
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
				((uint8_t *)iov[k].iov_base)[b] = cp_byte(1, at++);
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
				cr_assert_eq(e->data.p[b], cp_byte(1, total + got + b));
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
