#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "tests/unit/ssh/pair.h"

/* rekey - key exchanges after the first: when they begin, and what goes on meanwhile. */

static int hold_sign(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	(void)side;
	if (e->type != SSH_EV_NEED_SIGN)
		return 0;
	*(struct ssh_event *)p->user = *e;
	return 1;
}

Test(rekey, by_time)
{
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].rekey_ms = 3600000;
	pair_login(&p);
	pair_channel(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 1u);
	p.now += 3599999;
	cr_assert_eq(ssh_tick(p.side[SSH_SERVER], p.now), SSH_OK);
	pair_run(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 1u);
	p.now += 1;
	cr_assert_leq(ssh_deadline(p.side[SSH_SERVER]), p.now);
	cr_assert_eq(ssh_tick(p.side[SSH_SERVER], p.now), SSH_OK);
	pair_run(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 2u);
	cr_assert_eq(p.kex_done[SSH_CLIENT], 2u);
	pair_send(&p, SSH_SERVER, (const uint8_t *)"still here", 10);
	pair_free(&p);
}

Test(rekey, no_rekey_before_login)
{
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].rekey_bytes = p.policy[SSH_CLIENT].rekey_bytes = 1;
	p.hook = hold_sign;
	p.user = &(struct ssh_event){ .type = SSH_EV_NONE };
	cr_assert_eq(pair_start(&p), SSH_OK);
	cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_E_NOT_NOW);
	pair_run(&p);
	cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_E_NOT_NOW, "one is open");
	pair_answer(&p, SSH_SERVER, p.user);
	while (!p.open[SSH_SERVER]) {
		pair_drain(&p, SSH_SERVER);
		cr_assert_leq(p.kex_done[SSH_SERVER], 1u);
		pair_move(&p, SSH_SERVER);
		pair_drain(&p, SSH_CLIENT);
		pair_move(&p, SSH_CLIENT);
	}
	pair_free(&p);
}

static int no_login(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	(void)p, (void)side;
	return e->type == SSH_EV_AUTH_READY;
}

Test(rekey, kexinit_before_login_ends_it)
{
	for (int from = 0; from < 2; from++) {
		struct pair p;
		struct buf b;
		struct wr w;

		pair_init(&p);
		p.hook = no_login;
		cr_assert_eq(pair_start(&p), SSH_OK);
		pair_run(&p);
		cr_assert_eq(p.side[!from]->phase, P_AUTH);
		buf_init(&b, 1 << 20, NULL);
		w = wr_to(&b);
		cr_assert_eq(kexinit_write(p.side[from], &w, 0), SSH_OK);
		pair_inject(&p, (enum ssh_role)from, buf_head(&b), buf_len(&b));
		buf_drop(&b);
		pair_run(&p);
		cr_assert_eq(ssh_error(p.side[!from]), SSH_E_PROTOCOL);
		pair_free(&p);
	}
}

/* Fills both channels as far as they go, then runs, until all is there. */
static void both_ways(struct pair *p, const uint8_t *data, size_t n)
{
	size_t sent[2] = { 0, 0 };

	for (int round = 0; round < 10000 && (sent[0] < n || sent[1] < n); round++) {
		for (int i = 0; i < 2; i++) {
			size_t some = n - sent[i] < 5000 ? n - sent[i] : 5000;
			int k = ssh_chan_write(p->side[i], p->chan[i], 0, data + sent[i], some);

			cr_assert_geq(k, 0, "%s", err_name(k));
			sent[i] += (size_t)k;
			pair_drain(p, (enum ssh_role)i);
			pair_move(p, (enum ssh_role)i);
		}
	}
	pair_run(p);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ssh_error(p->side[i]), SSH_OK, "side %d: %s", i, err_name(ssh_error(p->side[i])));
		cr_assert_eq(sent[i], n);
		cr_assert_eq(buf_len(&p->got[!i]), n);
		cr_assert_arr_eq(buf_head(&p->got[!i]), data, n);
	}
}

