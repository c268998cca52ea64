#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/ssh/crypto/hex.h"
#include "tests/unit/ssh/crypto/vectors.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(cipher, .init = setup);

static uint8_t key[64], iv[16], mac_key[64];

static struct cipher_keys keys_for(const struct cipher_alg *c, const struct mac_alg *m)
{
	return (struct cipher_keys){ { key, c->key_len }, { iv, c->iv_len }, { mac_key, m ? m->key_len : 0 } };
}

static struct cipher *new_cipher(const struct cipher_alg *c, const struct mac_alg *m, int encrypt)
{
	struct cipher_keys k = keys_for(c, m);
	struct cipher *res;

	cr_assert_eq(cipher_new(&res, c, m, &k, encrypt, NULL), SSH_OK);
	return res;
}

/* Calls f for each cipher with each MAC it can have. */
static void each_pair(void (*f)(const struct cipher_alg *, const struct mac_alg *))
{
	const char *cn, *mn;

	for (size_t i = 0; i < 64; i++)
		key[i] = (uint8_t)(i + 1), mac_key[i] = (uint8_t)(0x40 + i), iv[i % 16] = (uint8_t)(0xf0 | i);
	for (size_t i = 0; (cn = alg_name(ALG_CIPHER, i, NULL)) != NULL; i++) {
		const struct cipher_alg *c = cipher_alg_find(view_str(cn));

		if (c->tag_len > 0)
			f(c, NULL);
		for (size_t k = 0; c->tag_len == 0 && (mn = alg_name(ALG_MAC, k, NULL)) != NULL; k++)
			if (mac_alg_find(view_str(mn))->hash != HASH_NONE)
				f(c, mac_alg_find(view_str(mn)));
	}
}

/* A packet of about want payload bytes at pkt; its length with the length field. */
static size_t make_packet(const struct cipher *c, uint8_t *pkt, size_t want, uint8_t seed)
{
	size_t block = cipher_block(c), head = cipher_length_apart(c) ? 4 : 0;
	size_t n = head + (want + 9) / block * block + block;

	for (size_t i = 4; i < n; i++)
		pkt[i] = (uint8_t)(seed + i * 7);
	put_u32(pkt, (uint32_t)(n - 4));
	return n;
}

static int open_packet(struct cipher *c, uint32_t seq, uint8_t *pkt, size_t n)
{
	uint32_t length = 0;
	int r = cipher_length(c, seq, pkt, &length);

	if (r < 0)
		return r;
	return length == n - 4 ? cipher_open(c, seq, pkt, pkt, n) : SSH_E_TOO_BIG;
}

Test(cipher, known_answers)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const struct vector *v = &vectors[i];
		const struct cipher_alg *alg = cipher_alg_find(view_str(v->cipher));
		const struct mac_alg *mac = *v->mac ? mac_alg_find(view_str(v->mac)) : NULL;
		struct cipher *seal, *open;
		uint32_t seq = UINT32_MAX;

		for (size_t k = 0; k < 64; k++)
			key[k] = (uint8_t)(k + 1), mac_key[k] = (uint8_t)(0x40 + k);
		memset(iv, 0xff, sizeof iv);
		if (alg->mode == MODE_GCM)
			hex(iv, "a0a1a2a3");
		else
			iv[15] = 0xfe;
		seal = new_cipher(alg, mac, 1);
		open = new_cipher(alg, mac, 0);
		for (int k = 0; k < 2; k++, seq++) {
			uint8_t plain[128], pkt[256], want[256];
			size_t n = v->len[k], total = n + cipher_tag_len(seal);

			put_u32(plain, (uint32_t)n - 4);
			for (size_t j = 0; j < n - 4; j++)
				plain[4 + j] = (uint8_t)(j * 7 + 3);
			memcpy(pkt, plain, n);
			cr_assert_eq(hex(want, v->sealed[k]), total);
			cr_assert_eq(cipher_seal(seal, seq, pkt, pkt, n), SSH_OK);
			cr_assert_arr_eq(pkt, want, total, "%s %s packet %d", v->cipher, v->mac, k);
			cr_assert_eq(open_packet(open, seq, pkt, n), SSH_OK);
			cr_assert_arr_eq(pkt, plain, n);
		}
		cipher_free(seal);
		cipher_free(open);
	}
}

