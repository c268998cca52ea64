#include "tests/unit/ssh/chan_pair.h"

/* chan_state - channels in exported state: they go on where they were, and damaged records are none. */

static uint8_t buf[5000];

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
	cp_adds_up(&p);
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
	c = *cp_end(&p, SRV, id);
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
