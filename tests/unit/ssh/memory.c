#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/session.h"
#include "tests/unit/ssh/pair.h"

/* memory - the n-th allocation fails, for every n; and how much an idle connection keeps. */

static int rekey_hook(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct ssh *s = p->side[side];

	if (e->type == SSH_EV_OPEN && side == SSH_CLIENT)
		*(int *)p->user = ssh_chan_open(s, "session", view_of(NULL, 0), &p->chan[side]);
	if (e->type == SSH_EV_CHAN_OPENED)
		ssh_chan_write(s, e->chan, 0, (const uint8_t *)"hello", 5);
	if (e->type == SSH_EV_CHAN_DATA && side == SSH_SERVER && buf_len(&p->got[side]) == 0)
		ssh_rekey(s);
	if (e->type == SSH_EV_KEX_DONE && !e->first && side == SSH_CLIENT)
		ssh_chan_write(s, p->chan[side], 0, (const uint8_t *)"world", 5);
	return 0;
}

/* 1 when the side got through without needing the n-th allocation. */
static int fail_nth(enum ssh_role side, long n, struct privkey *key)
{
	struct pair p;
	struct buf state;
	int r, through, refused = SSH_OK;

	pair_init(&p);
	p.user = &refused;
	privkey_free(p.hostkeys[0]);
	p.hostkeys[0] = key;
	p.hook = rekey_hook;
	p.mem[side].fail_at = n;
	r = pair_start(&p);
	if (r == SSH_OK) {
		pair_run(&p);
		r = ssh_error(p.side[side]);
		buf_init(&state, 1 << 20, NULL);
		ssh_export(p.side[side], &state);
		buf_drop(&state);
	}
	through = p.mem[side].count < n;
	if (through)
		cr_assert(r == SSH_OK && buf_len(&p.got[SSH_SERVER]) == 10);
	else		/* a channel that could not be opened is no reason to end the connection */
		cr_assert_eq(r == SSH_OK ? refused : r, SSH_E_NOMEM, "request %ld: %s", n, err_name(r));
	p.hostkey_count = 0;
	pair_free(&p);		/* asserts that nothing is left */
	return through;
}

static void sweep(enum ssh_role side)
{
	struct privkey *key;
	long n = 1;

	pair_crypto();
	cr_assert_eq(privkey_generate(&key, KEY_ED25519, 0), SSH_OK);
	while (!fail_nth(side, n, key))
		n++;
	cr_assert_geq(n, 30, "only %ld requests?", n);
	privkey_free(key);
}

Test(memory, every_failing_allocation_of_the_server) { sweep(SSH_SERVER); }
Test(memory, every_failing_allocation_of_the_client) { sweep(SSH_CLIENT); }

Test(memory, failing_import)
{
	struct pair p;
	struct buf state;
	struct ssh *s;
	int opened = SSH_OK;
	long n;

	pair_init(&p);
	p.user = &opened;
	p.hook = rekey_hook;
	pair_login(&p);
	buf_init(&state, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p.side[SSH_SERVER], &state), SSH_OK);
	for (n = 1; n < 1000; n++) {
		struct pair_mem m;
		struct ssh_env env = { .random = pair_random, .ctx = &p.rng[0], .mem = &m.mem };
		int r;

		pair_mem_init(&m);
		m.fail_at = n;
		r = ssh_import(&s, &env, &p.policy[SSH_SERVER], view_of(buf_head(&state), buf_len(&state)), p.now);
		if (r == SSH_OK) {
			ssh_free(s);
			cr_assert_eq(m.live, 0);
			break;
		}
		cr_assert_eq(r, SSH_E_NOMEM);
		cr_assert_null(s);
		cr_assert_eq(m.live, 0, "request %ld leaks", n);
	}
	cr_assert_geq(n, 15);
	buf_drop(&state);
	pair_free(&p);
}

Test(memory, idle_connection_is_small)
{
	static uint8_t data[600000];
	struct pair p;

	pair_init(&p);
	p.quiet = 1;
	pair_login(&p);
	pair_channel(&p);
	pair_send(&p, SSH_CLIENT, data, sizeof data);
	pair_send(&p, SSH_SERVER, data, sizeof data);
	cr_assert_gt(p.mem[SSH_SERVER].bytes, 60000u, "it did work");
	cr_assert_leq(ssh_deadline(p.side[SSH_SERVER]), p.now + 10000);
	p.now = ssh_deadline(p.side[SSH_SERVER]);
	cr_assert_eq(ssh_tick(p.side[SSH_SERVER], p.now), SSH_OK);
	cr_assert_lt(p.mem[SSH_SERVER].bytes, 20u * 1024, "%zu bytes idle", p.mem[SSH_SERVER].bytes);
	cr_assert_eq(ssh_deadline(p.side[SSH_SERVER]), UINT64_MAX, "and nothing wakes it up any more");
	pair_send(&p, SSH_CLIENT, data, sizeof data);
	pair_free(&p);
}

Test(memory, before_login_as_well)
{
	static uint8_t ignore[20000] = { 2 };
	struct pair p;
	struct buf b;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_feed(&p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
	put_u32(ignore + 1, sizeof ignore - 5);
	for (int i = 0; i < 20; i++) {
		buf_init(&b, 1 << 20, NULL);
		raw_packet(&b, ignore, sizeof ignore);
		raw_feed(&p, SSH_SERVER, &b);
	}
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_OK);
	cr_assert_lt(p.mem[SSH_SERVER].bytes, 128u * 1024);
	pair_free(&p);
}

/* Floods of messages that must be answered, from a peer that reads nothing. */
Test(memory, output_is_bounded_by_not_reading)
{
	static const uint8_t unknown[] = { 199 };
	struct pair p;
	struct ssh *s;
	const uint8_t *out;
	size_t n;

	pair_init(&p);
	p.quiet = 1;
	pair_login(&p);
	s = p.side[SSH_SERVER];
	for (int i = 0; i < 400000 && ssh_want_read(s); i++) {
		pair_inject(&p, SSH_CLIENT, unknown, 1);
		out = ssh_output(p.side[SSH_CLIENT], &n);
		pair_feed(&p, SSH_SERVER, out, n);
		ssh_sent(p.side[SSH_CLIENT], n);
	}
	cr_assert_not(ssh_want_read(s));
	cr_assert_eq(ssh_error(s), SSH_OK);
	cr_assert_leq(ssh_output_len(s), 4u << 20);
	pair_free(&p);
}
