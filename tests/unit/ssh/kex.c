#include "ssh/kex.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/packet.h"
#include "ssh/transport.h"
#include "tests/unit/ssh/pair.h"

#define C25519 "curve25519-sha256"
#define LIBSSH "curve25519-sha256@libssh.org"

static const uint8_t ignore[] = { 2, 0, 0, 0, 1, 'x' };
static const uint8_t debug[] = { 4, 0, 0, 0, 0, 1, 'x', 0, 0, 0, 0 };
static const uint8_t unimplemented[] = { 3, 0, 0, 0, 0 };
static const uint8_t newkeys[] = { 21 };

/* A server that has heard an identification; the pair's client stays silent. */
static struct ssh *server(struct pair *p, struct buf *b)
{
	pair_init(p);
	p->policy[SSH_SERVER].kex = C25519 "," LIBSSH;
	cr_assert_eq(pair_start(p), SSH_OK);
	buf_init(b, 1 << 20, NULL);
	pair_feed(p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
	return p->side[SSH_SERVER];
}

Test(kex, every_state_has_a_name_and_a_way_out)
{
	for (int a = 0; a < KEX_MAX; a++) {
		cr_assert_neq(kex_may_become((enum kex_state)a), 0u);
		cr_assert_str_neq(kex_state_name((enum kex_state)a), "?");
		for (int b = 0; b < a; b++)
			cr_assert_str_neq(kex_state_name((enum kex_state)a), kex_state_name((enum kex_state)b));
	}
}

/* ---- guesses (RFC 4253 7) ------------------------------------------------------------------- */

Test(kex, right_guess_is_used)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, C25519, "ssh-ed25519", 1);
	raw_kex_init(&b);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_OK);
	cr_assert_eq(p.signs, 1u);
	pair_free(&p);
}

Test(kex, wrong_guess_costs_exactly_one_packet)
{
	/* of another method: the number may be one we do not know at all */
	static const uint8_t first_bytes[] = { 30, 32, 34, 49, 31 };

	for (size_t i = 0; i < sizeof first_bytes; i++) {
		uint8_t junk[] = { first_bytes[i], 1, 2, 3 };
		struct pair p;
		struct buf b;
		struct ssh *s = server(&p, &b);

		raw_kexinit(&b, "diffie-hellman-group14-sha256," C25519, "ssh-ed25519", 1);
		raw_packet(&b, junk, sizeof junk);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_OK);
		cr_assert_eq(p.signs, 0u);
		buf_init(&b, 1 << 20, NULL);
		raw_kex_init(&b);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_OK);
		cr_assert_eq(p.signs, 1u);
		pair_free(&p);
	}
}

Test(kex, second_packet_on_a_wrong_guess_ends_it)
{
	static const uint8_t junk[] = { 34, 0, 0, 4, 0 };
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, "diffie-hellman-group14-sha256," C25519, "ssh-ed25519", 1);
	raw_packet(&b, junk, sizeof junk);
	raw_packet(&b, junk, sizeof junk);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_E_PROTOCOL);
	pair_free(&p);
}

Test(kex, wrong_guess_of_the_host_key_too)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, C25519, "rsa-sha2-512,ssh-ed25519", 1);
	raw_kex_init(&b);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_OK);
	cr_assert_eq(p.signs, 0u, "dropped, although it would have fitted");
	pair_free(&p);
}

Test(kex, only_kex_packets_are_guesses)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, LIBSSH "," C25519, "ssh-ed25519", 1);
	raw_packet(&b, newkeys, sizeof newkeys);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_E_PROTOCOL);
	pair_free(&p);
}

/* ---- strict and lax ----------------------------------------------------------------------------- */

static void stranger(const char *kex, const uint8_t *msg, size_t n, int place, int error)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	if (place == 0)
		raw_packet(&b, msg, n);
	raw_kexinit(&b, kex, "ssh-ed25519", 0);
	if (place == 1)
		raw_packet(&b, msg, n);
	raw_kex_init(&b);
	if (place == 2)
		raw_packet(&b, msg, n);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), error, "message %d at place %d: %s", msg[0], place, err_name(ssh_error(s)));
	pair_free(&p);
}

Test(kex, strangers_end_a_strict_exchange)
{
	for (int place = 0; place < 3; place++) {
		stranger(C25519 "," STRICT_C, ignore, sizeof ignore, place, SSH_E_PROTOCOL);
		stranger(C25519 "," STRICT_C, debug, sizeof debug, place, SSH_E_PROTOCOL);
		stranger(C25519 "," STRICT_C, unimplemented, sizeof unimplemented, place, SSH_E_PROTOCOL);
	}
}

