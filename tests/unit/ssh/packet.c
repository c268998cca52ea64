#include "ssh/packet.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/ssh/pair.h"

/* ---- before keys ------------------------------------------------------------------------- */

static void feed_clear(const uint8_t *bytes, size_t n, int error)
{
	for (int side = 0; side < 2; side++) {
		struct pair p;

		pair_init(&p);
		cr_assert_eq(pair_start(&p), SSH_OK);
		pair_feed(&p, (enum ssh_role)side, "SSH-2.0-x\r\n", 11);
		pair_feed(&p, (enum ssh_role)side, bytes, n);
		cr_assert_eq(ssh_error(p.side[side]), error, "%s", err_name(ssh_error(p.side[side])));
		if (error)
			cr_assert(pair_said(&p, (enum ssh_role)side, err_text(error)), "no DISCONNECT");
		pair_free(&p);
	}
}

Test(packet, bad_lengths)
{
	static const struct { uint32_t length; uint8_t pad; int error; } rows[] = {
		{ 0, 0, SSH_E_FORMAT }, { 1, 0, SSH_E_FORMAT }, { 4, 4, SSH_E_FORMAT }, { 5, 4, SSH_E_FORMAT },
		{ 13, 4, SSH_E_FORMAT },			/* not a multiple of the block */
		{ 0x80000000u, 4, SSH_E_TOO_BIG }, { 0xffffffffu, 4, SSH_E_TOO_BIG }, { 0xfffffffcu, 4, SSH_E_TOO_BIG },
		{ SSH_PREAUTH_PACKET_MAX + 1, 4, SSH_E_TOO_BIG },
		{ 12, 3, SSH_E_FORMAT }, { 12, 0, SSH_E_FORMAT },	/* too little padding */
		{ 12, 11, SSH_E_FORMAT },			/* no payload */
		{ 12, 12, SSH_E_FORMAT }, { 12, 13, SSH_E_FORMAT }, { 12, 255, SSH_E_FORMAT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t packet[64] = { 0 };

		put_u32(packet, rows[i].length);
		packet[4] = rows[i].pad;
		packet[5] = SSH_MSG_IGNORE;
		feed_clear(packet, sizeof packet, rows[i].error);
	}
}

Test(packet, smallest_and_largest)
{
	static uint8_t packet[4 + SSH_PREAUTH_PACKET_MAX];
	uint32_t n = SSH_PREAUTH_PACKET_MAX - (SSH_PREAUTH_PACKET_MAX + 4) % 8;

	put_u32(packet, 12);
	packet[4] = 4;
	packet[5] = SSH_MSG_IGNORE;		/* and a string of two bytes */
	packet[9] = 2;
	feed_clear(packet, 16, SSH_OK);
	put_u32(packet, n);
	packet[4] = 4;
	put_u32(packet + 6, n - 1 - 4 - 1 - 4);
	feed_clear(packet, 4 + n, SSH_OK);
}

Test(packet, bytes_before_login_are_counted)
{
	static uint8_t ignore[30000] = { SSH_MSG_IGNORE };
	struct pair p;
	struct buf b;
	size_t fed = 0;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_feed(&p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
	put_u32(ignore + 1, sizeof ignore - 5);
	while (ssh_error(p.side[SSH_SERVER]) == SSH_OK && fed < 2 * SSH_PREAUTH_BYTES) {
		buf_init(&b, 1 << 20, NULL);
		raw_packet(&b, ignore, sizeof ignore);
		fed += buf_len(&b);
		raw_feed(&p, SSH_SERVER, &b);
	}
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_LIMIT);
	cr_assert_leq(fed, SSH_PREAUTH_BYTES + 2 * sizeof ignore);
	pair_free(&p);
}

/* ---- with keys ----------------------------------------------------------------------------- */

struct suite { const char *cipher, *mac; };

#define SUITES_MAX 128

static unsigned suites(struct suite to[SUITES_MAX])
{
	const char *cipher, *mac;
	unsigned n = 0;
	int on;

	for (size_t c = 0; (cipher = alg_name(ALG_CIPHER, c, &on)) != NULL; c++)
		for (size_t d = 0; (mac = alg_name(ALG_MAC, d, &on)) != NULL; d++)
			if (d == 0 || (cipher_alg_find(view_str(cipher))->tag_len == 0 && mac_alg_find(view_str(mac))->hash != HASH_NONE))
				to[n++] = (struct suite){ cipher, mac };
	return n;
}

static void login_with(struct pair *p, const struct suite *u)
{
	pair_init(p);
	for (int side = 0; side < 2; side++)
		for (int d = 0; d < 2; d++) {
			p->policy[side].ciphers[d] = u->cipher;
			p->policy[side].macs[d] = u->mac;
		}
	pair_login(p);
}

/* Whatever byte of a packet is changed, length field included, the answer is the same error and no event. */
static void flip(const struct suite *u, size_t at, size_t *len)
{
	static const uint8_t more[SSH_PACKET_MAX + 4096];	/* a length that grew, and what is read on after a failure */
	static const uint8_t debug[] = { SSH_MSG_DEBUG, 1, 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0 };
	struct pair p;
	size_t events;
	uint8_t *out;

	login_with(&p, u);
	events = buf_len(&p.events[SSH_SERVER]);
	pair_inject(&p, SSH_CLIENT, debug, sizeof debug);
	out = (uint8_t *)(uintptr_t)ssh_output(p.side[SSH_CLIENT], len);
	out[at] ^= 0x40;
	pair_feed(&p, SSH_SERVER, out, *len);
	pair_feed(&p, SSH_SERVER, more, sizeof more);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_MAC, "%s %s byte %zu: %s", u->cipher, u->mac, at,
	    err_name(ssh_error(p.side[SSH_SERVER])));
	cr_assert_eq(buf_len(&p.events[SSH_SERVER]), events, "an event from a forged packet");
	pair_free(&p);
}

