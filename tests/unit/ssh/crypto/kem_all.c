#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/peer_input.h"
#include "tests/unit/ssh/crypto/hex.h"

/* kem_all - every exchange of algs.def: known answers, agreement, and values nobody may send. */

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(kem_all, .init = setup);

static void fixed(void *ctx, uint8_t *p, size_t n)
{
	cr_assert_eq(hex(p, ctx), n);
}

/* X448: RFC 7748 6.2; the others were made with OpenSSL from random scalars. */
static const struct { enum kem_id kem; const char *a, *b, *a_public, *b_public, *shared; } known[] = {
	{ KEM_X448,
	    "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2"
	    "d8c0a598726b",
	    "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f"
	    "10b65173992d",
	    "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f"
	    "80e532c41fa0",
	    "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bd"
	    "c1c67bf33609",
	    "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a"
	    "5037514a879d" },
	{ KEM_P256,
	    "7dc12df020c22d7b040653eb477c5188680beb9587f974fb59b24dff4a9b540b",
	    "25e250835ef3785664968b0b76d434b9b8a9865a488a38db429df662efdf6043",
	    "04991ad09374a04bb447a5b52d7a47eb9eeb16ed046cb90f7096febcae43957ebb0dd1d9b89c05a099bb38818b129558bff9"
	    "8c36022ec77d101520aa439b00b4e7",
	    "04741d7c7b732bca127e71e0d5d65e7ae6e9fe2286a4c196e5993d969fbee476f66ca2796a8ad25ac0612e28002303a54a6e"
	    "37e44435b6c5a2496c3b3e38ca307d",
	    "63211a549e0f6fe75b6c86983dc582670509cdb375390fd9d222a07cb2080073" },
	{ KEM_P384,
	    "6158e71fa9b902e44036a7f980a00ffab3b55aa71f44ec12dcb036c4cc44b4d2cddc5aae6ed857a8c81dcc419cecc054",
	    "8f7ef69400a875fdfc89efdee04bbe1eafaf98ca3e704b832e273749c900d129a643338e026069e8ac7ba8edc8fc5d3c",
	    "04b4ddba68e201b95ad719557f72b917d9e355646c3d77b9066309d6f835f72c86131409d9b6ab68e6327dd7aa53b1182ad1"
	    "40032fb27d93d04bde18f88515cfc57cec26a4f11a71e6eea62e4506515e0559ab51af92980cd600b2c28f8491f911",
	    "042f352e9994e0bd61022dd58b9b8be9193a5257a1219b981712019979a0bef56b8dc0954478f89c3ed953c2de79e022934e"
	    "78be6744a488bd109fdcfac409d0320c1746177f79d745e0e652a13fc43ab39afafdccf91029d1d2f09c950432a761",
	    "f0644faa232090e49aa05d60937626d4d92bbe96ec7882e868da96032844421f5c78b199acc97c59a222605f8e192124" },
	{ KEM_P521,
	    "006eaaca81ab824646aa73f583dfe11976bd481f45d106eb848aec1cf0127e06ad30faac41280681bd44445b9a64b794b3a9"
	    "79024d81b3bdd5210d80ef70a2e7bfad",
	    "0173d4d40f73e9a12f6db4dc2643846730c4c05a7aec057eb61d17246d86d5d32763959ebc82faddf566f1717d1a01d07892"
	    "a081822e8cbaa3958e96f40028c938e1",
	    "04018432a83820a2515a22f947553cbc8d6eee36b0c25c3bb78d9b5ae8646bbc8ed92c3e8f03c16c91c486833185bbdf9aaf"
	    "2ea50d599df38181a73216793813fae0110152a351b685cb589cf8b3bb061be106b4a8eac72495fb72ada07d7ca851f521c4"
	    "992716a74de9c2f386bbb6f03e97482454412c16e3e68a4268b636e5daf3623b2b",
	    "040103db041a76eb1a4bfd97e797249175bb4d1a689a7bdfbe447599200afd1a238739e006ea23c8cebef55c8f740c6880c2"
	    "d0f8cc50e7e356167a47164df130a15772012135f9e7f21da4af6dd784b362fbc94d1f547012d6848f3399b59f52c209bcf1"
	    "5c83db64f90b7403cbc797521999b1c6f2a101de9c43a92765de4e113f812bdfc8",
	    "01e9ae12cb2caa5ea28b416aa60c1049001e9d91c48a648703f77d61aecb9adad3bfa57b1174ff7bd8244d725fe798bfb673"
	    "7883c984c2f139805eb68fdcb7e1df3e" },
};

