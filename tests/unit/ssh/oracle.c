/*
 * Where the length of a packet is encrypted with the rest, nobody who changes packets on their way learns anything from the answer
 * (CPNI-957037): whatever is wrong, it is the same answer, and it comes at the same byte.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/packet.h"
#include "ssh/session.h"
#include "tests/unit/ssh/pair.h"

#define BAD_MAX (SSH_PACKET_MAX + 4 + 64)

/* One side as bytes, its peer's next sequence of packets, and what the first failure looked like. */
struct scene {
	struct pair p;
	enum ssh_role side;
	struct buf state;
	size_t limit;			/* bytes of the longest packet */
	uint8_t answer[256];
	size_t answer_len;
};

struct bad { const char *what; uint32_t length; size_t n; long flip; };

static void scene_init(struct scene *c, const char *cipher, const char *mac, enum ssh_role side, int (*until)(struct pair *, enum ssh_role))
{
	struct pair *p = &c->p;

	pair_init(p);
	for (int i = 0; i < 4; i++) {
		p->policy[i / 2].ciphers[i % 2] = cipher;
		p->policy[i / 2].macs[i % 2] = mac;
	}
	p->boundary = until;
	cr_assert_eq(pair_start(p), SSH_OK);
	pair_run(p);
	c->side = side;
	c->answer_len = 0;
	c->limit = 4 + (until ? SSH_PREAUTH_PACKET_MAX : SSH_PACKET_MAX) + cipher_tag_len(p->side[side]->rx->cipher);
	buf_init(&c->state, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p->side[side], &c->state), SSH_OK);
}

static void scene_drop(struct scene *c)
{
	buf_drop(&c->state);
	pair_free(&c->p);
}

/* The side as it was, down to its randomness. */
static struct ssh *again(struct scene *c)
{
	struct ssh *s;

	c->p.rng[c->side] = 12345;
	cr_assert_eq(ssh_import(&s, &c->p.env[c->side], &c->p.policy[c->side], view_of(buf_head(&c->state), buf_len(&c->state)), c->p.now),
	    SSH_OK);
	ssh_sent(s, ssh_output_len(s));
	return s;
}

/* What the peer's cipher makes of n bytes of IGNORE whose length field says something else, one byte of it changed on the way. */
static size_t make_bad(struct scene *c, const struct bad *b, uint8_t *pkt)
{
	struct ssh *peer = c->p.side[!c->side];
	struct packet_dir *tx = peer->tx;
	struct cipher *copy;
	struct buf state;
	struct rd in;
	struct wr w;
	size_t whole = b->n + cipher_tag_len(tx->cipher);

	buf_init(&state, 4096, NULL);
	w = wr_to(&state);
	cr_assert_eq(cipher_export(tx->cipher, &w), SSH_OK);
	in = rd_of(buf_head(&state), buf_len(&state));
	cr_assert_eq(cipher_import(&copy, &in, NULL), SSH_OK);
	memset(pkt, 0, b->n);
	put_u32(pkt, b->length);
	pkt[4] = 4;
	pkt[5] = SSH_MSG_IGNORE;
	put_u32(pkt + 6, (uint32_t)b->n - 14);
	cr_assert_eq(cipher_seal(copy, tx->seq, pkt, pkt, b->n), SSH_OK);
	if (b->flip != 0)
		pkt[b->flip > 0 ? (size_t)b->flip : whole - (size_t)-b->flip] ^= 0x10;
	cipher_free(copy);
	buf_drop(&state);
	return whole;
}

/* Gives n bytes in pieces, lent ones when the side is logged in and lend says so. */
static void give(struct ssh *s, const uint8_t *bytes, size_t n, size_t piece, int lend)
{
	while (n > 0) {
		size_t k = n < piece ? n : piece;
		struct ssh_event e;

		if (lend && s->authenticated && ssh_error(s) == SSH_OK)
			cr_assert_eq(ssh_input_lend(s, bytes, k, 1), SSH_OK);
		else
			(void)ssh_input(s, bytes, k, 1);
		while (ssh_next(s, &e))
			cr_assert_eq(e.type, SSH_EV_NONE, "an event of a bad packet");
		if (ssh_error(s) == SSH_OK)
			cr_assert_eq(ssh_input_keep(s), SSH_OK);
		bytes += k, n -= k;
	}
}

static void one_bad(struct scene *c, const struct bad *b, size_t piece)
{
	static uint8_t bytes[2 * BAD_MAX];
	struct ssh *s = again(c);
	size_t n = make_bad(c, b, bytes), len;
	const uint8_t *out;
	struct buf state;

	memset(bytes + n, 0x5a, sizeof bytes - n);
	give(s, bytes, c->limit - 1, piece, piece & 1);
	cr_assert_eq(ssh_error(s), SSH_OK, "%s: ends before the last byte", b->what);
	cr_assert_eq(ssh_output_len(s), 0u, "%s: an answer", b->what);
	buf_init(&state, 1 << 20, NULL);
	cr_assert_eq(ssh_export(s, &state), SSH_E_NOT_NOW, "%s: it is over, and moves nowhere", b->what);
	buf_drop(&state);
	give(s, bytes + c->limit - 1, 1, 1, 0);
	cr_assert_eq(ssh_error(s), SSH_E_MAC, "%s: %s", b->what, err_name(ssh_error(s)));
	cr_assert_not_null(out = ssh_output(s, &len), "%s: no farewell", b->what);
	cr_assert_leq(len, sizeof c->answer);
	if (c->answer_len == 0) {
		memcpy(c->answer, out, len);
		c->answer_len = len;
	}
	cr_assert_eq(len, c->answer_len, "%s", b->what);
	cr_assert_arr_eq(out, c->answer, len, "%s", b->what);
	ssh_free(s);
}

