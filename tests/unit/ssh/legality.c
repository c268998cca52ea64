#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/packet.h"
#include "tests/unit/ssh/pair.h"

/* legality - every role, phase and message number against messages.def, before any parser has a say. */

static const struct { int known; unsigned legal[2]; } table[256] = {
#define SSH(number, name, server, client, handler, rfc) [number] = { 1, { (server), (client) } },
#include "ssh/messages.def"
#undef SSH
};

#define C25519 "curve25519-sha256"

/* ---- how to get one side into a phase, with the other able to speak under its keys ---------------- */

static int stop_before_service(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	(void)p;
	(void)side;
	return e->type == SSH_EV_AUTH_READY;
}

/* Hands over what has been said so far; the client stops where it has said NEWKEYS and not yet heard the server's. */
static void to_service(struct pair *p, enum ssh_role under_test)
{
	struct ssh_event e = { .type = SSH_EV_NONE };

	while (e.type != SSH_EV_NEED_HOSTKEY_OK) {
		pair_drain(p, SSH_SERVER);
		pair_move(p, SSH_SERVER);
		while (e.type != SSH_EV_NEED_HOSTKEY_OK && ssh_next(p->side[SSH_CLIENT], &e))
			pair_answer(p, SSH_CLIENT, &e);
		pair_move(p, SSH_CLIENT);
	}
	pair_drain(p, under_test);
}

static void raw_side(struct pair *p, enum ssh_role under_test, int strict)
{
	struct buf b;

	pair_feed(p, under_test, "SSH-2.0-x\r\n", 11);
	buf_init(&b, 1 << 20, NULL);
	raw_kexinit(&b, !strict ? C25519 : under_test == SSH_SERVER ? C25519 "," STRICT_C : C25519 "," STRICT_S,
	    "ssh-ed25519", 0);
	raw_feed(p, under_test, &b);
}

static void enter(struct pair *p, enum ssh_role side, enum ssh_phase phase)
{
	pair_init(p);
	if (phase == P_AUTH)
		p->hook = stop_before_service;
	cr_assert_eq(pair_start(p), SSH_OK);
	if (phase == P_KEX0 || phase == P_KEX0S)
		raw_side(p, side, phase == P_KEX0S);
	else if (phase == P_SERVICE)
		to_service(p, side);
	else
		pair_run(p);
	if (phase == P_REKEY) {
		cr_assert_eq(ssh_rekey(p->side[!side]), SSH_OK);
		pair_move(p, (enum ssh_role)!side);
		pair_drain(p, side);
	}
	cr_assert_eq(p->side[side]->phase, phase);
	cr_assert_eq(ssh_error(p->side[side]), SSH_OK);
}

static void deliver(struct pair *p, enum ssh_role side, enum ssh_phase phase, const uint8_t *msg, size_t n)
{
	struct buf b;
	const uint8_t *out;
	size_t len;

	if (phase == P_KEX0 || phase == P_KEX0S) {
		buf_init(&b, 1 << 20, NULL);
		raw_packet(&b, msg, n);
		raw_feed(p, side, &b);
		return;
	}
	pair_inject(p, (enum ssh_role)!side, msg, n);
	out = ssh_output(p->side[!side], &len);
	pair_feed(p, side, out, len);
	ssh_sent(p->side[!side], len);
}

static void one(enum ssh_role side, enum ssh_phase phase, int number, const uint8_t *body, size_t n)
{
	struct pair p;
	uint8_t msg[64];
	size_t events, out;
	int error, legal = (table[number].legal[side] & (unsigned)phase) != 0;

	enter(&p, side, phase);
	events = buf_len(&p.events[side]);
	out = ssh_output_len(p.side[side]);
	msg[0] = (uint8_t)number;
	memcpy(msg + 1, body, n);
	deliver(&p, side, phase, msg, n + 1);
	error = ssh_error(p.side[side]);
	if (!legal) {
		cr_assert_eq(buf_len(&p.events[side]), events, "role %d phase %d number %d: an event", side, phase, number);
		if (table[number].known || (phase & P_ANYKEX) || (number >= 80 && phase != P_OPEN))
			cr_assert_eq(error, SSH_E_PROTOCOL, "role %d phase %d number %d: %s", side, phase, number, err_name(error));
		else
			cr_assert_eq(error, SSH_OK, "role %d phase %d number %d: %s", side, phase, number, err_name(error));
		cr_assert_gt(ssh_output_len(p.side[side]), out, "DISCONNECT or UNIMPLEMENTED");
	}
	pair_free(&p);
}

static void all_numbers(enum ssh_phase phase)
{
	uint8_t junk[40];

	pair_random(&(uint64_t){ 5 }, junk, sizeof junk);
	for (int role = 0; role < 2; role++)
		for (int number = 0; number < 256; number++) {
			one((enum ssh_role)role, phase, number, junk, 0);
			one((enum ssh_role)role, phase, number, junk, sizeof junk);
		}
}

Test(legality, first_exchange) { all_numbers(P_KEX0); }
Test(legality, strict_exchange) { all_numbers(P_KEX0S); }
Test(legality, rekey) { all_numbers(P_REKEY); }
Test(legality, service) { all_numbers(P_SERVICE); }
Test(legality, auth) { all_numbers(P_AUTH); }
Test(legality, open) { all_numbers(P_OPEN); }

Test(legality, unimplemented_names_the_packet)
{
	static const uint8_t unknown[] = { 199 };
	struct pair p;
	uint32_t seq;

	pair_init(&p);
	pair_login(&p);
	seq = p.side[SSH_CLIENT]->tx->seq;
	pair_inject(&p, SSH_CLIENT, unknown, 1);
	pair_drain(&p, SSH_CLIENT);
	pair_move(&p, SSH_CLIENT);
	pair_drain(&p, SSH_SERVER);
	cr_assert_eq(p.side[SSH_SERVER]->rx->seq - 1, seq);
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_OK);
	pair_channel(&p);
	pair_free(&p);
}