Test(kem_all, known_answers)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		uint8_t a[SSH_KEX_PUBLIC_MAX], b[SSH_KEX_PUBLIC_MAX], want[256];
		struct kem_shared ka, kb;
		struct kem_secret s;
		size_t na, nb, n;
		struct rd in;
		struct view v;

		cr_assert_eq(kem_start(known[i].kem, NULL, fixed, (void *)(uintptr_t)known[i].a, &s, a, &na), SSH_OK);
		cr_assert_eq(na, hex(want, known[i].a_public));
		cr_assert_arr_eq(a, want, na);
		cr_assert_eq(kem_respond(known[i].kem, NULL, fixed, (void *)(uintptr_t)known[i].b, view_of(a, na), b, &nb, &kb), SSH_OK);
		cr_assert_eq(nb, hex(want, known[i].b_public));
		cr_assert_arr_eq(b, want, nb);
		cr_assert_eq(kem_finish(&s, view_of(b, nb), &ka), SSH_OK);
		cr_assert_eq(ka.len, kb.len);
		cr_assert_arr_eq(ka.v, kb.v, ka.len);
		in = rd_of(ka.v, ka.len);
		v = rd_mpint(&in, 100);
		cr_assert_eq(rd_done(&in), SSH_OK);
		n = hex(want, known[i].shared);
		cr_assert_leq(v.len, n);
		cr_assert_arr_eq(v.p, want + n - v.len, v.len);
		for (size_t k = 0; k < n - v.len; k++)
			cr_assert_eq(want[k], 0);
	}
}

/* ---- agreement ------------------------------------------------------------------------------- */

/* The kinds that this build has. */
static int exists(enum kem_id kem)
{
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_KEX, i, NULL)) != NULL; i++)
		if (kex_alg_find(view_str(name))->kem == kem)
			return 1;
	return 0;
}

static int slow(enum kem_id kem)
{
	return kem == KEM_DH16 || kem == KEM_DH18;
}

static const struct dh_group *group_for(enum kem_id kem)
{
	return kem == KEM_DH_GEX ? dh_group_of(KEM_DH14) : NULL;
}

static void agree(enum kem_id kem, struct kem_shared *k)
{
	uint8_t a[SSH_KEX_PUBLIC_MAX], b[SSH_KEX_PUBLIC_MAX];
	struct kem_shared ka, kb;
	struct kem_secret s;
	size_t na, nb;

	cr_assert_eq(kem_start(kem, group_for(kem), crypto_random, NULL, &s, a, &na), SSH_OK);
	cr_assert_eq(kem_respond(kem, group_for(kem), crypto_random, NULL, view_of(a, na), b, &nb, &kb), SSH_OK, "%d", (int)kem);
	cr_assert_eq(kem_finish(&s, view_of(b, nb), &ka), SSH_OK, "%d", (int)kem);
	cr_assert_eq(ka.len, kb.len);
	cr_assert_arr_eq(ka.v, kb.v, ka.len);
	*k = ka;
}

Test(kem_all, both_sides_agree_and_never_twice_on_the_same)
{
	for (enum kem_id kem = 0; kem < KEM_MAX; kem++)
		for (int i = 0; i < (slow(kem) ? 2 : 20) && exists(kem); i++) {
			struct kem_shared k, other;

			agree(kem, &k);
			agree(kem, &other);
			cr_assert(k.len != other.len || memcmp(k.v, other.v, k.len) != 0);
		}
}

/* Of a number the top bit is 0 behind a zero byte; of a string of 32 bytes it is what it is (1 in 512 begins with 00 and a high bit). */
Test(kem_all, a_hybrid_secret_is_a_string)
{
	int high = 0, zero = 0;

	for (int i = 0; i < 4000 && !(high && zero); i++) {
		struct kem_shared k;

		agree(KEM_MLKEM768_X25519, &k);
		cr_assert_eq(k.len, 36);
		cr_assert_eq(get_u32(k.v), 32u);
		high |= (k.v[4] & 0x80) != 0;
		zero |= k.v[4] == 0;
	}
	cr_assert(high && zero, "both were met");
}