static void rekey_under_data(uint64_t server_bytes, uint64_t client_bytes, const char *cipher)
{
	static uint8_t data[400000];
	struct pair p;

	pair_init(&p);
	pair_random(&(uint64_t){ 3 }, data, sizeof data);
	p.quiet = 1;
	p.policy[SSH_SERVER].rekey_bytes = server_bytes;
	p.policy[SSH_CLIENT].rekey_bytes = client_bytes;
	for (int side = 0; side < 2; side++)
		for (int d = 0; d < 2; d++)
			p.policy[side].ciphers[d] = cipher;
	pair_login(&p);
	pair_channel(&p);
	both_ways(&p, data, sizeof data);
	cr_assert_geq(p.kex_done[SSH_SERVER], 10u);
	cr_assert_eq(p.kex_done[SSH_SERVER], p.kex_done[SSH_CLIENT]);
	pair_free(&p);
}

Test(rekey, under_data_by_either_and_both)
{
	const char *cipher;
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++) {
		rekey_under_data(20000, 0, cipher);
		rekey_under_data(0, 20000, cipher);
		rekey_under_data(20000, 20000, cipher);
		rekey_under_data(1000, 1500, cipher);
	}
}

Test(rekey, both_start_at_once)
{
	struct pair p;
	struct ssh_info i;

	pair_init(&p);
	pair_login(&p);
	pair_channel(&p);
	for (int k = 0; k < 5; k++) {
		cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
		cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_OK);
		cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_E_NOT_NOW);
		pair_run(&p);
	}
	ssh_get_info(p.side[SSH_SERVER], &i);
	cr_assert_eq(i.rekeys, 5u);
	pair_send(&p, SSH_CLIENT, (const uint8_t *)"x", 1);
	pair_free(&p);
}

Test(rekey, session_id_is_the_first_hash)
{
	struct pair p;
	uint8_t id[32];

	pair_init(&p);
	pair_login(&p);
	memcpy(id, ssh_session_id(p.side[0]).p, 32);
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	pair_run(&p);
	cr_assert_arr_eq(ssh_session_id(p.side[0]).p, id, 32);
	cr_assert_arr_eq(ssh_session_id(p.side[1]).p, id, 32);
	pair_free(&p);
}

/* What the application says during a rekey arrives after it, in order; what the peer says before its KEXINIT is taken. */
Test(rekey, messages_wait_for_the_end)
{
	struct pair p;
	struct ssh *c;
	size_t before;

	pair_init(&p);
	pair_login(&p);
	pair_channel(&p);
	c = p.side[SSH_CLIENT];
	cr_assert_eq(ssh_rekey(c), SSH_OK);
	cr_assert(msg_held(c));
	cr_assert_eq(ssh_chan_room(c, p.chan[SSH_CLIENT]), 0u);
	before = ssh_output_len(c);
	cr_assert_eq(ssh_global_request(c, "one@test", 1, view_of(NULL, 0)), SSH_OK);
	cr_assert_eq(ssh_chan_request(c, p.chan[SSH_CLIENT], "two@test", 1, view_of(NULL, 0)), SSH_OK);
	cr_assert_eq(ssh_output_len(c), before, "held");
	cr_assert_gt(buf_len(&c->held), 0u);
	cr_assert_eq(ssh_chan_write(p.side[SSH_SERVER], p.chan[SSH_SERVER], 0, (const uint8_t *)"early", 5), 5);
	p.events[SSH_CLIENT].head = p.events[SSH_CLIENT].tail;
	pair_run(&p);
	cr_assert_eq(buf_len(&p.got[SSH_CLIENT]), 5u);
	cr_assert_eq(buf_len(&c->held), 0u);
	cr_assert_eq(ssh_error(c), SSH_OK);
	pair_free(&p);
}

Test(rekey, held_messages_are_bounded)
{
	struct pair p;
	struct ssh *c;
	uint8_t rest[1000] = { 0 };
	int r = SSH_OK;

	pair_init(&p);
	pair_login(&p);
	c = p.side[SSH_CLIENT];
	cr_assert_eq(ssh_rekey(c), SSH_OK);
	for (int i = 0; i < 2000 && r == SSH_OK; i++)
		r = ssh_global_request(c, "x", 0, view_of(rest, sizeof rest));
	cr_assert_eq(r, SSH_E_FULL);
	cr_assert_eq(ssh_error(c), SSH_E_FULL);
	cr_assert_leq(buf_len(&c->held), SSH_OUTPUT_HIGH);
	pair_free(&p);
}

