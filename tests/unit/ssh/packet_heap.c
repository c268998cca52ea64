#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/err.h"
#include "tests/unit/ssh/heap.h"
#include "tests/unit/ssh/pair.h"

/* packet_heap - no packet of DATA costs an allocation, neither ours nor the crypto library's, whatever cipher, either way. */

#define PACKETS 12
#define IOVECS  4

struct flow { struct pair p; size_t got[2]; int lend; };

/* The program takes whatever comes. */
static int swallow(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct flow *f = p->user;

	if (e->type != SSH_EV_CHAN_DATA)
		return 0;
	f->got[side] += e->data.len;
	cr_assert_eq(ssh_chan_consumed(p->side[side], e->chan, e->data.len), SSH_OK);
	return 1;
}

static int one_way(struct flow *f, enum ssh_role from)
{
	struct ssh *a = f->p.side[from], *b = f->p.side[!from];
	size_t n;
	const uint8_t *out = ssh_output(a, &n);

	if (out == NULL)
		return 0;
	if (f->lend)
		cr_assert_eq(ssh_input_lend(b, out, n, f->p.now), SSH_OK);
	else
		cr_assert_eq(ssh_input(b, out, n, f->p.now), SSH_OK);
	pair_drain(&f->p, !from);
	cr_assert_eq(ssh_input_keep(b), SSH_OK);
	ssh_sent(a, n);
	pair_drain(&f->p, from);
	return 1;
}

static void settle(struct flow *f)
{
	while (one_way(f, SSH_CLIENT) | one_way(f, SSH_SERVER))
		;
}

/* As many packets from one side, as a relay sends them and as a keystroke is sent; what was asked of the heap meanwhile. */
static long cost(struct flow *f, enum ssh_role from, int packets)
{
	struct ssh *s = f->p.side[from];
	size_t sent = 0, before = f->got[!from];
	long asked = heap_requests();

	while (packets > 0) {
		struct iovec iov[IOVECS];
		int n = ssh_chan_fill(s, f->p.chan[from], 0, iov, packets < IOVECS ? packets : IOVECS);
		size_t bytes = 0;

		cr_assert_gt(n, 0, "%s", err_name(n));
		for (int i = 0; i < n; i++) {
			memset(iov[i].iov_base, i, iov[i].iov_len);
			bytes += iov[i].iov_len;
		}
		cr_assert_eq(ssh_chan_fill_done(s, bytes), SSH_OK);
		cr_assert_eq(ssh_chan_write(s, f->p.chan[from], 0, (const uint8_t *)"x", 1), 1);
		sent += bytes + 1;
		packets -= n;
		settle(f);
	}
	asked = heap_requests() - asked;
	cr_assert_eq(f->got[!from] - before, sent);
	return asked;
}

static void begin(struct flow *f, const char *cipher, const char *mac, const char *comp)
{
	memset(f, 0, sizeof *f);
	pair_init(&f->p);
	for (int i = 0; i < 4; i++) {
		f->p.policy[i / 2].ciphers[i % 2] = cipher;
		f->p.policy[i / 2].macs[i % 2] = mac;
		f->p.policy[i / 2].comps[i % 2] = comp;
	}
	f->p.quiet = 1;
	pair_login(&f->p);
	pair_channel(&f->p);
	f->p.hook = swallow;
	f->p.user = f;
}

static void nothing_for(const char *cipher, const char *mac, const char *comp)
{
	struct flow f;

	begin(&f, cipher, mac, comp);
	for (f.lend = 0; f.lend < 2; f.lend++)
		for (int from = 0; from < 2; from++) {
			cost(&f, (enum ssh_role)from, PACKETS);	/* the queues get as long as they need to be */
			for (int times = 1; times <= 2; times++)
				cr_assert_eq(cost(&f, (enum ssh_role)from, times * PACKETS), 0, "%s, %s, %s, from side %d, lent %d", cipher, mac,
				    comp, from, f.lend);
		}
	pair_free(&f.p);
}

Test(packet_heap, the_counter_counts)
{
	long before = heap_requests();
	void *volatile p = malloc(100);

	free(p);
	cr_assert_eq(heap_requests() - before, 2);
}

Test(packet_heap, a_key_exchange_is_counted)
{
	struct flow f;
	long before;

	begin(&f, "aes128-gcm@openssh.com", alg_defaults(ALG_MAC), "none");
	before = heap_requests();
	cr_assert_eq(ssh_rekey(f.p.side[SSH_SERVER]), SSH_OK);
	settle(&f);
	cr_assert_gt(heap_requests() - before, 10);
	pair_free(&f.p);
}

Test(packet_heap, every_cipher_and_every_mac)
{
	const char *cipher, *mac;
	int is_default, aead = 0, pairs = 0;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &is_default)) != NULL; i++) {
		if (cipher_alg_find(view_str(cipher))->tag_len > 0) {
			nothing_for(cipher, strncmp(cipher, "AEAD_", 5) ? alg_defaults(ALG_MAC) : cipher, "none");
			aead++;
			continue;
		}
		for (size_t j = 0; (mac = alg_name(ALG_MAC, j, &is_default)) != NULL; j++)
			if (mac_alg_find(view_str(mac))->hash != HASH_NONE) {
				nothing_for(cipher, mac, "none");
				pairs++;
			}
	}
	cr_assert_geq(aead, 3);
	cr_assert_geq(pairs, 28);
}

Test(packet_heap, compressed)
{
	nothing_for("aes128-gcm@openssh.com", alg_defaults(ALG_MAC), "zlib@openssh.com");
}