Test(packet, every_changed_byte_is_a_mac_error)
{
	struct suite all[SUITES_MAX];
	unsigned n = suites(all);

	cr_assert_geq(n, 15u);
	for (unsigned i = 0; i < n; i++) {
		size_t len = 1;

		for (size_t at = 0; at < len; at += at < 5 ? 1 : 7)
			flip(&all[i], at, &len);
	}
}

Test(packet, overhead_is_what_a_payload_costs)
{
	static uint8_t payload[300] = { SSH_MSG_IGNORE };
	struct suite all[SUITES_MAX];
	unsigned n = suites(all);

	for (unsigned i = 0; i < n; i++) {
		struct pair p;

		login_with(&p, &all[i]);
		for (size_t len = 1; len <= sizeof payload; len++) {
			size_t before = ssh_output_len(p.side[SSH_CLIENT]);

			pair_inject(&p, SSH_CLIENT, payload, len);
			cr_assert_eq(ssh_output_len(p.side[SSH_CLIENT]) - before, packet_overhead(p.side[SSH_CLIENT], len));
		}
		pair_free(&p);
	}
}

Test(packet, padding_is_random_and_ciphertexts_differ)
{
	static const uint8_t ignore[] = { SSH_MSG_IGNORE, 0, 0, 0, 0 };
	struct suite all[SUITES_MAX];
	unsigned n = suites(all);

	for (unsigned i = 0; i < n; i++) {
		struct pair p;
		const uint8_t *out;
		size_t len;

		login_with(&p, &all[i]);
		pair_inject(&p, SSH_CLIENT, ignore, sizeof ignore);
		pair_inject(&p, SSH_CLIENT, ignore, sizeof ignore);
		out = ssh_output(p.side[SSH_CLIENT], &len);
		cr_assert_neq(memcmp(out + 5, out + len / 2 + 5, len / 2 - 5), 0);
		pair_free(&p);
	}
}

/* ---- DATA prepared in the output --------------------------------------------------------------- */

