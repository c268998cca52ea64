#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/kex.h"
#include "ssh/moduli.h"
#include "ssh/packet.h"
#include "ssh/transport.h"
#include "tests/unit/ssh/pair.h"

/* kex_all - every key exchange of the table, in both roles: strict and lax, with guesses, again and again. */

#define GEX "diffie-hellman-group-exchange-sha256"

typedef void each_fn(const char *kex);

static void each(each_fn *f)
{
	const char *kex;

	pair_crypto();
	for (size_t i = 0; (kex = alg_name(ALG_KEX, i, NULL)) != NULL; i++)
		f(kex);
}

static void both(struct pair *p, const char *kex)
{
	pair_init(p);
	p->policy[SSH_SERVER].kex = p->policy[SSH_CLIENT].kex = kex;
}

/* ---- handshakes ------------------------------------------------------------------------------ */

static int want(const char *kex)
{
	const char *only = getenv("KEX_ONLY");

	return only == NULL || strcmp(only, kex) == 0;
}

/* KEX_ROUNDS=5000 is the long form (tests/handshakes); the secret's first bytes decide in one of 256 or 512. */
static int rounds_of(const char *kex)
{
	const char *rounds = getenv("KEX_ROUNDS");
	int slow = strstr(kex, "group16") != NULL || strstr(kex, "group18") != NULL || strstr(kex, "group-exchange") != NULL;

	return rounds != NULL ? atoi(rounds) : slow ? 2 : 40;
}

static unsigned made;

static void many(const char *kex)
{
	unsigned before = made;
	clock_t cpu = clock();

	if (!want(kex))
		return;
	for (int i = rounds_of(kex); i > 0; i--) {
		struct pair p;

		both(&p, kex);
		p.quiet = 1;
		p.rng[0] += (uint64_t)i << 32;
		p.rng[1] += (uint64_t)i << 33;
		pair_login(&p);
		cr_assert_str_eq(p.side[SSH_SERVER]->kex->now.kex->name, kex);
		cr_assert(p.side[SSH_SERVER]->kex->strict && p.side[SSH_CLIENT]->kex->strict);
		cr_assert(view_same(ssh_session_id(p.side[0]), ssh_session_id(p.side[1])));
		pair_free(&p);
		made++;
	}
	if (getenv("KEX_ROUNDS") != NULL)
		fprintf(stderr, "%s: %u handshakes, %.1f s of CPU\n", kex, made - before, (double)(clock() - cpu) / CLOCKS_PER_SEC);
}

Test(kex_all, handshakes, .timeout = 100000)
{
	each(many);
	cr_assert_gt(made, 0u, "no such exchange here, or no rounds: %s, %s", getenv("KEX_ONLY"), getenv("KEX_ROUNDS"));
}

static void rekeyed(const char *kex)
{
	struct pair p;

	both(&p, kex);
	pair_login(&p);
	pair_channel(&p);
	for (int side = 0; side < 2; side++) {
		cr_assert_eq(ssh_rekey(p.side[side]), SSH_OK);
		pair_send(&p, SSH_SERVER, (const uint8_t *)"still here", 10);
		pair_send(&p, SSH_CLIENT, (const uint8_t *)"still here", 10);
	}
	cr_assert_eq(p.kex_done[SSH_CLIENT], 3u, "%s", kex);
	pair_free(&p);
}

Test(kex_all, again_from_either_side)
{
	each(rekeyed);
}