static void every_bad(struct scene *c)
{
	uint32_t max = (uint32_t)c->limit - 4 - (uint32_t)cipher_tag_len(c->p.side[c->side]->rx->cipher);
	const struct bad rows[] = {
		{ "wrong MAC", 92, 96, -1 }, { "wrong first byte of the MAC", 92, 96, 96 }, { "wrong padding", 92, 96, 95 },
		{ "wrong padding length", 92, 96, 4 }, { "wrong payload", 92, 96, 40 }, { "wrong length", 92, 96, 1 },
		{ "length 0", 0, 96, 0 }, { "length 1", 1, 96, 0 }, { "length 5", 5, 96, 0 }, { "no whole block", 93, 96, 0 },
		{ "shorter", 76, 96, 0 }, { "longer", 188, 96, 0 }, { "the longest", max - (max + 4) % 16, 96, 0 },
		{ "too long by a block", max + 16 - (max + 4) % 16, 96, 0 }, { "far too long", 0xfffffffc, 96, 0 },
		{ "negative", 0x80000000u, 96, 0 }, { "a long one with a wrong MAC", 9996, 10000, -3 },
		{ "the longest with a wrong MAC", max - (max + 4) % 16, max + 4 - (max + 4) % 16, -1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		one_bad(c, &rows[i], 65536);
		if (i % 4 == 0)
			one_bad(c, &rows[i], 777);
	}
}

static int together(const char *cipher, const char *mac)
{
	const struct mac_alg *row = mac_alg_find(view_str(mac));

	return cipher_alg_find(view_str(cipher))->tag_len == 0 && !row->etm && row->hash != HASH_NONE;
}

Test(oracle, every_failure_is_the_same)
{
	const char *cipher, *mac;
	unsigned n = 0;
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++)
		for (size_t k = 0; (mac = alg_name(ALG_MAC, k, &on)) != NULL; k++) {
			struct scene c;

			if (!together(cipher, mac))
				continue;
			scene_init(&c, cipher, mac, n % 2 ? SSH_CLIENT : SSH_SERVER, NULL);
			every_bad(&c);
			scene_drop(&c);
			n++;
		}
	cr_assert_geq(n, 7u * 4);
}

static int until_keys(struct pair *p, enum ssh_role side)
{
	return side == SSH_SERVER && p->side[SSH_SERVER]->phase == P_AUTH && ssh_output_len(p->side[SSH_CLIENT]) == 0 ? -1 : 0;
}

Test(oracle, before_login_with_its_own_limit)
{
	struct scene c;

	scene_init(&c, "aes256-cbc", "hmac-sha1", SSH_SERVER, until_keys);
	cr_assert_eq(c.p.side[SSH_SERVER]->authenticated, 0);
	cr_assert_lt(c.limit, 36000u);
	every_bad(&c);
	scene_drop(&c);
}

/* The length stands apart: it is known to everybody, and nothing is waited for. */
Test(oracle, etm_ends_at_once)
{
	struct scene c;
	struct ssh *s;
	uint8_t pkt[256];
	const struct bad mac = { "wrong MAC", 96, 100, -1 }, length = { "length", 97, 100, 0 };
	size_t n;

	scene_init(&c, "aes128-cbc", "hmac-sha1-etm@openssh.com", SSH_SERVER, NULL);
	n = make_bad(&c, &mac, pkt);
	s = again(&c);
	give(s, pkt, n - 1, 1000, 0);
	cr_assert_eq(ssh_error(s), SSH_OK);
	give(s, pkt + n - 1, 1, 1, 0);
	cr_assert_eq(ssh_error(s), SSH_E_MAC);
	ssh_free(s);
	make_bad(&c, &length, pkt);
	s = again(&c);
	give(s, pkt, 4, 4, 0);
	cr_assert_eq(ssh_error(s), SSH_E_MAC);
	ssh_free(s);
	scene_drop(&c);
}

/* Padding is looked at by those only who have the keys. */
Test(oracle, padding_length_after_the_mac)
{
	struct scene c;
	struct ssh *s;
	struct packet_dir *tx;
	uint8_t pkt[256] = { 0 };

	scene_init(&c, "3des-cbc", "hmac-sha1-96", SSH_SERVER, NULL);
	tx = c.p.side[SSH_CLIENT]->tx;
	s = again(&c);
	put_u32(pkt, 36);
	pkt[4] = 3;
	cr_assert_eq(cipher_seal(tx->cipher, tx->seq, pkt, pkt, 40), SSH_OK);
	give(s, pkt, 52, 52, 0);
	cr_assert_eq(ssh_error(s), SSH_E_FORMAT);
	ssh_free(s);
	scene_drop(&c);
}
