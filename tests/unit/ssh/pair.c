#include "tests/unit/ssh/pair.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/packet.h"

#define NO_LIMIT (1u << 30)

void pair_crypto(void)
{
	cr_assert_eq(crypto_init(), SSH_OK);
}

/* splitmix64, byte by byte, so that asking in other portions gives the same stream */
void pair_random(void *ctx, uint8_t *p, size_t n)
{
	uint64_t *state = ctx;

	for (size_t i = 0; i < n; i++) {
		uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		p[i] = (uint8_t)(z >> 56);
	}
}

static void *counted(void *ctx, void *p, size_t n)
{
	struct pair_mem *m = ctx;
	size_t old = malloc_usable_size(p);
	void *q;

	if (n == 0) {
		m->live -= p != NULL;
		m->bytes -= old;
		free(p);
		return NULL;
	}
	m->count++;
	if (m->fail_at > 0 && m->count >= m->fail_at)
		return NULL;
	q = realloc(p, n);
	m->live += p == NULL && q != NULL;
	m->bytes += q != NULL ? malloc_usable_size(q) - old : 0;
	return q;
}

void pair_mem_init(struct pair_mem *m)
{
	memset(m, 0, sizeof *m);
	m->mem.fn = counted;
	m->mem.ctx = m;
}

void pair_init(struct pair *p)
{
	memset(p, 0, sizeof *p);
	pair_crypto();
	p->now = 1000;
	for (int i = 0; i < 2; i++) {
		ssh_policy_defaults(&p->policy[i]);
		pair_mem_init(&p->mem[i]);
		p->rng[i] = (uint64_t)i + 7;
		buf_init(&p->wire[i], NO_LIMIT, NULL);
		buf_init(&p->events[i], NO_LIMIT, NULL);
		buf_init(&p->got[i], NO_LIMIT, NULL);
	}
	pair_hostkey(p, KEY_ED25519);
}

void pair_hostkey(struct pair *p, enum key_kind kind)
{
	cr_assert_eq(privkey_generate(&p->hostkeys[p->hostkey_count++], kind, kind == KEY_RSA ? 2048 : 0), SSH_OK);
}

void pair_share_key(struct pair *p, const struct pair *with)
{
	privkey_free(p->hostkeys[0]);
	p->hostkeys[0] = with->hostkeys[0];
	p->key_shared = 1;
}

int pair_start(struct pair *p)
{
	int r;

	for (int i = 0; i < 2; i++) {
		p->env[i] = (struct ssh_env){ .random = pair_random, .ctx = &p->rng[i], .mem = &p->mem[i].mem };
		TRY(ssh_new(&p->side[i], (enum ssh_role)i, &p->env[i], &p->policy[i]));
		TRY(ssh_tick(p->side[i], p->now));
	}
	for (unsigned i = 0; i < p->hostkey_count; i++)
		TRY(ssh_add_hostkey(p->side[SSH_SERVER], i, privkey_blob(p->hostkeys[i])));
	return SSH_OK;
}

void pair_free(struct pair *p)
{
	free(p->lent[0]);
	free(p->lent[1]);
	for (int i = 0; i < 2; i++) {
		ssh_free(p->side[i]);
		p->side[i] = NULL;
		cr_assert_eq(p->mem[i].live, 0, "%ld blocks of side %d leaked", p->mem[i].live, i);
		buf_drop(&p->wire[i]);
		buf_drop(&p->events[i]);
		buf_drop(&p->got[i]);
	}
	for (unsigned i = p->key_shared ? 1 : 0; i < p->hostkey_count; i++)
		privkey_free(p->hostkeys[i]);
}

void pair_same_bytes(const struct buf *a, const struct buf *b)
{
	cr_assert_eq(buf_len(a), buf_len(b));
	cr_assert_arr_eq(buf_head(a), buf_head(b), buf_len(a));
}

void pair_same(const struct pair *a, const struct pair *b)
{
	for (int i = 0; i < 2; i++) {
		pair_same_bytes(&a->wire[i], &b->wire[i]);
		pair_same_bytes(&a->events[i], &b->events[i]);
		pair_same_bytes(&a->got[i], &b->got[i]);
	}
}

size_t pair_bytewise(struct pair *p, size_t n)
{
	(void)p;
	return n > 0;
}

size_t pair_by_97(struct pair *p, size_t n)
{
	(void)p;
	return n < 97 ? n : 97;
}

