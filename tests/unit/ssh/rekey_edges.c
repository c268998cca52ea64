#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "tests/unit/ssh/pair.h"

/* rekey_edges - guesses, deadlines and the numbers at which keys must change. */

#define C25519 "curve25519-sha256"

/* ---- guesses in a rekey (RFC 4253 7) ------------------------------------------------------------ */

static void inject_kexinit(struct pair *p, const char *kex, int follows)
{
	const uint8_t *packet;
	struct buf b;

	buf_init(&b, 1 << 20, NULL);
	raw_kexinit(&b, kex, "ssh-ed25519", follows);
	packet = buf_head(&b);
	pair_inject(p, SSH_CLIENT, packet + PACKET_HEAD, get_u32(packet) - 1 - packet[4]);
	buf_drop(&b);
}

static void logged_in(struct pair *p)
{
	pair_init(p);
	p->policy[SSH_SERVER].kex = p->policy[SSH_CLIENT].kex = C25519;
	pair_login(p);
	pair_channel(p);
	cr_assert_eq(p->signs, 1u);
}

/* The server hears what was said; the client does not listen any more. */
static void hear(struct pair *p)
{
	while (pair_move(p, SSH_CLIENT))
		pair_drain(p, SSH_SERVER);
}

static const uint8_t kex_init[1 + 4 + 32] = { 30, 0, 0, 0, 32, 9 };

Test(rekey_edges, right_and_wrong_guesses)
{
	static const uint8_t gex[] = { 34, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 32, 0 }, ignore[] = { 2, 0, 0, 0, 1, 'x' };

	for (int crossing = 0; crossing < 2; crossing++) {
		struct pair p;

		logged_in(&p);		/* right: the exchange goes on with it */
		if (crossing)
			cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_OK);
		inject_kexinit(&p, C25519, 1);
		pair_inject(&p, SSH_CLIENT, kex_init, sizeof kex_init);
		hear(&p);
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_OK);
		cr_assert_eq(p.signs, 2u);
		cr_assert_eq(p.side[SSH_SERVER]->kex->state, KEX_WAIT_NEWKEYS);
		pair_free(&p);

		logged_in(&p);		/* wrong: just that packet is dropped, whatever comes between */
		if (crossing)
			cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_OK);
		inject_kexinit(&p, "diffie-hellman-group-exchange-sha256," C25519, 1);
		pair_inject(&p, SSH_CLIENT, ignore, sizeof ignore);
		pair_inject(&p, SSH_CLIENT, gex, sizeof gex);
		hear(&p);
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_OK);
		cr_assert_eq(p.signs, 1u);
		pair_inject(&p, SSH_CLIENT, kex_init, sizeof kex_init);
		hear(&p);
		cr_assert_eq(p.signs, 2u);
		pair_inject(&p, SSH_CLIENT, kex_init, sizeof kex_init);
		hear(&p);
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_PROTOCOL, "one more is one too many");
		pair_free(&p);

		logged_in(&p);		/* data is no guess */
		inject_kexinit(&p, "diffie-hellman-group-exchange-sha256," C25519, 1);
		pair_inject(&p, SSH_CLIENT, (const uint8_t[]){ 94, 0, 0, 0, 0, 0, 0, 0, 0 }, 9);
		hear(&p);
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_PROTOCOL);
		pair_free(&p);
	}
}

Test(rekey_edges, a_second_kexinit_ends_it)
{
	struct pair p;

	logged_in(&p);
	inject_kexinit(&p, C25519, 0);
	inject_kexinit(&p, C25519, 0);
	hear(&p);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_PROTOCOL);
	pair_free(&p);
}

/* RFC 8308 2.4: not after a rekey, even if the peer's later KEXINIT asks for it. */
Test(rekey_edges, no_second_ext_info)
{
	struct pair p;
	uint64_t packets;

	logged_in(&p);
	packets = p.side[SSH_SERVER]->tx->total;
	inject_kexinit(&p, C25519 ",ext-info-c", 0);
	pair_inject(&p, SSH_CLIENT, kex_init, sizeof kex_init);
	hear(&p);
	cr_assert_eq(p.side[SSH_SERVER]->kex->state, KEX_WAIT_NEWKEYS);
	cr_assert_eq(p.side[SSH_SERVER]->tx->total, packets + 3, "KEXINIT, reply, NEWKEYS");
	pair_free(&p);
}