Test(kex, lax_peers_may_say_ignore_and_debug)
{
	for (int place = 0; place < 3; place++) {
		stranger(C25519, ignore, sizeof ignore, place, SSH_OK);
		stranger(C25519, debug, sizeof debug, place, SSH_OK);
		stranger(C25519 "," STRICT_S, ignore, sizeof ignore, place, SSH_OK);	/* the wrong side's marker */
	}
}

Test(kex, everything_else_ends_even_a_lax_exchange)
{
	for (int type = 5; type < 256; type++)
		for (int place = 0; place < 3; place++) {
			uint8_t msg[] = { (uint8_t)type, 0, 0, 0, 0 };

			if (type == 20 || (type == 30 && place == 1) || (type == 21 && place == 2))
				continue;	/* those break by their content */
			stranger(C25519, msg, sizeof msg, place, SSH_E_PROTOCOL);
		}
}

Test(kex, sequence_numbers_begin_again_when_strict)
{
	struct pair p;

	pair_init(&p);
	pair_login(&p);
	cr_assert_lt(p.side[SSH_SERVER]->tx->seq, p.side[SSH_SERVER]->tx->total - 2);
	cr_assert_eq(p.side[SSH_SERVER]->tx->seq, p.side[SSH_CLIENT]->rx->seq);
	cr_assert_eq(p.side[SSH_SERVER]->tx->seq, p.side[SSH_SERVER]->tx->packets);
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	pair_run(&p);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(p.side[i]->tx->seq, 0u);
		cr_assert_eq(p.side[i]->rx->seq, 0u);
		cr_assert(p.side[i]->kex->strict, "a later KEXINIT without the marker changes nothing");
	}
	pair_free(&p);
}

/* ---- order ------------------------------------------------------------------------------------------ */

Test(kex, kexinit_twice)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, C25519, "ssh-ed25519", 0);
	raw_kexinit(&b, C25519, "ssh-ed25519", 0);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_E_PROTOCOL);
	pair_free(&p);
}

Test(kex, newkeys_first_and_in_the_middle)
{
	stranger(C25519, newkeys, sizeof newkeys, 0, SSH_E_PROTOCOL);
	stranger(C25519, newkeys, sizeof newkeys, 1, SSH_E_PROTOCOL);
	stranger(C25519 "," STRICT_C, newkeys, sizeof newkeys, 0, SSH_E_PROTOCOL);
	stranger(C25519 "," STRICT_C, newkeys, sizeof newkeys, 1, SSH_E_PROTOCOL);
}

Test(kex, init_twice)
{
	uint8_t init[37] = { 30, 0, 0, 0, 32, 9 };

	stranger(C25519, init, sizeof init, 2, SSH_E_PROTOCOL);
	stranger(C25519, init, sizeof init, 0, SSH_E_PROTOCOL);
}

Test(kex, bad_public_values)
{
	static const struct { size_t len; uint8_t first; } rows[] = { { 0, 0 }, { 1, 9 }, { 31, 9 }, { 33, 9 }, { 32, 0 }, { 32, 1 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t init[5 + 33] = { 30, 0, 0, 0, (uint8_t)rows[i].len, rows[i].first };
		struct pair p;
		struct buf b;
		struct ssh *s = server(&p, &b);

		raw_kexinit(&b, C25519, "ssh-ed25519", 0);
		raw_packet(&b, init, 5 + rows[i].len);
		raw_feed(&p, SSH_SERVER, &b);
		cr_assert_eq(ssh_error(s), SSH_E_BAD_VALUE, "row %zu: %s", i, err_name(ssh_error(s)));
		cr_assert_eq(p.signs, 0u);
		pair_free(&p);
	}
}

Test(kex, nothing_in_common_is_said_clearly)
{
	struct pair p;
	struct buf b;
	struct ssh *s = server(&p, &b);

	raw_kexinit(&b, "diffie-hellman-group1-sha1", "ssh-ed25519", 0);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(s), SSH_E_NO_ALG);
	cr_assert(pair_said(&p, SSH_SERVER, "no matching key exchange method found"));
	pair_free(&p);
}