/* The hash of the session stays as long as the first one made it (libssh: CVE-2021-3634). */
Test(kex_all, another_hash_at_the_rekey)
{
	static const char *const pairs[][2] = { { "diffie-hellman-group14-sha1", "curve448-sha512" }, { "curve448-sha512", "diffie-hellman-group14-sha1" },
	    { "ecdh-sha2-nistp384", GEX }, { "mlkem768x25519-sha256", "ecdh-sha2-nistp521" } };

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct pair p;
		size_t len;

		both(&p, pairs[i][0]);
		pair_login(&p);
		pair_channel(&p);
		len = ssh_session_id(p.side[0]).len;
		for (int side = 0; side < 2; side++) {
			mem_free(p.side[side]->env.mem, (void *)(uintptr_t)p.side[side]->policy.kex);
			p.side[side]->policy.kex = mem_strndup(p.side[side]->env.mem, pairs[i][1], strlen(pairs[i][1]));
		}
		cr_assert_eq(ssh_rekey(p.side[i % 2]), SSH_OK);
		pair_send(&p, SSH_SERVER, (const uint8_t *)"still here", 10);
		cr_assert_str_eq(p.side[0]->kex->now.kex->name, pairs[i][1]);
		cr_assert_eq(ssh_session_id(p.side[0]).len, len);
		pair_free(&p);
	}
}

/* ---- one side alone ---------------------------------------------------------------------------- */

/* A server that offers just this and has heard an identification. */
static struct ssh *server(struct pair *p, struct buf *b, const char *kex)
{
	both(p, kex);
	cr_assert_eq(pair_start(p), SSH_OK);
	buf_init(b, 1 << 20, NULL);
	pair_feed(p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
	return p->side[SSH_SERVER];
}

/* The client's first message of an exchange. */
static void first_message(struct buf *to, const char *kex)
{
	enum kem_id kem = kex_alg_find(view_str(kex))->kem;
	uint8_t pub[5 + SSH_KEX_PUBLIC_MAX] = { 34, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 32, 0 };
	struct kem_secret s;
	size_t n = 13 - 5;

	if (kem != KEM_DH_GEX) {
		cr_assert_eq(kem_start(kem, NULL, crypto_random, NULL, &s, pub + 5, &n), SSH_OK);
		pub[0] = 30;
		put_u32(pub + 1, (uint32_t)n);
	}
	raw_packet(to, pub, 5 + n);
}

static void right_guess(const char *kex)
{
	int gex = kex_alg_find(view_str(kex))->kem == KEM_DH_GEX;
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b, kex);

	raw_kexinit(&b, kex, "ssh-ed25519", 1);
	first_message(&b, kex);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_OK, "%s: %s", kex, err_name(ssh_error(s)));
	cr_assert_eq(p.signs, gex ? 0u : 1u);
	cr_assert_eq(s->kex->state, gex ? KEX_WAIT_GEX_INIT : KEX_WAIT_NEWKEYS);
	pair_free(&p);
}

Test(kex_all, right_guess_is_used)
{
	each(right_guess);
}

/* The guess was what another exchange begins with; it is not even looked at, and the right one follows. */
static void wrong_guess(const char *kex)
{
	int gex = kex_alg_find(view_str(kex))->kem == KEM_DH_GEX;
	const char *guesses[] = { "mlkem768x25519-sha256", GEX, "diffie-hellman-group14-sha256" };
	char list[256];

	for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
		struct pair p;
		struct buf b;
		struct ssh *s;

		if (strcmp(guesses[i], kex) == 0)
			continue;
		s = server(&p, &b, kex);
		snprintf(list, sizeof list, "%s,%s", guesses[i], kex);
		raw_kexinit(&b, list, "ssh-ed25519", 1);
		first_message(&b, guesses[i]);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_OK, "%s", kex);
		cr_assert_eq(s->kex->state, gex ? KEX_WAIT_GEX_REQUEST : KEX_WAIT_INIT);
		buf_init(&b, 1 << 20, NULL);
		first_message(&b, kex);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_OK, "%s", kex);
		cr_assert_eq(s->kex->state, gex ? KEX_WAIT_GEX_INIT : KEX_WAIT_NEWKEYS);
		pair_free(&p);
	}
}

Test(kex_all, wrong_guess_costs_one_packet)
{
	each(wrong_guess);
}