/* ---- time ------------------------------------------------------------------------------------------ */

static void silent(struct pair *p)
{
	logged_in(p);
	p->now = 100000;
	cr_assert_eq(ssh_tick(p->side[SSH_SERVER], p->now), SSH_OK);
	cr_assert_eq(ssh_rekey(p->side[SSH_SERVER]), SSH_OK);
}

Test(rekey_edges, a_minute_in_which_nothing_moves)
{
	struct pair p;
	struct ssh *s;
	struct view text;

	silent(&p);
	s = p.side[SSH_SERVER];
	cr_assert_eq(ssh_deadline(s), p.now + SSH_KEX_DEADLINE_MS);
	cr_assert_eq(ssh_tick(s, p.now + SSH_KEX_DEADLINE_MS - 1), SSH_OK);
	cr_assert_eq(ssh_tick(s, p.now + SSH_KEX_DEADLINE_MS), SSH_E_KEX_TIME);
	while (pair_move(&p, SSH_SERVER))
		pair_drain(&p, SSH_CLIENT);
	cr_assert_eq(ssh_disconnect_reason(p.side[SSH_CLIENT], &text), 3u, "KEY_EXCHANGE_FAILED");
	cr_assert(view_is(text, err_text(SSH_E_KEX_TIME)));
	pair_free(&p);
}

/* A slow line: what was said before takes its time, and the data on its way is still legal. Not for ever. */
Test(rekey_edges, more_while_something_moves)
{
	for (int out = 0; out < 2; out++) {
		uint64_t began, at;
		struct pair p;
		struct ssh *s;
		unsigned n;

		silent(&p);
		s = p.side[SSH_SERVER];
		began = at = p.now;
		for (n = 0; ssh_error(s) == SSH_OK && n < 100; n++) {
			if (out) {
				ssh_sent(s, 1);
			} else {
				cr_assert_eq(ssh_chan_write(p.side[SSH_CLIENT], p.chan[SSH_CLIENT], 0, (const uint8_t *)"x", 1), 1);
				hear(&p);
				cr_assert_eq(s->phase, P_OPEN, "we have not heard its KEXINIT");
			}
			at = ssh_deadline(s);
			p.now = at;
			ssh_tick(s, at);
		}
		cr_assert_eq(ssh_error(s), SSH_E_KEX_TIME);
		cr_assert_gt(n, 5u);
		cr_assert_eq(at, began + SSH_KEX_LONGEST_MS);
		pair_free(&p);
	}
}

Test(rekey_edges, afterwards_time_counts_anew)
{
	struct pair p;

	silent(&p);
	p.now += SSH_KEX_DEADLINE_MS - 1;
	pair_run(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 2u);
	p.now += 10 * SSH_KEX_LONGEST_MS;
	cr_assert_eq(ssh_tick(p.side[SSH_SERVER], p.now), SSH_OK);
	cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_OK);
	cr_assert_eq(ssh_deadline(p.side[SSH_SERVER]), p.now + SSH_KEX_DEADLINE_MS);
	pair_run(&p);
	cr_assert_eq(p.kex_done[SSH_SERVER], 3u);
	pair_free(&p);
}

/* ---- numbers (RFC 4344 3) --------------------------------------------------------------------------- */

/* Packets say when, in either direction; no byte limit is near. */
Test(rekey_edges, before_packet_2_31)
{
	for (int side = 0; side < 2; side++)
		for (int incoming = 0; incoming < 2; incoming++) {
			struct pair p;
			struct packet_dir *d;

			logged_in(&p);
			d = incoming ? p.side[side]->rx : p.side[side]->tx;
			d->packets = SSH_REKEY_PACKETS - 2;
			pair_send(&p, (enum ssh_role)(incoming ? !side : side), (const uint8_t *)"1", 1);
			cr_assert_eq(p.kex_done[side], 1u);
			pair_send(&p, (enum ssh_role)(incoming ? !side : side), (const uint8_t *)"2", 1);
			cr_assert_eq(p.kex_done[side], 2u, "side %d incoming %d", side, incoming);
			cr_assert_lt(d->packets, 10u);
			pair_free(&p);
		}
}