static void put_head(uint8_t head[9], uint32_t chan, size_t n)
{
	head[0] = SSH_MSG_CHANNEL_DATA;
	put_u32(head + 1, chan);
	put_u32(head + 5, (uint32_t)n);
}

Test(packet, fill_puts_data_in_place)
{
	struct suite all[SUITES_MAX];
	unsigned n = suites(all);

	for (unsigned i = 0; i < n; i++) {
		struct pair p;
		struct ssh *s;
		uint8_t *data[3], head[9];
		size_t sizes[3] = { 1000, 1000, 123 };

		login_with(&p, &all[i]);
		pair_channel(&p);
		s = p.side[SSH_SERVER];
		cr_assert_eq(packet_fill_begin(s, 3, 9, 1000, data), SSH_OK);
		cr_assert_eq(packet_fill_begin(s, 1, 9, 1000, data), SSH_E_BUG, "one series at a time");
		for (int k = 0; k < 3; k++) {
			memset(data[k], 'a' + k, sizes[k]);
			put_head(head, p.chan[SSH_CLIENT], sizes[k]);
			cr_assert_eq(packet_fill_packet(s, head, sizes[k]), SSH_OK);
		}
		cr_assert_eq(packet_fill_packet(s, head, 10), SSH_E_BUG, "a short one is the last");
		packet_fill_end(s);
		pair_run(&p);
		cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_OK);
		cr_assert_eq(buf_len(&p.got[SSH_CLIENT]), 2123u);
		cr_assert_eq(buf_head(&p.got[SSH_CLIENT])[0], 'a');
		cr_assert_eq(buf_head(&p.got[SSH_CLIENT])[1999], 'b');
		cr_assert_eq(buf_head(&p.got[SSH_CLIENT])[2122], 'c');
		pair_free(&p);
	}
}

Test(packet, fill_without_data_sends_nothing)
{
	struct pair p;
	uint8_t *data[2];
	struct suite u = { NULL, NULL };

	login_with(&p, &u);
	cr_assert_eq(packet_fill_begin(p.side[SSH_SERVER], 2, 9, 100, data), SSH_OK);
	packet_fill_end(p.side[SSH_SERVER]);
	cr_assert_eq(ssh_output_len(p.side[SSH_SERVER]), 0u);
	pair_channel(&p);
	pair_send(&p, SSH_SERVER, (const uint8_t *)"x", 1);
	pair_free(&p);
}

Test(packet, data_path_allocates_nothing)
{
	static uint8_t data[200000];
	struct suite u = { NULL, NULL };
	struct pair p;
	long before[2];

	login_with(&p, &u);
	p.quiet = 1;
	pair_channel(&p);
	for (int i = 0; i < 2; i++)
		pair_send(&p, SSH_CLIENT, data, sizeof data);
	before[0] = p.mem[0].count, before[1] = p.mem[1].count;
	for (int i = 0; i < 5; i++)
		pair_send(&p, SSH_CLIENT, data, sizeof data);
	cr_assert_eq(p.mem[0].count, before[0]);
	cr_assert_eq(p.mem[1].count, before[1]);
	pair_free(&p);
}

Test(packet, bytes_of_one_key)
{
	const struct cipher_alg *aes = cipher_alg_find(view_str("aes128-ctr"));
	const struct cipher_alg *chacha = cipher_alg_find(view_str("chacha20-poly1305@openssh.com"));

	cr_assert_eq(packet_bytes_max(aes, 0), UINT64_C(1) << 36);
	cr_assert_eq(packet_bytes_max(chacha, 0), UINT64_C(1) << 30);
	cr_assert_eq(packet_bytes_max(cipher_alg_find(view_str("aes256-cbc")), 0), UINT64_C(1) << 36);
	cr_assert_eq(packet_bytes_max(cipher_alg_find(view_str("3des-cbc")), 0), UINT64_C(1) << 30);
	cr_assert_eq(packet_bytes_max(aes, 5000), 5000u);
	cr_assert_eq(packet_bytes_max(chacha, UINT64_C(1) << 40), UINT64_C(1) << 30);
}