static void note(struct pair *p, enum ssh_role side, const struct ssh_event *e)
{
	char line[200];
	uint32_t sum = 0;
	int n;

	if (p->quiet)
		return;
	for (size_t i = 0; i < e->data.len; i++)
		sum = sum * 31 + e->data.p[i];
	n = snprintf(line, sizeof line, "%d chan=%u count=%u ok=%d first=%d data=%zu:%08x text=%.*s\n", (int)e->type,
	    e->chan, e->count, e->ok, e->first, e->data.len, sum, (int)(e->text.len < 60 ? e->text.len : 60),
	    e->text.len ? (const char *)e->text.p : "");
	cr_assert_eq(buf_append(&p->events[side], line, (size_t)n), SSH_OK);
}

static void sign(struct pair *p, const struct ssh_event *e)
{
	struct buf b;
	struct wr w;

	buf_init(&b, SSH_SIG_MAX, NULL);
	w = wr_to(&b);
	cr_assert_lt(e->key, p->hostkey_count);
	cr_assert_eq(privkey_sign(p->hostkeys[e->key], sig_alg_find(e->alg), e->data, &w), SSH_OK);
	p->signs++;
	ssh_answer_sign(p->side[SSH_SERVER], 0, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
}

static void answer_channel(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct ssh *s = p->side[side];

	switch (e->type) {
	case SSH_EV_CHAN_OPEN:
		p->chan[side] = e->chan;
		p->chan_up[side] = 1;
		ssh_chan_accept(s, e->chan);
		break;
	case SSH_EV_CHAN_OPENED:
		p->chan_up[side] = 1;
		break;
	case SSH_EV_CHAN_DATA:
		cr_assert_eq(buf_append(&p->got[side], e->data.p, e->data.len), SSH_OK);
		ssh_chan_consumed(s, e->chan, e->data.len);
		break;
	case SSH_EV_CHAN_REQUEST:
		if (e->want_reply)
			ssh_chan_reply(s, e->chan, 1);
		break;
	case SSH_EV_GLOBAL_REQUEST:
		if (e->want_reply)
			ssh_global_reply(s, 0, view_of(NULL, 0));
		break;
	default:
		break;
	}
}

void pair_answer(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct ssh *s = p->side[side];

	switch (e->type) {
	case SSH_EV_NEED_SIGN:
		sign(p, e);
		break;
	case SSH_EV_NEED_HOSTKEY_OK:
		ssh_answer_hostkey(s, 1);
		break;
	case SSH_EV_KEX_DONE:
		p->kex_done[side]++;
		break;
	case SSH_EV_AUTH_READY:
		ssh_auth_none(s, "ada");
		break;
	case SSH_EV_AUTH_NONE:
	case SSH_EV_AUTH_PASSWORD:
		ssh_answer_auth(s, SSH_AUTH_YES, NULL, 0);
		break;
	case SSH_EV_OPEN:
		p->open[side] = 1;
		break;
	default:
		answer_channel(p, side, e);
	}
}

void pair_drain(struct pair *p, enum ssh_role side)
{
	struct ssh_event e;

	while (p->side[side] != NULL && ssh_next(p->side[side], &e)) {
		note(p, side, &e);
		if (p->hook == NULL || !p->hook(p, side, &e))
			pair_answer(p, side, &e);
	}
}

/* What was lent before is gone then: whoever still looks at it is found out by the sanitizer. */
static void receive(struct pair *p, enum ssh_role to, const uint8_t *bytes, size_t n)
{
	struct ssh *s = p->side[to];

	if (!p->lend || !p->open[to] || ssh_error(s) != SSH_OK) {
		ssh_input(s, bytes, n, p->now);
		return;
	}
	cr_assert_eq(ssh_input_keep(s), SSH_OK);
	free(p->lent[to]);
	p->lent[to] = malloc(n);
	memcpy(p->lent[to], bytes, n);
	cr_assert_eq(ssh_input_lend(s, p->lent[to], n, p->now), SSH_OK);
}

int pair_move(struct pair *p, enum ssh_role from)
{
	enum ssh_role to = from == SSH_SERVER ? SSH_CLIENT : SSH_SERVER;
	const uint8_t *out;
	size_t n;

	if ((out = ssh_output(p->side[from], &n)) == NULL || !ssh_want_read(p->side[to]))
		return 0;
	if (n > 65536)
		n = 65536;		/* as a socket would */
	if (p->cut != NULL)
		n = p->cut(p, n);
	if (!p->quiet)
		cr_assert_eq(buf_append(&p->wire[from], out, n), SSH_OK);
	receive(p, to, out, n);
	ssh_sent(p->side[from], n);
	return 1;
}

void pair_run(struct pair *p)
{
	int moved;

	do {
		moved = 0;
		for (int i = 0; i < 2; i++) {
			enum ssh_role side = i ? SSH_SERVER : SSH_CLIENT;

			pair_drain(p, side);
			if (p->boundary != NULL && p->boundary(p, side) < 0)
				return;
			moved |= pair_move(p, side);
		}
	} while (moved);
}

void pair_login(struct pair *p)
{
	cr_assert_eq(pair_start(p), SSH_OK);
	pair_run(p);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ssh_error(p->side[i]), SSH_OK, "side %d: %s", i, err_name(ssh_error(p->side[i])));
		cr_assert(p->open[i], "side %d is not logged in", i);
	}
}