static void round_trip(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 15, 16, 17, 100, 255, 1000, 4096, 32768, 262000 };
	struct cipher *seal = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	uint8_t *plain = malloc(263000), *pkt = malloc(263000);
	uint32_t seq = UINT32_MAX - 5;	/* wraps on the way */

	cr_assert_geq(cipher_block(seal), 8);
	cr_assert_eq(cipher_tag_len(seal), mac ? mac->mac_len : 16);
	cr_assert_eq(cipher_length_apart(seal), mac == NULL || mac->etm);
	cr_assert_eq(cipher_head_len(seal), mac == NULL || mac->etm ? 4 : alg->block);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++, seq++) {
		size_t n = make_packet(seal, plain, sizes[i], (uint8_t)i);

		memcpy(pkt, plain, n);
		memset(pkt + n, 0xee, cipher_tag_len(seal) + 8);
		cr_assert_eq(cipher_seal(seal, seq, pkt, pkt, n), SSH_OK);
		cr_assert(memcmp(pkt + 4, plain + 4, n - 4) != 0);
		for (size_t k = 0; k < 8; k++)
			cr_assert_eq(pkt[n + cipher_tag_len(seal) + k], 0xee, "wrote behind the tag");
		cr_assert_eq(open_packet(open, seq, pkt, n), SSH_OK, "%s %s %zu", alg->name, mac ? mac->name : "", n);
		cr_assert_arr_eq(pkt, plain, n);
	}
	cipher_free(seal);
	cipher_free(open);
	free(plain);
	free(pkt);
}

Test(cipher, round_trip)
{
	each_pair(round_trip);
}

static void flip(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *seal = new_cipher(alg, mac, 1);
	uint8_t sealed[256], pkt[256];
	size_t n = make_packet(seal, sealed, 40, 1), total = n + cipher_tag_len(seal);

	cr_assert_eq(cipher_seal(seal, 9, sealed, sealed, n), SSH_OK);
	for (size_t i = 0; i < total; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct cipher *open = new_cipher(alg, mac, 0);
			uint32_t length;

			memcpy(pkt, sealed, total);
			pkt[i] ^= (uint8_t)(1 << bit);
			cr_assert_eq(cipher_length(open, 9, pkt, &length), SSH_OK);
			/* whatever length it says now: the caller still has these n bytes and the tag */
			cr_assert_eq(cipher_open(open, 9, pkt, pkt, n), SSH_E_MAC, "%s byte %zu", alg->name, i);
			memcpy(pkt, sealed, total);
			cr_assert_eq(cipher_open(open, 9, pkt, pkt, n), SSH_E_MAC, "a second try");
			cipher_free(open);
		}
	cipher_free(seal);
}

Test(cipher, every_flipped_bit_is_seen)
{
	each_pair(flip);
}

static void wrong_place(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *seal = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	uint8_t a[256], b[256];
	size_t n = make_packet(seal, a, 40, 1);

	make_packet(seal, b, 40, 2);
	cr_assert_eq(cipher_seal(seal, 0, a, a, n), SSH_OK);
	cr_assert_eq(cipher_seal(seal, 1, b, b, n), SSH_OK);
	/* dropped, so that the second packet comes first (CVE-2023-48795 class) */
	cr_assert_lt(open_packet(open, 0, b, n), 0, "%s %s", alg->name, mac ? mac->name : "");
	cipher_free(seal);
	cipher_free(open);
}

Test(cipher, a_packet_in_anothers_place_is_refused)
{
	each_pair(wrong_place);
}

static void misuse(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *seal = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	uint8_t pkt[512];
	uint32_t length;

	for (size_t n = 0; n < 100; n++) {
		size_t body = cipher_length_apart(seal) ? n - 4 : n;
		int fits = n >= 5 && n >= cipher_head_len(seal) && body % alg->block == 0;
		struct cipher *again = new_cipher(alg, mac, 0);

		memset(pkt, (int)n, sizeof pkt);
		cr_assert_eq(cipher_seal(seal, 0, pkt, pkt, n), fits ? SSH_OK : SSH_E_BUG, "%zu", n);
		cr_assert_eq(cipher_open(again, 0, pkt, pkt, n + (fits ? 1 : 0)), SSH_E_MAC, "%zu", n);
		cipher_free(again);
	}
	cr_assert_eq(cipher_open(seal, 0, pkt, pkt, 36), SSH_E_BUG);
	cr_assert_eq(cipher_length(seal, 0, pkt, &length), SSH_E_BUG);
	cr_assert_eq(cipher_seal(open, 0, pkt, pkt, 36), SSH_E_BUG);
	cipher_free(seal);
	cipher_free(open);
}

Test(cipher, odd_lengths_and_wrong_direction)
{
	each_pair(misuse);
}