/* A stranger between KEXINIT and the first message, and after it: with the strict marker it ends every exchange. */
static void strict(const char *kex)
{
	static const uint8_t strangers[][10] = { { 2, 0, 0, 0, 0 }, { 3, 0, 0, 0, 0 }, { 4, 0, 0, 0, 0, 0, 0, 0, 0 } };
	static const size_t len[] = { 5, 5, 10 };
	char list[256];

	snprintf(list, sizeof list, "%s,%s", kex, STRICT_C);
	for (int i = 0; i < 3; i++)
		for (int place = 0; place < 3; place++) {
			struct pair p;
			struct buf b;
			struct ssh *s = server(&p, &b, kex);

			if (place == 0)
				raw_packet(&b, strangers[i], len[i]);
			raw_kexinit(&b, list, "ssh-ed25519", 0);
			if (place == 1)
				raw_packet(&b, strangers[i], len[i]);
			first_message(&b, kex);
			if (place == 2)
				raw_packet(&b, strangers[i], len[i]);
			raw_feed(&p, SSH_SERVER, &b);
			cr_assert_eq(ssh_error(s), SSH_E_PROTOCOL, "%s, message %d at place %d", kex, strangers[i][0], place);
			pair_free(&p);
		}
}

Test(kex_all, strangers_end_every_strict_exchange)
{
	each(strict);
}

/* Every other number of an exchange, where this one is not due. */
static void other_number(const char *kex)
{
	int gex = kex_alg_find(view_str(kex))->kem == KEM_DH_GEX, due = gex ? 34 : 30;

	for (uint8_t type = 30; type < 50; type++) {
		uint8_t msg[] = { type, 0, 0, 0, 1, 2 };
		struct pair p;
		struct buf b;
		struct ssh *s;

		if (type == due)
			continue;
		s = server(&p, &b, kex);
		raw_kexinit(&b, kex, "ssh-ed25519", 0);
		raw_packet(&b, msg, sizeof msg);
		raw_feed(&p, SSH_SERVER, &b);
		/* 30 is the old request there, and this is none */
		cr_assert_eq(ssh_error(s), gex && type == 30 ? SSH_E_FORMAT : SSH_E_PROTOCOL, "%s: %d: %s", kex, type, err_name(ssh_error(s)));
		pair_free(&p);
	}
}

Test(kex_all, numbers_that_are_not_due)
{
	each(other_number);
}

/* ---- group exchange ------------------------------------------------------------------------------ */

static struct ssh *asked(struct pair *p, uint32_t min, uint32_t n, uint32_t max)
{
	uint8_t msg[13] = { 34 };
	struct buf b;
	struct ssh *s = server(p, &b, GEX);

	put_u32(msg + 1, min);
	put_u32(msg + 5, n);
	put_u32(msg + 9, max);
	raw_kexinit(&b, GEX, "ssh-ed25519", 0);
	raw_packet(&b, msg, sizeof msg);
	raw_feed(p, SSH_SERVER, &b);
	return s;
}

Test(kex_all, gex_requests)
{
	static const struct { uint32_t min, n, max; int error; size_t bits; } rows[] = {
		{ 2048, 3072, 8192, SSH_OK, 4096 }, { 1024, 1024, 8192, SSH_OK, 2048 }, { 1, 1, 1, SSH_E_BAD_VALUE, 0 },
		{ 8192, 1, 8192, SSH_E_BAD_VALUE, 0 }, { UINT32_MAX, UINT32_MAX, UINT32_MAX, SSH_E_BAD_VALUE, 0 },
		{ 1024, 1024, 1024, SSH_E_BAD_VALUE, 0 }, { 2049, 2049, 4095, SSH_E_NO_ALG, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair p;
		struct ssh *s = asked(&p, rows[i].min, rows[i].n, rows[i].max);

		cr_assert_eq(ssh_error(s), rows[i].error, "row %zu: %s", i, err_name(ssh_error(s)));
		if (rows[i].bits > 0)
			cr_assert_eq(s->kex->run->group.p.len * 8, rows[i].bits, "row %zu", i);
		pair_free(&p);
	}
}

Test(kex_all, gex_values_and_order)
{
	static const uint8_t zero[] = { 32, 0, 0, 0, 0 }, one[] = { 32, 0, 0, 0, 1, 1 }, negative[] = { 32, 0, 0, 0, 1, 0x80 };
	static const uint8_t early[] = { 30, 0, 0, 0, 1, 2 }, twice[13] = { 34, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8, 0 };
	static const struct { const uint8_t *msg; size_t n; int error; } rows[] = {
		{ zero, sizeof zero, SSH_E_BAD_VALUE }, { one, sizeof one, SSH_E_BAD_VALUE }, { negative, sizeof negative, SSH_E_BAD_VALUE },
		{ early, sizeof early, SSH_E_PROTOCOL }, { twice, sizeof twice, SSH_E_PROTOCOL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair p;
		struct buf b;
		struct ssh *s = asked(&p, 2048, 2048, 8192);

		buf_init(&b, 1 << 20, NULL);
		raw_packet(&b, rows[i].msg, rows[i].n);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), rows[i].error, "row %zu: %s", i, err_name(ssh_error(s)));
		cr_assert_eq(p.signs, 0u);
		pair_free(&p);
	}
}