Test(kex, server_without_keys)
{
	struct pair p;

	pair_init(&p);
	p.hostkey_count = 0;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_NO_ALG);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_E_NO_ALG);
	p.hostkey_count = 1;
	pair_free(&p);
}

Test(kex, host_keys_that_cannot_be_added)
{
	static const uint8_t strange[] = { 0, 0, 0, 7, 's', 's', 'h', '-', 'd', 's', 'a', 1, 2 };
	struct ssh_event e;
	struct pair p;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	cr_assert_eq(ssh_add_hostkey(p.side[SSH_SERVER], 5, view_of(strange, sizeof strange)), SSH_E_UNKNOWN_KEY);
	cr_assert_eq(ssh_add_hostkey(p.side[SSH_SERVER], 5, view_of(NULL, 0)), SSH_E_UNKNOWN_KEY);
	cr_assert_eq(ssh_add_hostkey(p.side[SSH_CLIENT], 5, privkey_blob(p.hostkeys[0])), SSH_E_NOT_NOW);
	for (int i = 1; i < (int)KEX_HOSTKEYS_MAX; i++)
		cr_assert_eq(ssh_add_hostkey(p.side[SSH_SERVER], 5, privkey_blob(p.hostkeys[0])), SSH_OK);
	cr_assert_eq(ssh_add_hostkey(p.side[SSH_SERVER], 5, privkey_blob(p.hostkeys[0])), SSH_E_FULL);
	ssh_next(p.side[SSH_SERVER], &e);
	cr_assert_eq(ssh_add_hostkey(p.side[SSH_SERVER], 5, privkey_blob(p.hostkeys[0])), SSH_E_NOT_NOW);
	pair_free(&p);
}

/* ---- answers: late, wrong, twice, never ---------------------------------------------------------------- */

static int hold_sign(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	(void)side;
	if (e->type != SSH_EV_NEED_SIGN)
		return 0;
	*(struct ssh_event *)p->user = *e;
	return 1;
}

Test(kex, late_and_repeated_signature)
{
	struct pair p;
	struct ssh_event need = { .type = SSH_EV_NONE }, again;

	pair_init(&p);
	p.hook = hold_sign;
	p.user = &need;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	cr_assert_eq(need.type, SSH_EV_NEED_SIGN);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ssh_repeat_need(p.side[SSH_SERVER], &again), 1);
		cr_assert_eq(again.type, SSH_EV_NEED_SIGN);
		cr_assert_eq(again.key, need.key);
		cr_assert(view_same(again.alg, need.alg) && view_same(again.data, need.data));
		cr_assert_not(ssh_next(p.side[SSH_SERVER], &again), "nothing while it waits");
	}
	cr_assert_eq(ssh_repeat_need(p.side[SSH_CLIENT], &again), 0);
	pair_answer(&p, SSH_SERVER, &need);
	cr_assert_eq(ssh_answer_sign(p.side[SSH_SERVER], 0, view_of("x", 1)), SSH_E_NOT_NOW, "answered already");
	cr_assert_eq(ssh_repeat_need(p.side[SSH_SERVER], &again), 0);
	p.hook = NULL;
	pair_run(&p);
	cr_assert(p.open[SSH_SERVER] && p.open[SSH_CLIENT]);
	cr_assert_eq(ssh_answer_hostkey(p.side[SSH_CLIENT], 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_answer_sign(p.side[SSH_CLIENT], 0, view_of("x", 1)), SSH_E_NOT_NOW);
	pair_free(&p);
}

Test(kex, input_rests_while_a_signature_is_awaited)
{
	static uint8_t much[100000];
	struct pair p;
	struct ssh_event need = { .type = SSH_EV_NONE };

	pair_init(&p);
	p.hook = hold_sign;
	p.user = &need;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	cr_assert(ssh_want_read(p.side[SSH_SERVER]), "to see a client that goes away");
	pair_feed(&p, SSH_SERVER, much, sizeof much);
	cr_assert_not(ssh_want_read(p.side[SSH_SERVER]), "enough is kept");
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_OK, "nobody looked at it yet");
	pair_free(&p);
}

