#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "tests/unit/ssh/pair.h"

/*
 * rekey_model - both roles in one process, every cipher with every MAC: data both ways, channels that come and go, requests, and key
 * exchanges that either side begins anywhere among them. All of it arrives, once and in order. Neither side is a client that is known not
 * to stop, so a message that leaves between a KEXINIT and its NEWKEYS would end the connection.
 */

#define BYTES 60000u		/* each way */
#define HELLO "a channel of its own"

struct model {
	uint64_t rng;
	size_t sent[2];
	unsigned begun, asked[2];	/* rekeys that were begun; by us: channels and requests */
	unsigned hello, eof, closed, replies, globals;
};

static uint32_t pick(struct model *m, uint32_t n)
{
	uint32_t v;

	pair_random(&m->rng, (uint8_t *)&v, sizeof v);
	return v % n;
}

static const uint8_t *stream(int side)
{
	static uint8_t v[2][BYTES];

	if (v[0][0] == 0 && v[0][1] == 0)
		pair_random(&(uint64_t){ 17 }, v[0], sizeof v);
	return v[side];
}

/* What happens on the short channels; the long one is the pair's. */
static int on_event(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct model *m = p->user;
	struct ssh *s = p->side[side];

	switch (e->type) {
	case SSH_EV_CHAN_OPEN:
		if (!p->chan_up[side])
			return 0;
		cr_assert_eq(ssh_chan_accept(s, e->chan), SSH_OK);
		return 1;
	case SSH_EV_CHAN_OPENED:
		if (!p->chan_up[side])
			return 0;
		cr_assert_eq(ssh_chan_request(s, e->chan, "now@test", 1, view_of(NULL, 0)), SSH_OK);
		return 1;
	case SSH_EV_CHAN_REPLY:		/* to that; data may have to wait for room, these do not */
		m->replies++;
		cr_assert_eq(ssh_chan_request(s, e->chan, HELLO, 0, view_of(NULL, 0)), SSH_OK);
		cr_assert_eq(ssh_chan_eof(s, e->chan), SSH_OK);
		cr_assert_eq(ssh_chan_close(s, e->chan), SSH_OK);
		return 1;
	case SSH_EV_CHAN_REQUEST:
		m->hello += view_is(e->req.name, HELLO) ? 1u : 0u;
		return 0;
	case SSH_EV_CHAN_EOF:
		m->eof++;
		return 1;
	case SSH_EV_CHAN_CLOSE:
		m->closed++;
		return 1;
	case SSH_EV_GLOBAL_REPLY:
		m->globals++;
		return 1;
	default:
		return 0;
	}
}

/* As the network does: some bytes of what there is. */
static size_t some(struct pair *p, size_t n)
{
	struct model *m = p->user;
	size_t k = 1 + pick(m, pick(m, 2) ? 40 : 9000);

	return k < n ? k : n;
}

static void act(struct pair *p, enum ssh_role side)
{
	struct model *m = p->user;
	struct ssh *s = p->side[side];
	uint32_t what = pick(m, 16), chan;
	size_t n;
	int k;

	if (what < 9) {
		n = 1 + pick(m, pick(m, 2) ? 100 : 5000);
		if (n > BYTES - m->sent[side])
			n = BYTES - m->sent[side];
		k = ssh_chan_write(s, p->chan[side], 0, stream(side) + m->sent[side], n);
		cr_assert_geq(k, 0, "%s", err_name(k));
		m->sent[side] += (size_t)k;
	} else if (what < 11) {
		m->begun += ssh_rekey(s) == SSH_OK;
	} else if (what == 11 && m->asked[side] < 20) {
		m->asked[side]++;
		cr_assert_eq(ssh_chan_open(s, "session", view_of(NULL, 0), &chan), SSH_OK);
		cr_assert_eq(ssh_global_request(s, "x@test", 1, view_of(NULL, 0)), SSH_OK);
	} else if (what < 14) {
		pair_move(p, side);
	}
	if (what > 12)
		pair_drain(p, side);
}

static void arrived(struct pair *p, const char *what)
{
	const struct model *m = p->user;
	unsigned asked = m->asked[0] + m->asked[1];

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ssh_error(p->side[i]), SSH_OK, "%s side %d: %s", what, i, err_name(ssh_error(p->side[i])));
		cr_assert_eq(buf_len(&p->got[!i]), BYTES, "%s: %zu", what, buf_len(&p->got[!i]));
		cr_assert_arr_eq(buf_head(&p->got[!i]), stream(i), BYTES, "%s", what);
		cr_assert_eq(p->side[i]->held.size, 0u);
		cr_assert_eq(p->side[i]->kex->state, KEX_IDLE);
	}
	cr_assert(m->replies == asked && m->hello == asked && m->eof == asked && m->closed == 2 * asked && m->globals == asked,
	    "%s: %u asked, %u replies, %u requests, %u ends, %u closed, %u globals", what, asked, m->replies, m->hello, m->eof, m->closed, m->globals);
	cr_assert_gt(m->begun, 3u);		/* where both began at once, two of them are one */
	cr_assert_geq(p->kex_done[0], 3u, "%s: %u of %u begun", what, p->kex_done[0], m->begun);
	cr_assert_eq(p->kex_done[0], p->kex_done[1]);
}

static void one(const char *cipher, const char *mac, const char *comp, int strict, uint64_t seed)
{
	struct model m = { .rng = seed };
	struct pair p;
	char what[200];

	pair_init(&p);
	p.quiet = 1;
	p.user = &m;
	p.hook = on_event;
	for (int i = 0; i < 2; i++) {
		p.policy[i].kex = "curve25519-sha256";
		for (int d = 0; d < 2; d++) {
			p.policy[i].ciphers[d] = cipher;
			p.policy[i].macs[d] = mac;
			p.policy[i].comps[d] = comp;
		}
	}
	pair_login(&p);
	pair_channel(&p);
	for (int i = 0; i < 2 && !strict; i++) {	/* as with a peer of old: and its numbers wrap around */
		p.side[i]->kex->strict = 0;	/* read at each NEWKEYS */
		p.side[i]->tx->seq = p.side[!i]->rx->seq = UINT32_MAX - 20;
	}
	p.cut = some;
	for (int step = 0; step < 200000 && (m.sent[0] < BYTES || m.sent[1] < BYTES); step++)
		act(&p, (enum ssh_role)pick(&m, 2));
	pair_run(&p);
	snprintf(what, sizeof what, "%s %s %s%s", cipher, mac, comp, strict ? "" : " lax");
	arrived(&p, what);
	pair_free(&p);
}

Test(rekey_model, every_cipher_and_mac)
{
	const char *cipher, *mac;
	uint64_t seed = 1;
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++)
		for (size_t k = 0; (mac = alg_name(ALG_MAC, k, &on)) != NULL; k++) {
			one(cipher, mac, "none", 1, seed++);
			one(cipher, mac, "none", 0, seed++);
			if (cipher_alg_find(view_str(cipher))->tag_len != 0)
				break;		/* has no MAC beside it */
		}
}

Test(rekey_model, every_compression)
{
	const char *comp;
	int on;

	for (size_t i = 0; (comp = alg_name(ALG_COMP, i, &on)) != NULL; i++)
		for (uint64_t seed = 100; seed < 104; seed++)
			one("aes128-gcm@openssh.com", "hmac-sha2-256", comp, 1, seed);
}