/* SHA-256 over both secrets, ML-KEM's first (draft-ietf-sshm-mlkem-hybrid-kex 2.4), from halves of the standard sizes. */
Test(kem_all, what_a_hybrid_secret_is_made_of)
{
	uint8_t a[SSH_KEX_PUBLIC_MAX], b[SSH_KEX_PUBLIC_MAX], halves[64], want[SSH_HASH_MAX];
	const struct view both = view_of(halves, sizeof halves);
	struct kem_shared k;
	struct kem_secret s;
	size_t na, nb;

	cr_assert_eq(kem_start(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, &s, a, &na), SSH_OK);
	cr_assert_eq(na, 1184 + 32);
	cr_assert_eq(kem_respond(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, view_of(a, na), b, &nb, &k), SSH_OK);
	cr_assert_eq(nb, 1088 + 32);
	cr_assert_eq(mlkem768_decaps(s.v, b, halves), SSH_OK);
	cr_assert_eq(crypto_scalarmult(halves + 32, s.v + MLKEM768_PRIVATE, b + 1088), 0);
	cr_assert_eq(hash_parts(HASH_SHA256, &both, 1, want), SSH_OK);
	cr_assert_eq(k.len, 4 + 32);
	cr_assert_arr_eq(k.v + 4, want, 32);
}

/* ---- values nobody may send ------------------------------------------------------------------- */

static void refused(enum kem_id kem, struct view peer)
{
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct kem_shared k;
	struct kem_secret s;
	size_t n;

	cr_assert_eq(kem_respond(kem, group_for(kem), crypto_random, NULL, peer, pub, &n, &k), SSH_E_BAD_VALUE, "%d %zu", (int)kem, peer.len);
	cr_assert_eq(kem_start(kem, group_for(kem), crypto_random, NULL, &s, pub, &n), SSH_OK);
	cr_assert_eq(kem_finish(&s, peer, &k), SSH_E_BAD_VALUE, "%d %zu", (int)kem, peer.len);
}

Test(kem_all, wrong_lengths)
{
	for (enum kem_id kem = 0; kem < KEM_MAX; kem++) {
		uint8_t good[SSH_KEX_PUBLIC_MAX + 1];
		struct kem_secret s;
		size_t n;

		if (!exists(kem) || slow(kem))
			continue;
		cr_assert_eq(kem_start(kem, group_for(kem), crypto_random, NULL, &s, good, &n), SSH_OK);
		good[n] = 0;
		refused(kem, view_of(good, 0));
		refused(kem, view_of(good, n + 1));
		if (kem < KEM_DH1 || kem > KEM_DH_GEX) {	/* a shorter number is another number */
			refused(kem, view_of(good, 1));
			refused(kem, view_of(good, n - 1));
		}
	}
}

Test(kem_all, half_of_a_hybrid_is_checked_as_well)
{
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct kem_secret s;
	struct kem_shared k;
	size_t n;

	cr_assert_eq(kem_start(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, &s, pub, &n), SSH_OK);
	memset(pub + 1184, 0, 32);
	cr_assert_eq(kem_respond(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, view_of(pub, n), pub, &n, &k), SSH_E_BAD_VALUE);
	cr_assert_eq(kem_start(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, &s, pub, &n), SSH_OK);
	memset(pub, 0xff, 3);
	cr_assert_eq(kem_respond(KEM_MLKEM768_X25519, NULL, crypto_random, NULL, view_of(pub, n), pub, &n, &k), SSH_E_BAD_VALUE);
	memset(pub, 0, sizeof pub);
	cr_assert_eq(kem_finish(&s, view_of(pub, 1088 + 32), &k), SSH_E_BAD_VALUE, "the server's point");
}

static void flip(enum kem_id kem, size_t at)
{
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct kem_secret s;
	size_t n;

	cr_assert_eq(kem_start(kem, NULL, crypto_random, NULL, &s, pub, &n), SSH_OK);
	pub[at < n ? at : n - 1] ^= 1;
	refused(kem, view_of(pub, n));
}