Test(kex_all, gex_every_truncation)
{
	for (size_t n = 1; n < 13; n++) {
		static const uint8_t msg[13] = { 34, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 32, 0 };
		struct pair p;
		struct buf b;
		struct ssh *s = server(&p, &b, GEX);

		raw_kexinit(&b, GEX, "ssh-ed25519", 0);
		raw_packet(&b, msg, n);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_E_FORMAT, "%zu", n);
		pair_free(&p);
	}
}

static struct ssh *asked_old(struct pair *p, uint32_t n, size_t len)
{
	uint8_t msg[6] = { 30 };
	struct buf b;
	struct ssh *s = server(p, &b, GEX);

	put_u32(msg + 1, n);
	raw_kexinit(&b, GEX, "ssh-ed25519", 0);
	raw_packet(&b, msg, len);
	raw_feed(p, SSH_SERVER, &b);
	return s;
}

/* RFC 4419 5: n alone, whatever it is, and so it enters the hash. */
Test(kex_all, gex_old_requests)
{
	static const struct { uint32_t n; size_t bits; } rows[] = {
		{ 0, 2048 }, { 1024, 2048 }, { 2048, 2048 }, { 2049, 4096 }, { 4096, 4096 }, { 8192, 8192 }, { 8193, 8192 }, { UINT32_MAX, 8192 },
	};
	static const uint8_t again[5] = { 30, 0, 0, 8, 0 }, request[13] = { 34, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 32, 0 };
	struct pair p;
	struct buf b;
	struct ssh *s;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kex_run *run;
		size_t all;

		s = asked_old(&p, rows[i].n, 5);
		cr_assert_eq(ssh_error(s), SSH_OK, "row %zu: %s", i, err_name(ssh_error(s)));
		cr_assert_eq(s->kex->state, KEX_WAIT_GEX_INIT);
		run = s->kex->run;
		all = buf_len(&run->gex);
		cr_assert_eq(run->group.p.len * 8, rows[i].bits, "row %zu", i);
		cr_assert_eq(get_u32(buf_head(&run->gex)), rows[i].n);
		cr_assert_eq(all, 4 + 4 + 1 + run->group.p.len + 4 + 1, "n, p, g: g is one byte, p begins with a 0");
		/* as after a move */
		run->group = (struct dh_group){ { NULL, 0 }, { NULL, 0 } };
		cr_assert_eq(kex_gex_restore(run), SSH_OK);
		cr_assert_eq(run->group.p.len * 8, rows[i].bits);
		for (size_t cut = all; cut-- > 0;) {
			buf_truncate(&run->gex, cut);
			cr_assert_eq(kex_gex_restore(run), SSH_E_STATE, "cut to %zu", cut);
		}
		pair_free(&p);
	}
	for (size_t n = 1; n <= 6; n++) {
		s = asked_old(&p, 2048, n);
		cr_assert_eq(ssh_error(s), n == 5 ? SSH_OK : SSH_E_FORMAT, "%zu", n);
		pair_free(&p);
	}
	for (int which = 0; which < 2; which++) {
		s = asked_old(&p, 2048, 5);
		buf_init(&b, 1 << 20, NULL);
		raw_packet(&b, which ? request : again, which ? sizeof request : sizeof again);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), which ? SSH_E_PROTOCOL : SSH_E_FORMAT, "%s", err_name(ssh_error(s)));
		pair_free(&p);
	}
}