static struct cipher *moved(struct cipher *c)
{
	struct cipher *res;
	struct buf b;
	struct wr w;
	struct rd in;

	buf_init(&b, 4096, NULL);
	w = wr_to(&b);
	wr_u32(&w, 7);
	cr_assert_eq(cipher_export(c, &w), SSH_OK);
	wr_u32(&w, 8);			/* it stands inside something larger */
	cr_assert_eq(wr_done(&w), SSH_OK);
	cipher_free(c);
	in = rd_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(rd_u32(&in), 7);
	cr_assert_eq(cipher_import(&res, &in, NULL), SSH_OK);
	cr_assert_eq(rd_u32(&in), 8);
	cr_assert_eq(rd_done(&in), SSH_OK);
	buf_drop(&b);
	return res;
}

static void move_midway(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *seal = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	struct cipher *straight = new_cipher(alg, mac, 1);
	uint8_t pkt[1024], same[1024];

	for (uint32_t seq = 0; seq < 300; seq++) {	/* a counter byte overflows */
		size_t n = make_packet(seal, pkt, seq, (uint8_t)seq);

		memcpy(same, pkt, n);
		cr_assert_eq(cipher_seal(seal, seq, pkt, pkt, n), SSH_OK);
		cr_assert_eq(cipher_seal(straight, seq, same, same, n), SSH_OK);
		cr_assert_arr_eq(pkt, same, n + cipher_tag_len(seal), "%s packet %u", alg->name, seq);
		if (seq % 5 == 0) {	/* where the length is encrypted with the rest, half a packet moves along */
			uint32_t length;

			cr_assert_eq(cipher_length(open, seq, pkt, &length), SSH_OK);
			open = moved(open);
			cr_assert_eq(cipher_open(open, seq, pkt, pkt, n), SSH_OK);
		} else {
			cr_assert_eq(open_packet(open, seq, pkt, n), SSH_OK);
		}
		if (seq % 3 == 0)
			seal = moved(seal);
		if (seq % 4 == 0)
			open = moved(open);
	}
	cipher_free(seal);
	cipher_free(open);
	cipher_free(straight);
}

/* From one place to another: the same bytes as in place, and what is read stays as it was. */
static void elsewhere(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 1000, 32768 };
	struct cipher *here = new_cipher(alg, mac, 1), *there = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	static uint8_t plain[40000], kept[40000], pkt[40000], same[40000];

	for (uint32_t seq = 0; seq < sizeof sizes / sizeof sizes[0]; seq++) {
		size_t n = make_packet(here, plain, sizes[seq], (uint8_t)seq), whole = n + cipher_tag_len(here);
		uint32_t length;

		memset(plain + n, 0xee, 8);
		memcpy(kept, plain, n + 8);
		memcpy(same, plain, n);
		memset(pkt, 0x55, whole + 8);
		cr_assert_eq(cipher_seal(here, seq, same, same, n), SSH_OK);
		cr_assert_eq(cipher_seal(there, seq, plain, pkt, n), SSH_OK);
		cr_assert_arr_eq(pkt, same, whole, "%s %s packet %u", alg->name, mac ? mac->name : "", seq);
		cr_assert_arr_eq(plain, kept, n + 8, "%s wrote where it reads", alg->name);
		for (size_t k = 0; k < 8; k++)
			cr_assert_eq(pkt[whole + k], 0x55, "wrote behind the tag");
		cr_assert_eq(cipher_length(open, seq, pkt, &length), SSH_OK);
		memcpy(same, pkt, whole);		/* where the length does not stand apart, its block is open now */
		memset(plain, 0x55, n + 8);
		cr_assert_eq(cipher_open(open, seq, pkt, plain, n), SSH_OK);
		cr_assert_arr_eq(plain, kept, n, "%s packet %u", alg->name, seq);
		cr_assert_arr_eq(pkt, same, whole, "%s wrote where it reads", alg->name);
		cr_assert_eq(plain[n], 0x55);
	}
	cipher_free(here);
	cipher_free(there);
	cipher_free(open);
}

Test(cipher, from_one_place_to_another)
{
	each_pair(elsewhere);
}