void pair_channel(struct pair *p)
{
	cr_assert_eq(ssh_chan_open(p->side[SSH_CLIENT], "session", view_of(NULL, 0), &p->chan[SSH_CLIENT]), SSH_OK);
	pair_run(p);
	cr_assert(p->chan_up[SSH_CLIENT] && p->chan_up[SSH_SERVER]);
}

void pair_send(struct pair *p, enum ssh_role from, const uint8_t *data, size_t n)
{
	enum ssh_role to = from == SSH_SERVER ? SSH_CLIENT : SSH_SERVER;
	size_t before = buf_len(&p->got[to]), sent = 0;

	for (int idle = 0; sent < n && idle < 3; idle++) {
		int k = ssh_chan_write(p->side[from], p->chan[from], 0, data + sent, n - sent);

		cr_assert_geq(k, 0, "%s", err_name(k));
		sent += (size_t)k;
		if (k > 0)
			idle = 0;
		pair_run(p);
	}
	pair_run(p);
	cr_assert_eq(sent, n);
	cr_assert_eq(buf_len(&p->got[to]) - before, n);
	cr_assert_arr_eq(buf_head(&p->got[to]) + before, data, n);
}

int pair_feed(struct pair *p, enum ssh_role side, const void *data, size_t n)
{
	int r = ssh_input(p->side[side], data, n, p->now);

	pair_drain(p, side);
	return r;
}

void pair_inject(struct pair *p, enum ssh_role from, const void *payload, size_t n)
{
	cr_assert_eq(packet_send(p->side[from], view_of(payload, n)), SSH_OK);
}

int pair_said(struct pair *p, enum ssh_role side, const char *text)
{
	size_t n;
	const uint8_t *out = ssh_output(p->side[side], &n);

	return out != NULL && memmem(out, n, text, strlen(text)) != NULL;
}

void raw_packet(struct buf *to, const void *payload, size_t n)
{
	static const uint8_t zeros[16];
	struct wr w = wr_to(to);
	size_t pad = 8 - (5 + n) % 8;

	if (pad < 4)
		pad += 8;
	wr_u32(&w, (uint32_t)(1 + n + pad));
	wr_u8(&w, (uint8_t)pad);
	wr_raw(&w, payload, n);
	wr_raw(&w, zeros, pad);
	cr_assert_eq(wr_done(&w), SSH_OK);
}

void raw_kexinit(struct buf *to, const char *kex, const char *hostkey, int follows)
{
	static const uint8_t cookie[16];
	struct buf b;
	struct wr w;

	buf_init(&b, NO_LIMIT, NULL);
	w = wr_to(&b);
	wr_u8(&w, 20);
	wr_raw(&w, cookie, sizeof cookie);
	wr_cstr(&w, kex);
	wr_cstr(&w, hostkey);
	for (int i = 0; i < 2; i++)
		wr_cstr(&w, alg_defaults(ALG_CIPHER));
	for (int i = 0; i < 2; i++)
		wr_cstr(&w, alg_defaults(ALG_MAC));
	for (int i = 0; i < 2; i++)
		wr_cstr(&w, "none");
	wr_cstr(&w, "");
	wr_cstr(&w, "");
	wr_bool(&w, follows);
	wr_u32(&w, 0);
	cr_assert_eq(wr_done(&w), SSH_OK);
	raw_packet(to, buf_head(&b), buf_len(&b));
	buf_drop(&b);
}

void raw_kex_init(struct buf *to)
{
	uint8_t payload[1 + 4 + 32] = { 30, 0, 0, 0, 32, 9 };	/* u = 9: the base point is as good as any */

	raw_packet(to, payload, sizeof payload);
}

int raw_feed(struct pair *p, enum ssh_role side, struct buf *b)
{
	int r = pair_feed(p, side, buf_head(b), buf_len(b));

	buf_drop(b);
	return r;
}