Test(kex_all, gex_takes_a_group_of_the_file)
{
	const struct dh_group *g = dh_group_of(KEM_DH16);
	char text[3000] = "20220714110357 2 6 100 4095 5 ";
	struct moduli *m;
	struct pair p;
	size_t ignored;

	pair_crypto();
	for (size_t i = 0; i < g->p.len; i++)
		sprintf(text + strlen(text), "%02X", g->p.p[i]);
	cr_assert_eq(moduli_parse(&m, view_str(text), NULL, &ignored), SSH_OK);
	cr_assert_eq(moduli_count(m), 1u);
	both(&p, GEX);
	p.policy[SSH_SERVER].moduli = m;
	p.hook = NULL;
	pair_login(&p);
	pair_free(&p);
	{
		struct buf b;
		struct ssh *s;

		both(&p, GEX);
		p.policy[SSH_SERVER].moduli = m;
		cr_assert_eq(pair_start(&p), SSH_OK);
		s = p.side[SSH_SERVER];
		buf_init(&b, 1 << 20, NULL);
		pair_feed(&p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
		raw_kexinit(&b, GEX, "ssh-ed25519", 0);
		first_message(&b, GEX);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert(view_is(s->kex->run->group.g, "\5"), "not the built-in one, whose generator is 2");
		pair_free(&p);
	}
	moduli_free(m);
}

/* What a server may tell our client: a group, then the rest. */
static void told(const void *p_bytes, size_t p_len, const void *g_bytes, size_t g_len, int error)
{
	struct pair p;
	struct buf b, msg;
	struct wr w;

	both(&p, GEX);
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_feed(&p, SSH_CLIENT, "SSH-2.0-x\r\n", 11);
	buf_init(&b, 1 << 20, NULL);
	buf_init(&msg, 1 << 20, NULL);
	w = wr_to(&msg);
	wr_u8(&w, 31);
	wr_mpint(&w, p_bytes, p_len);
	wr_mpint(&w, g_bytes, g_len);
	raw_kexinit(&b, GEX, "ssh-ed25519", 0);
	raw_packet(&b, buf_head(&msg), buf_len(&msg));
	raw_feed(&p, SSH_CLIENT, &b);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), error, "%zu %zu: %s", p_len, g_len, err_name(ssh_error(p.side[SSH_CLIENT])));
	buf_drop(&msg);
	pair_free(&p);
}

Test(kex_all, gex_groups_our_client_refuses)
{
	const struct dh_group *good, *weak;
	uint8_t even[256], long_p[1032];

	pair_crypto();
	good = dh_group_of(KEM_DH14);
	weak = dh_group_of(KEM_DH1);
	memcpy(even, good->p.p, sizeof even);
	even[255] ^= 1;
	memset(long_p, 0xff, sizeof long_p);
	told(good->p.p, good->p.len, "\2", 1, SSH_OK);
	told(weak->p.p, weak->p.len, "\2", 1, SSH_E_BAD_VALUE);
	told(even, sizeof even, "\2", 1, SSH_E_BAD_VALUE);
	told(good->p.p, good->p.len, "\1", 1, SSH_E_BAD_VALUE);
	told(good->p.p, good->p.len, "", 0, SSH_E_BAD_VALUE);
	told(good->p.p, good->p.len, good->p.p, good->p.len, SSH_E_BAD_VALUE);
	told("", 0, "\2", 1, SSH_E_BAD_VALUE);
	told(long_p, sizeof long_p, "\2", 1, SSH_E_FORMAT);
}