static void forged_elsewhere(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *seal = new_cipher(alg, mac, 1), *open = new_cipher(alg, mac, 0);
	uint8_t pkt[512], plain[512];
	size_t n = make_packet(seal, pkt, 200, 1);
	uint32_t length;

	cr_assert_eq(cipher_seal(seal, 3, pkt, pkt, n), SSH_OK);
	pkt[n - 1] ^= 1;
	memset(plain, 0, sizeof plain);
	cr_assert_eq(cipher_length(open, 3, pkt, &length), SSH_OK);
	cr_assert_eq(cipher_open(open, 3, pkt, plain, n), SSH_E_MAC, "%s", alg->name);
	for (size_t i = cipher_length_apart(open) ? 4 : cipher_block(open); i < n; i++)
		cr_assert_eq(plain[i], 0, "%s: plain text without proof", alg->name);
	cipher_free(seal);
	cipher_free(open);
}

Test(cipher, a_forged_packet_leaves_nothing_elsewhere)
{
	each_pair(forged_elsewhere);
}

Test(cipher, moves_between_any_two_packets_and_inside)
{
	each_pair(move_midway);
}

static void move_not_now(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *open = new_cipher(alg, mac, 0);
	uint8_t pkt[256] = { 0 };
	uint32_t length;
	struct buf b;
	struct wr w;

	buf_init(&b, 4096, NULL);
	w = wr_to(&b);
	cr_assert_eq(cipher_length(open, 0, pkt, &length), SSH_OK);
	cr_assert_eq(cipher_export(open, &w), SSH_OK);
	cr_assert_eq(cipher_head_open(open), !cipher_length_apart(open));
	buf_drop(&b);
	cr_assert_eq(cipher_open(open, 0, pkt, pkt, cipher_length_apart(open) ? 36 : 32), SSH_E_MAC);
	cr_assert_eq(cipher_export(open, &w), SSH_E_NOT_NOW, "broken");
	buf_drop(&b);
	cipher_free(open);
}

Test(cipher, does_not_move_when_broken)
{
	each_pair(move_not_now);
}

static void damage(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	struct cipher *c = new_cipher(alg, mac, 1), *res;
	struct buf b;
	struct wr w;
	uint8_t *copy;
	struct rd in;

	buf_init(&b, 4096, NULL);
	w = wr_to(&b);
	cr_assert_eq(cipher_export(c, &w), SSH_OK);
	for (size_t n = 0; n < buf_len(&b); n++) {
		copy = malloc(n + 1);
		memcpy(copy, buf_head(&b), n);
		in = rd_of(copy, n);
		cr_assert_eq(cipher_import(&res, &in, NULL), SSH_E_STATE, "cut to %zu", n);
		cr_assert_null(res);
		free(copy);
	}
	for (size_t i = 0; i < buf_len(&b); i++)
		for (int v = 0; v < 256; v += 17) {
			uint8_t was = buf_head(&b)[i];
			int r;

			buf_head(&b)[i] = (uint8_t)v;
			in = rd_of(buf_head(&b), buf_len(&b));
			r = cipher_import(&res, &in, NULL);
			cr_assert(r == SSH_OK || r == SSH_E_STATE, "byte %zu: %s", i, err_name(r));
			cr_assert_eq(r == SSH_OK, res != NULL);
			cipher_free(res);
			buf_head(&b)[i] = was;
		}
	buf_drop(&b);
	cipher_free(c);
}

Test(cipher, damaged_state_is_refused)
{
	each_pair(damage);
}

static void *no_memory(void *ctx, void *p, size_t n)
{
	(void)ctx, (void)p, (void)n;
	return NULL;
}

static void wrong_keys(const struct cipher_alg *alg, const struct mac_alg *mac)
{
	static const struct mem none = { no_memory, NULL };
	struct cipher_keys good = keys_for(alg, mac), k;
	struct cipher *c;

	for (int part = 0; part < 3; part++)
		for (int less = 0; less < 2; less++) {
			struct view *v = part == 0 ? &k.key : part == 1 ? &k.iv : &k.mac_key;

			k = good;
			if (less && v->len == 0)
				continue;
			if (part == 2 && mac == NULL)
				continue;
			v->len += less ? (size_t)-1 : 1;
			cr_assert_eq(cipher_new(&c, alg, mac, &k, 1, NULL), SSH_E_BUG);
			cr_assert_null(c);
		}
	cr_assert_eq(cipher_new(&c, alg, mac ? NULL : mac_alg_find(view_str("hmac-sha2-256")), &good, 1, NULL), SSH_E_BUG);
	cr_assert_eq(cipher_new(&c, alg, mac, &good, 1, &none), SSH_E_NOMEM);
	cr_assert_null(c);
}

Test(cipher, keys_must_fit_exactly)
{
	each_pair(wrong_keys);
	cipher_free(NULL);
}