Test(kem_all, points_off_the_curve)
{
	for (enum kem_id kem = KEM_P256; kem <= KEM_P521; kem++) {
		uint8_t pub[256] = { 0 };

		flip(kem, 0);
		flip(kem, 5);
		flip(kem, 300);
		refused(kem, view_of(pub, 1));		/* infinity */
		pub[0] = 4;
		refused(kem, view_of(pub, kem == KEM_P256 ? 65 : kem == KEM_P384 ? 97 : 133));
		memset(pub + 1, 0xff, 200);
		refused(kem, view_of(pub, kem == KEM_P256 ? 65 : kem == KEM_P384 ? 97 : 133));
	}
}

Test(kem_all, x448_of_small_order)
{
	uint8_t u[56] = { 0 };

	refused(KEM_X448, view_of(u, 56));
	u[0] = 1;
	refused(KEM_X448, view_of(u, 56));
	memset(u, 0xff, 56);
	u[28] = 0xfe;
	refused(KEM_X448, view_of(u, 56));	/* p: another zero */
	u[0] = 0xfe;
	refused(KEM_X448, view_of(u, 56));	/* -1 */
	memset(u, 0, 28);
	memset(u + 28, 0xff, 28);
	refused(KEM_X448, view_of(u, 56));	/* p + 1: another one */
	u[0] = 1;
	cr_assert_eq(peer_x448(view_of(u, 56)), SSH_OK, "2, spelt otherwise");
	memset(u, 0, 56);
	u[0] = 5;
	cr_assert_eq(peer_x448(view_of(u, 56)), SSH_OK);
}

/* ---- integers ------------------------------------------------------------------------------------ */

/* e as an mpint's content: p + delta */
static struct view near_p(const struct dh_group *g, int delta, uint8_t out[1025])
{
	int carry = delta;

	out[0] = 0;
	for (size_t i = g->p.len; i-- > 0; carry >>= 8) {
		carry += g->p.p[i];
		out[1 + i] = (uint8_t)carry;
	}
	return view_of(out, g->p.len + 1);
}

Test(kem_all, dh_values_at_the_edges)
{
	static const enum kem_id all[] = { KEM_DH1, KEM_DH14, KEM_DH_GEX };
	static const struct { uint8_t v[3]; size_t n; } small[] = { { { 0 }, 0 }, { { 0 }, 1 }, { { 1 }, 1 }, { { 0, 2 }, 2 },
	    { { 0, 0, 0x80 }, 3 }, { { 0x80 }, 1 }, { { 0xff, 0xff }, 2 } };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const struct dh_group *g = dh_group_of(all[i] == KEM_DH_GEX ? KEM_DH14 : all[i]);
		uint8_t e[1025];

		for (size_t k = 0; k < sizeof small / sizeof small[0]; k++)
			refused(all[i], view_of(small[k].v, small[k].n));
		for (int delta = -1; delta <= 2; delta++)
			refused(all[i], near_p(g, delta, e));
		cr_assert_eq(peer_dh_value(g->p, near_p(g, -2, e)), SSH_OK);
		cr_assert_eq(peer_dh_value(g->p, near_p(g, -3, e)), SSH_OK);
		e[0] = 2;
		cr_assert_eq(peer_dh_value(g->p, view_of(e, 1)), SSH_OK);
		cr_assert_eq(peer_dh_value(g->p, view_of("\0\x80", 2)), SSH_OK);
	}
}

/* Random bytes, or bytes that are all the same: the exponents that a table is most likely to get wrong. */
static void patterned(void *ctx, uint8_t *p, size_t n)
{
	int round = *(int *)ctx;

	if (round < 4)
		memset(p, round == 0 ? 0 : round == 1 ? 0xff : round == 2 ? 0x55 : 1, n);
	else
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)(i * (size_t)round * 37 + (i >> 3) * 11 + (size_t)round);
}

