#include <assert.h>

#include "ssh/mux.h"
#include "tests/unit/ssh/login_pair.h"

/*
 * mux_pair - operations on the two ends of one connection in memory: windows, close races, hostile messages.
 *
 * Input: operations of four bytes (what | side, channel, amount high, amount low); RAW is followed by
 * that many bytes of body. As long as nothing was injected, neither side may end the connection.
 */

#define IDS 8

static struct buf states[2];		/* both sides, just logged in */
static uint32_t ids[2][IDS];
static unsigned next_id[2];
static uint64_t unread[2][IDS];
static uint8_t junk[65536];

static void learn(struct lp *p, int side, const struct ssh_event *e)
{
	(void)p;
	if (e->type == SSH_EV_CHAN_OPEN) {
		unsigned i = next_id[side]++ % IDS;

		ids[side][i] = e->chan;
		unread[side][i] = 0;
	}
	for (unsigned i = 0; i < IDS && e->type == SSH_EV_CHAN_DATA; i++)
		if (ids[side][i] == e->chan)
			unread[side][i] += e->data.len;
}

static struct ssh *load(int side, uint64_t now)
{
	struct ssh_env env = { .random = crypto_random };
	struct ssh_policy policy;
	struct ssh *s;

	ssh_policy_defaults(&policy);
	policy.max_channels = 6;
	policy.window = side ? 0 : 20000;
	policy.alive_ms = 1000;
	policy.alive_max = 3;
	if (ssh_import(&s, &env, &policy, view_of(buf_head(&states[side]), buf_len(&states[side])), now) < 0)
		abort();
	return s;
}

static void save_login(void)
{
	struct lp p;

	lp_start(&p, 1, NULL);
	for (int i = 0; i < 2; i++) {
		buf_init(&states[i], 1 << 20, NULL);
		if (ssh_export(p.side[i], &states[i]) < 0)
			abort();
	}
	lp_stop(&p);
}

static void check(const struct lp *p)
{
	for (int i = 0; i < 2; i++) {
		uint32_t used = 0;

		for (uint32_t k = 0; k < p->side[i]->mux->size; k++) {
			const struct chan *c = &p->side[i]->mux->slots[k];

			if (c->state == CHAN_FREE)
				continue;
			used++;
			assert(c->room + c->unread + c->credit == c->window);
			assert(c->peer_room <= UINT32_MAX);
		}
		assert(used == mux_count(p->side[i]));
		assert(ssh_output_len(p->side[i]) < SSH_OUTPUT_MAX);
	}
}

static void move_state(struct lp *p, int side)
{
	struct buf b;
	struct ssh_env env = { .random = crypto_random };
	struct ssh *s;

	buf_init(&b, 32 << 20, NULL);
	if (ssh_export(p->side[side], &b) == SSH_OK) {
		if (ssh_import(&s, &env, &p->side[side]->policy, view_of(buf_head(&b), buf_len(&b)), p->now) < 0)
			abort();
		ssh_free(p->side[side]);
		p->side[side] = s;
	}
	buf_drop(&b);
}

static void consume(struct lp *p, int side, unsigned slot, size_t n)
{
	if (n > unread[side][slot])
		n = (size_t)unread[side][slot];
	if (ssh_chan_consumed(p->side[side], ids[side][slot], n) == SSH_OK)
		unread[side][slot] -= n;
}

static void fill(struct ssh *s, uint32_t id, uint32_t ext, size_t n)
{
	struct iovec iov[4];
	int count = ssh_chan_fill(s, id, ext, iov, 1 + (int)(n & 3));
	size_t room = 0;

	for (int i = 0; i < count; i++) {
		memset(iov[i].iov_base, 'f', iov[i].iov_len);
		room += iov[i].iov_len;
	}
	if (count >= 0)
		(void)ssh_chan_fill_done(s, n < room ? n : room);
}

/* Returns how many bytes of d it used beyond its own four; *raw: a message was injected. */
static size_t operate(struct lp *p, const uint8_t *op, const uint8_t *d, size_t left, int *raw)
{
	int side = op[0] & 1;
	unsigned slot = op[1] % IDS;
	struct ssh *s = p->side[side];
	uint32_t id = ids[side][slot];
	size_t n = (size_t)op[2] << 8 | op[3];

	switch ((op[0] >> 1) % 18) {
	case 0:
		if (ssh_chan_open(s, "session", view_of(NULL, 0), &ids[side][slot]) == SSH_OK)
			unread[side][slot] = 0;
		break;
	case 1: (void)ssh_chan_accept(s, id); break;
	case 2: (void)ssh_chan_refuse(s, id, 1, "no"); break;
	case 3: (void)ssh_chan_write(s, id, op[1] >> 7, junk, n); break;
	case 4: fill(s, id, op[1] >> 7, n); break;
	case 5: consume(p, side, slot, n); break;
	case 6: (void)ssh_chan_eof(s, id); break;
	case 7: (void)ssh_chan_close(s, id); break;
	case 8: (void)ssh_chan_request(s, id, "signal", op[3] & 1, view_of("\0\0\0\3INT", 7)); break;
	case 9: (void)ssh_chan_reply(s, id, op[3] & 1); break;
	case 10: (void)ssh_global_request(s, "x", op[3] & 1, view_of(NULL, 0)); break;
	case 11: (void)ssh_global_reply(s, op[3] & 1, view_of(NULL, 0)); break;
	case 12: lp_move(p, side); break;
	case 13: lp_events(p, side); break;
	case 14: move_state(p, side); break;
	case 15: p->now += n; (void)ssh_tick(s, p->now); break;
	case 16: lp_run(p); break;
	default: {
		struct wr w;

		n = n % 512 < left ? n % 512 : left;
		if (ssh_error(s) != SSH_OK || msg_held(s))
			return 0;
		*raw = 1;
		msg_begin(s, &w, (uint8_t)(80 + op[1] % 21));
		wr_raw(&w, d, n);
		if (msg_end(s, &w) < 0)
			abort();
		return n;
	}
	}
	return 0;
}

static int late(const struct ssh *s)
{
	return ssh_error(s) == SSH_E_TIMEOUT || ssh_error(s) == SSH_E_KEX_TIME;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	struct lp p;
	int raw = 0, timeout;

	if (n > 4096)
		return 0;
	if (states[0].v == NULL)
		save_login();
	memset(&p, 0, sizeof p);
	memset(ids, 0xff, sizeof ids);
	memset(unread, 0, sizeof unread);
	memset(next_id, 0, sizeof next_id);
	p.now = 1000;
	p.quiet = 1;
	p.hook = learn;
	p.side[CLI] = load(CLI, p.now);
	p.side[SRV] = load(SRV, p.now);
	while (n >= 4) {
		size_t used = operate(&p, d, d + 4, n - 4, &raw);

		d += 4 + used;
		n -= 4 + used;
		check(&p);
	}
	lp_run(&p);
	check(&p);
	timeout = late(p.side[CLI]) || late(p.side[SRV]);
	assert(raw || timeout || (ssh_error(p.side[CLI]) == SSH_OK && ssh_error(p.side[SRV]) == SSH_OK));
	assert(ssh_error(p.side[CLI]) != SSH_E_BUG && ssh_error(p.side[SRV]) != SSH_E_BUG);
	lp_stop(&p);
	return 0;
}