Test(rekey, only_kex_messages_after_the_peers_kexinit)
{
	static const struct { uint8_t msg[16]; size_t n; int error; } rows[] = {
		{ { 80, 0, 0, 0, 1, 'x', 0 }, 7, SSH_E_PROTOCOL },
		{ { 94, 0, 0, 0, 0, 0, 0, 0, 0 }, 9, SSH_E_PROTOCOL },
		{ { 93, 0, 0, 0, 0, 0, 0, 0, 0 }, 9, SSH_E_PROTOCOL },
		{ { 50 }, 1, SSH_E_PROTOCOL }, { { 5 }, 1, SSH_E_PROTOCOL }, { { 7, 0, 0, 0, 0 }, 5, SSH_E_PROTOCOL },
		{ { 21 }, 1, SSH_E_PROTOCOL }, { { 192, 0 }, 2, SSH_E_PROTOCOL }, { { 34, 0 }, 2, SSH_E_PROTOCOL },
		{ { 2, 0, 0, 0, 0 }, 5, SSH_OK }, { { 3, 0, 0, 0, 0 }, 5, SSH_OK },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int from = 0; from < 2; from++) {
			struct pair p;

			pair_init(&p);
			pair_login(&p);
			cr_assert_eq(ssh_rekey(p.side[from]), SSH_OK);
			pair_inject(&p, (enum ssh_role)from, rows[i].msg, rows[i].n);
			pair_run(&p);
			cr_assert_eq(ssh_error(p.side[!from]), rows[i].error, "row %zu", i);
			pair_free(&p);
		}
}

/* asyncssh as Debian 12 has it: its channel messages do not stop at its KEXINIT. Those of others end the connection (above). */
Test(rekey, a_client_known_not_to_stop)
{
	struct pair p;
	struct ssh *s, *c;
	uint8_t data[] = { 94, 0, 0, 0, 0, 0, 0, 0, 4, 'l', 'a', 't', 'e' };
	static const uint8_t auth[] = { 50 };

	pair_init(&p);
	p.policy[SSH_CLIENT].version = "SSH-2.0-AsyncSSH_2.10.1";
	pair_login(&p);
	pair_channel(&p);
	s = p.side[SSH_SERVER];
	c = p.side[SSH_CLIENT];
	data[4] = (uint8_t)p.chan[SSH_SERVER];
	cr_assert_eq(ssh_rekey(c), SSH_OK);
	pair_inject(&p, SSH_CLIENT, data, sizeof data);
	pair_move(&p, SSH_CLIENT);
	pair_drain(&p, SSH_SERVER);
	cr_assert_eq(s->phase, P_REKEY);
	cr_assert_eq(buf_len(&p.got[SSH_SERVER]), 4u);
	pair_run(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 2u);
	cr_assert_eq(ssh_error(s), SSH_OK, "%s", err_name(ssh_error(s)));
	cr_assert_eq(ssh_error(c), SSH_OK, "%s", err_name(ssh_error(c)));
	pair_send(&p, SSH_CLIENT, (const uint8_t *)"on", 2);
	cr_assert_eq(ssh_rekey(c), SSH_OK);		/* nothing below 80 that is no part of the exchange */
	pair_inject(&p, SSH_CLIENT, auth, sizeof auth);
	pair_run(&p);
	cr_assert_eq(ssh_error(s), SSH_E_PROTOCOL);
	pair_free(&p);
}

/* It may not fill our memory while it does not go on with the exchange. */
Test(rekey, who_does_not_stop_is_bounded)
{
	static const uint8_t request[] = { 80, 0, 0, 0, 1, 'x', 1 };
	struct pair p;
	struct ssh *s;

	pair_init(&p);
	p.quiet = 1;
	p.policy[SSH_CLIENT].version = "SSH-2.0-AsyncSSH_2.14.2";
	pair_login(&p);
	s = p.side[SSH_SERVER];
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	for (int i = 0; i < 200000 && ssh_error(s) == SSH_OK; i++) {
		pair_inject(&p, SSH_CLIENT, request, sizeof request);
		pair_move(&p, SSH_CLIENT);
		while (ssh_next(s, &(struct ssh_event){ 0 }))
			;
		cr_assert_leq(buf_len(&s->held), SSH_OUTPUT_HIGH);
	}
	cr_assert_neq(ssh_error(s), SSH_OK, "it went on for ever");
	pair_free(&p);
}