/* RFC 7919 5.2: twice the strength of the group, and no bit of it is 0 by accident. */
Test(kem_all, exponents)
{
	static const struct { enum kem_id kem; size_t bits; } rows[] = { { KEM_DH14, 225 }, { KEM_DH16, 325 }, { KEM_DH18, 400 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t pub[SSH_KEX_PUBLIC_MAX];
		struct kem_secret s;
		size_t n;
		int round = 0;		/* random bytes of zeros */

		cr_assert_eq(kem_start(rows[i].kem, NULL, patterned, &round, &s, pub, &n), SSH_OK);
		cr_assert_geq(s.len * 8, rows[i].bits);
		cr_assert_lt(s.len * 8, rows[i].bits + 8);
		cr_assert(s.v[0] & 0x80);
	}
}

/* With tables comes out what comes out without. */
Test(kem_all, prepared_groups)
{
	static const enum kem_id all[] = { KEM_DH14, KEM_DH16, KEM_DH18 };
	enum { ROUNDS = 8 };
	static uint8_t without[ROUNDS][SSH_KEX_PUBLIC_MAX], with[SSH_KEX_PUBLIC_MAX];

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct kem_secret s;
		size_t n[ROUNDS], len;
		struct kem_shared k;

		for (int round = 0; round < ROUNDS; round++)
			cr_assert_eq(kem_start(all[i], NULL, patterned, &round, &s, without[round], &n[round]), SSH_OK);
		dh_prepare(all[i]);
		dh_prepare(all[i]);
		for (int round = 0; round < ROUNDS; round++) {
			cr_assert_eq(kem_start(all[i], NULL, patterned, &round, &s, with, &len), SSH_OK);
			cr_assert_eq(len, n[round]);
			cr_assert_arr_eq(with, without[round], len);
			/* the same group in numbers of its own, as a group exchange has it */
			cr_assert_eq(kem_start(KEM_DH_GEX, dh_group_of(all[i]), patterned, &round, &s, with, &len), SSH_OK);
			cr_assert_arr_eq(with, without[round], len);
		}
		agree(all[i], &k);
	}
	dh_prepare(KEM_X25519);		/* nothing */
	dh_prepare(KEM_DH_GEX);
}

Test(kem_all, groups_that_are_none)
{
	const struct dh_group *good = dh_group_of(KEM_DH14);
	uint8_t p[1025], g[2] = { 2 };
	struct dh_group bad = { view_of(p, 256), view_of(g, 1) };

	cr_assert_eq(dh_group_check(good, 2048, 8192), SSH_OK);
	cr_assert_eq(dh_group_check(good, 2049, 8192), SSH_E_BAD_VALUE);
	cr_assert_eq(dh_group_check(good, 1024, 2047), SSH_E_BAD_VALUE);
	cr_assert_eq(dh_group_check(dh_group_of(KEM_DH1), 1024, 8192), SSH_E_BAD_VALUE, "never below 2048");
	cr_assert_eq(dh_group_check(dh_group_of(KEM_DH18), 2048, 8192), SSH_OK);
	memcpy(p, good->p.p, 256);
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_OK);
	g[0] = 1;
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE);
	g[0] = 0;
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE);
	bad.g = bad.p;
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE);
	g[0] = 2;
	bad.g = view_of(g, 1);
	p[255] &= 0xfe;
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE, "even");
	memset(p, 0, sizeof p);
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE, "zero");
	bad.p = view_of(p, 0);
	cr_assert_eq(dh_group_check(&bad, 0, 8192), SSH_E_BAD_VALUE, "nothing");
	memset(p, 0xff, sizeof p);
	bad.p = view_of(p, 1025);
	cr_assert_eq(dh_group_check(&bad, 0, UINT32_MAX), SSH_E_BAD_VALUE, "8200 bits");
}

Test(kem_all, what_has_no_group_cannot_start)
{
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct kem_shared k;
	struct kem_secret s;
	size_t n;

	cr_assert_eq(kem_start(KEM_DH_GEX, NULL, crypto_random, NULL, &s, pub, &n), SSH_E_BUG);
	cr_assert_eq(kem_respond(KEM_DH_GEX, NULL, crypto_random, NULL, view_of("\2", 1), pub, &n, &k), SSH_E_BUG);
	cr_assert_eq(kem_start(KEM_MAX, NULL, crypto_random, NULL, &s, pub, &n), SSH_E_BUG);
	memset(&s, 0, sizeof s);
	cr_assert_eq(kem_finish(&s, view_of("\2", 1), &k), SSH_E_BUG, "nothing was started");
}
