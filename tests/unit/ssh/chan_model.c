#include "tests/unit/ssh/chan_pair.h"

/* chan_model - channels under any operation in any order, beside a model that knows what each end must have seen. */

#define CHANS 12

static uint8_t buf[1 << 20];

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
			cr_assert_eq(e->data.p[i], cp_byte(x->seed, x->seen + i), "wrong byte");
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
		buf[i] = cp_byte(x->seed, x->sent + i);
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
			cp_adds_up(&p);
			LIVES(&p);
		}
		lp_run(&p);
		LIVES(&p);
		model_agrees(&m);
		lp_stop(&p);
	}
}