Test(kex, signer_fails)
{
	static const int status[] = { SSH_E_GONE, 0 };		/* the second: an empty signature */

	for (int i = 0; i < 2; i++) {
		struct pair p;
		struct ssh_event need = { .type = SSH_EV_NONE };

		pair_init(&p);
		p.hook = hold_sign;
		p.user = &need;
		cr_assert_eq(pair_start(&p), SSH_OK);
		pair_run(&p);
		cr_assert_eq(ssh_answer_sign(p.side[SSH_SERVER], status[i], view_of(NULL, 0)), SSH_E_NO_SIGNER);
		cr_assert_eq(ssh_answer_sign(p.side[SSH_SERVER], 0, view_of("x", 1)), SSH_E_NO_SIGNER, "late");
		pair_run(&p);
		cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_E_CLOSED);
		pair_free(&p);
	}
}

static int sign_badly(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct buf b;
	struct wr w;

	if (e->type != SSH_EV_NEED_SIGN)
		return 0;
	buf_init(&b, SSH_SIG_MAX, NULL);
	w = wr_to(&b);
	cr_assert_eq(privkey_sign(p->hostkeys[0], sig_alg_find(e->alg), view_of(e->data.p, 31), &w), SSH_OK);
	ssh_answer_sign(p->side[side], 0, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
	return 1;
}

Test(kex, client_checks_the_signature)
{
	struct pair p;

	pair_init(&p);
	p.hook = sign_badly;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_E_BAD_SIG);
	cr_assert_eq(p.kex_done[SSH_CLIENT], 0u);
	cr_assert_eq(p.kex_done[SSH_SERVER], 0u);
	pair_free(&p);
}

static int refuse_hostkey(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	if (e->type != SSH_EV_NEED_HOSTKEY_OK)
		return 0;
	cr_assert(view_same(e->data, privkey_blob(p->hostkeys[0])));
	cr_assert(view_is(e->alg, "ssh-ed25519"));
	cr_assert_eq(e->data3.len, 32u);
	cr_assert_eq(ssh_answer_hostkey(p->side[side], 0), SSH_E_HOSTKEY);
	return 1;
}

Test(kex, client_refuses_the_key)
{
	struct pair p;
	struct view text;

	pair_init(&p);
	p.hook = refuse_hostkey;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_E_HOSTKEY);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_CLOSED);
	cr_assert_eq(ssh_disconnect_reason(p.side[SSH_SERVER], &text), 9u);
	cr_assert(view_is(text, err_text(SSH_E_HOSTKEY)));
	pair_free(&p);
}

/* ---- time ------------------------------------------------------------------------------------------------- */

Test(kex, takes_a_minute_at_most)
{
	struct pair p;
	struct ssh_event need = { .type = SSH_EV_NONE };

	pair_init(&p);
	p.hook = hold_sign;
	p.user = &need;
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_run(&p);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ssh_deadline(p.side[i]), p.now + SSH_KEX_DEADLINE_MS);
		cr_assert_eq(ssh_tick(p.side[i], p.now + SSH_KEX_DEADLINE_MS - 1), SSH_OK);
		cr_assert_eq(ssh_tick(p.side[i], p.now + SSH_KEX_DEADLINE_MS), SSH_E_KEX_TIME);
		cr_assert_eq(ssh_deadline(p.side[i]), UINT64_MAX);
		cr_assert(pair_said(&p, (enum ssh_role)i, err_text(SSH_E_KEX_TIME)));
	}
	pair_free(&p);
}

Test(kex, time_counts_from_the_first_time_known)
{
	struct ssh *s;
	struct ssh_event e;
	uint64_t rng = 1;
	struct ssh_env env = { .random = pair_random, .ctx = &rng };
	struct ssh_policy policy;

	pair_crypto();
	ssh_policy_defaults(&policy);
	cr_assert_eq(ssh_new(&s, SSH_CLIENT, &env, &policy), SSH_OK);
	ssh_next(s, &e);
	cr_assert_eq(ssh_deadline(s), UINT64_MAX);
	cr_assert_eq(ssh_tick(s, 5000000), SSH_OK);
	cr_assert_eq(ssh_deadline(s), 5000000u + SSH_KEX_DEADLINE_MS);
	ssh_free(s);
}

/* ---- EXT_INFO ---------------------------------------------------------------------------------------------------- */

Test(kex, server_tells_its_signatures)
{
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].sig_algs = "ssh-ed25519,rsa-sha2-512";
	pair_login(&p);
	cr_assert(view_is(session_peer_sig_algs(p.side[SSH_CLIENT]), "ssh-ed25519,rsa-sha2-512"));
	cr_assert_eq(session_peer_sig_algs(p.side[SSH_SERVER]).len, 0u);
	pair_free(&p);
}