/* Who does not come that far: not one packet under a number that was used. */
Test(rekey_edges, never_beyond_packet_2_32)
{
	struct pair p;
	struct ssh *s;

	logged_in(&p);
	s = p.side[SSH_SERVER];
	s->tx->packets = SSH_KEY_PACKETS_MAX - 1;
	cr_assert_eq(ssh_chan_write(s, p.chan[SSH_SERVER], 0, (const uint8_t *)"1", 1), 1);
	cr_assert_eq(s->tx->packets, SSH_KEY_PACKETS_MAX);
	cr_assert_lt(ssh_chan_write(s, p.chan[SSH_SERVER], 0, (const uint8_t *)"2", 1), 0);
	cr_assert_eq(ssh_error(s), SSH_E_LIMIT);
	cr_assert_eq(s->tx->packets, SSH_KEY_PACKETS_MAX, "no farewell either");
	pair_free(&p);

	logged_in(&p);
	s = p.side[SSH_SERVER];
	s->rx->packets = SSH_KEY_PACKETS_MAX - 1;
	cr_assert_eq(ssh_rekey(s), SSH_OK);
	cr_assert_eq(ssh_chan_write(p.side[SSH_CLIENT], p.chan[SSH_CLIENT], 0, (const uint8_t *)"1", 1), 1);
	hear(&p);
	cr_assert_eq(ssh_error(s), SSH_OK);
	cr_assert_eq(ssh_chan_write(p.side[SSH_CLIENT], p.chan[SSH_CLIENT], 0, (const uint8_t *)"2", 1), 1);
	hear(&p);
	cr_assert_eq(ssh_error(s), SSH_E_LIMIT);
	pair_free(&p);
}

/* RekeyLimit is a limit: not a megabyte more because there was room for it. */
Test(rekey_edges, bytes_are_kept_to)
{
	static uint8_t data[200000];
	struct iovec iov[CHAN_FILL_MAX];
	struct pair p;
	struct ssh *s;
	size_t n = 0;
	int count;

	logged_in(&p);
	s = p.side[SSH_SERVER];
	ssh_set_rekey(s, 100000, 0);
	cr_assert_eq(s->tx->bytes_max, 100000u);
	cr_assert_eq(s->rx->bytes_max, 100000u);
	count = ssh_chan_fill(s, p.chan[SSH_SERVER], 0, iov, CHAN_FILL_MAX);
	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	cr_assert_leq(n, 100000u);
	cr_assert_eq(ssh_chan_fill_done(s, 0), SSH_OK);
	pair_send(&p, SSH_SERVER, data, sizeof data);
	cr_assert_geq(p.kex_done[SSH_SERVER], 2u);
	ssh_set_rekey(s, 0, 5000);
	cr_assert_eq(s->tx->bytes_max, packet_bytes_max(s->kex->now.cipher[1], 0));
	cr_assert_eq(kex_deadline(s), s->kex->done_at + 5000);
	pair_free(&p);
}

/* The smallest that may be configured still lets one packet pass each time. */
Test(rekey_edges, sixteen_bytes)
{
	static uint8_t data[20000];
	struct pair p;

	pair_init(&p);
	p.quiet = 1;
	for (int i = 0; i < 2; i++) {
		p.policy[i].kex = C25519;
		p.policy[i].rekey_bytes = 16;
	}
	pair_login(&p);
	pair_channel(&p);
	pair_random(&(uint64_t){ 4 }, data, sizeof data);
	for (size_t at = 0; at < sizeof data; at += 1000)
		pair_send(&p, (enum ssh_role)(at / 1000 % 2), data + at, 1000);
	cr_assert_geq(p.kex_done[SSH_SERVER], 20u);
	pair_free(&p);
}
