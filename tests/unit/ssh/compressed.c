#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/compress.h"
#include "ssh/packet.h"
#include "ssh/session.h"
#include "ssh/transport.h"
#include "tests/unit/ssh/pair.h"
#include "tests/unit/ssh/talk.h"

/* compressed - connections with compression: when it begins and ends, what it may cost, and that nobody above notices. */

#define DELAYED "zlib@openssh.com"

/* up: client to server. */
static void methods(struct pair *p, const char *up, const char *down)
{
	for (int i = 0; i < 2; i++) {
		p->policy[i].comps[0] = up;
		p->policy[i].comps[1] = down;
	}
}

static int runs(const struct pair *p, enum ssh_role side, int out)
{
	const struct ssh *s = p->side[side];

	return out ? s->tx->deflate != NULL : s->rx->inflate != NULL;
}

static void both_run(const struct pair *p, int up, int down)
{
	cr_assert_eq(runs(p, SSH_CLIENT, 1), up);
	cr_assert_eq(runs(p, SSH_SERVER, 0), up);
	cr_assert_eq(runs(p, SSH_CLIENT, 0), down);
	cr_assert_eq(runs(p, SSH_SERVER, 1), down);
}

/* ---- when ---------------------------------------------------------------------------------- */

static int look_before_login(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	int *at_once = p->user;

	if (e->type == SSH_EV_KEX_DONE && e->first)
		cr_assert(runs(p, side, 0) == *at_once && runs(p, side, 1) == *at_once);
	if (e->type == SSH_EV_AUTH_NONE && !*at_once)	/* a compressor's memory is not there */
		cr_assert_lt(p->mem[side].bytes, 100000u, "%zu bytes", p->mem[side].bytes);
	return 0;
}

static void begins(const char *name, int at_once)
{
	struct ssh_info i;
	struct pair p;

	pair_init(&p);
	methods(&p, name, name);
	p.hook = look_before_login;
	p.user = &at_once;
	pair_login(&p);
	both_run(&p, 1, 1);
	ssh_get_info(p.side[SSH_SERVER], &i);
	cr_assert_str_eq(i.comp[0], name);
	cr_assert_str_eq(i.comp[1], name);
	pair_free(&p);
}

Test(compressed, delayed_begins_with_the_login) { begins(DELAYED, 0); }
Test(compressed, zlib_begins_with_the_keys) { begins("zlib", 1); }

Test(compressed, each_direction_for_itself)
{
	static const char *const names[] = { "none", DELAYED, "zlib" };
	static uint8_t data[100000];

	for (int up = 0; up < 3; up++)
		for (int down = 0; down < 3; down++) {
			struct pair p;

			pair_init(&p);
			methods(&p, names[up], names[down]);
			pair_login(&p);
			both_run(&p, up > 0, down > 0);
			pair_channel(&p);
			pair_send(&p, SSH_CLIENT, data, sizeof data);
			pair_send(&p, SSH_SERVER, data, sizeof data);
			cr_assert_eq(buf_len(&p.wire[SSH_CLIENT]) < 20000, up > 0);
			cr_assert_eq(buf_len(&p.wire[SSH_SERVER]) < 20000, down > 0);
			pair_free(&p);
		}
}

Test(compressed, the_client_chooses_and_none_is_its_default)
{
	struct pair p;

	pair_init(&p);
	cr_assert_str_eq(p.policy[SSH_SERVER].comps[0], "none," DELAYED);
	pair_login(&p);
	both_run(&p, 0, 0);
	pair_free(&p);
	pair_init(&p);
	p.policy[SSH_CLIENT].comps[0] = "zlib," DELAYED ",none";
	pair_login(&p);
	both_run(&p, 1, 0);
	pair_free(&p);
}

/* A key exchange may agree on something else; what runs on begins anew, so that nothing of the past is needed to read it. */
Test(compressed, keys_begin_a_new_stream)
{
	static uint8_t data[30000];
	struct pair p;

	pair_init(&p);
	methods(&p, DELAYED, DELAYED);
	pair_login(&p);
	pair_channel(&p);
	for (int i = 0; i < 6; i++) {
		size_t room = 3000;
		uint8_t packet[3000];
		struct inflater *f;
		struct view v;

		pair_send(&p, i % 2 ? SSH_SERVER : SSH_CLIENT, data, sizeof data);
		cr_assert_eq(ssh_rekey(p.side[i % 3 == 0]), SSH_OK);
		pair_run(&p);
		cr_assert_eq(p.kex_done[SSH_SERVER], (unsigned)i + 2);
		cr_assert_eq(deflater_put(p.side[SSH_SERVER]->tx->deflate, data, 10, packet, &room), SSH_OK);
		cr_assert_eq(inflater_new(&f, NULL), SSH_OK);
		cr_assert_eq(inflater_take(f, view_of(packet, room), 100, &v), SSH_OK, "it has a header");
		inflater_free(f);
		cr_assert_eq(inflater_take(p.side[SSH_CLIENT]->rx->inflate, view_of(packet, room), 100, &v), SSH_OK);
	}
	pair_free(&p);
}

static void change_mind(struct pair *p, const char *name)
{
	const struct mem *mem = &p->mem[SSH_CLIENT].mem;
	struct ssh_policy *policy = &p->side[SSH_CLIENT]->policy;

	for (int d = 0; d < 2; d++) {
		mem_free(mem, (void *)(uintptr_t)policy->comps[d]);
		policy->comps[d] = mem_strndup(mem, name, strlen(name));
	}
	cr_assert_eq(ssh_rekey(p->side[SSH_CLIENT]), SSH_OK);
	pair_run(p);
}

Test(compressed, a_rekey_may_change_the_method)
{
	static uint8_t data[30000];
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].comps[0] = p.policy[SSH_SERVER].comps[1] = "none,zlib," DELAYED;
	p.policy[SSH_CLIENT].comps[0] = p.policy[SSH_CLIENT].comps[1] = "none";
	pair_login(&p);
	pair_channel(&p);
	for (int i = 0; i < 4; i++) {
		static const char *const to[] = { DELAYED, "none", "zlib", "none" };

		pair_send(&p, SSH_SERVER, data, sizeof data);
		pair_send(&p, SSH_CLIENT, data, sizeof data);
		change_mind(&p, to[i]);
		both_run(&p, i % 2 == 0, i % 2 == 0);
	}
	pair_free(&p);
}

/* ---- a whole conversation ------------------------------------------------------------------------ */

static void talk_as(struct pair *p, const char *cipher, const char *up, const char *down, const struct pair *keys)
{
	talk_init(p, cipher);
	methods(p, up, down);
	if (keys != NULL)
		pair_share_key(p, keys);
}

/* However the input is cut, and whether it is lent: the same output, the same events. */
Test(compressed, every_cut)
{
	static const char *const ciphers[] = { "chacha20-poly1305@openssh.com", "aes128-ctr" };
	static const char *const names[] = { "zlib", DELAYED };
	static pair_cut *const cuts[] = { pair_bytewise, pair_by_97 };

	for (int k = 0; k < 8; k++) {
		struct pair all, cut;

		talk_as(&all, ciphers[k & 1], names[k >> 1 & 1], names[k >> 1 & 1], NULL);
		talk_run(&all);
		talk_as(&cut, ciphers[k & 1], names[k >> 1 & 1], names[k >> 1 & 1], &all);
		cut.cut = cuts[k >> 2];
		cut.lend = 1;
		talk_run(&cut);
		pair_same(&all, &cut);
		pair_free(&cut);
		pair_free(&all);
	}
}

/* ---- moving ---------------------------------------------------------------------------------------- */

struct moves { unsigned done; int marked; };

static int move_it(struct pair *p, enum ssh_role side)
{
	struct moves *m = p->user;
	struct buf b;
	struct ssh *s;
	int r;

	buf_init(&b, 16 << 20, NULL);
	if ((r = ssh_export(p->side[side], &b)) == SSH_OK) {
		cr_assert_eq(ssh_import(&s, &p->env[side], &p->policy[side], view_of(buf_head(&b), buf_len(&b)), p->now), SSH_OK);
		if (m->marked) {
			ssh_mark_start(p->side[side]);		/* and goes on */
			ssh_free(s);
		} else {
			ssh_free(p->side[side]);
			p->side[side] = s;
			for (unsigned i = 0; side == SSH_SERVER && i < p->hostkey_count; i++)
				cr_assert_eq(ssh_add_hostkey(s, i, privkey_blob(p->hostkeys[i])), SSH_OK);
		}
		m->done++;
	}
	cr_assert(r == SSH_OK || r == SSH_E_NOT_NOW || r == ssh_error(p->side[side]), "%s", err_name(r));
	buf_drop(&b);
	return 0;
}

/* Moved between any two packets: the conversation goes on, and what is said is what a marked one would have said (SurviveCrash). */
Test(compressed, moved_everywhere)
{
	static pair_cut *const cuts[] = { NULL, pair_by_97 };

	for (int k = 0; k < 4; k++) {
		const char *name = k & 1 ? "zlib" : DELAYED;
		struct moves m = { 0, 0 }, marks = { 0, 1 };
		struct pair moved, marked;

		talk_as(&moved, "aes128-gcm@openssh.com", name, name, NULL);
		moved.boundary = move_it;
		moved.user = &m;
		moved.cut = cuts[k >> 1];
		talk_run(&moved);
		talk_as(&marked, "aes128-gcm@openssh.com", name, name, &moved);
		marked.boundary = move_it;
		marked.user = &marks;
		marked.cut = cuts[k >> 1];
		talk_run(&marked);
		cr_assert_gt(m.done, 50u);
		cr_assert_eq(m.done, marks.done);
		pair_same(&moved, &marked);
		pair_free(&marked);
		pair_free(&moved);
	}
}

/* What was written down before there was compression. */
Test(compressed, a_state_of_version_2)
{
	static const uint8_t none[] = { 0, 0, 0, 4, 'n', 'o', 'n', 'e', 0, 0, 0, 0, 4, 'n', 'o', 'n', 'e', 0 };
	static const char cipher[] = "chacha20-poly1305@openssh.com";
	struct buf b, again;
	struct pair p;
	struct ssh *s;
	uint8_t *at, *kex, *old, *to;

	pair_init(&p);
	for (int i = 0; i < 4; i++)
		p.policy[i / 2].ciphers[i % 2] = cipher;
	pair_login(&p);
	buf_init(&b, 1 << 20, NULL);
	buf_init(&again, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p.side[SSH_SERVER], &b), SSH_OK);
	cr_assert_not_null(at = memmem(buf_head(&b), buf_len(&b), none, sizeof none));
	/* behind the second cipher's name and its empty MAC: the byte of a key exchange that is not under way */
	kex = memmem(buf_head(&b), buf_len(&b), cipher, sizeof cipher - 1);
	kex = memmem(kex + 1, (size_t)(at - kex - 1), cipher, sizeof cipher - 1);
	kex += sizeof cipher - 1 + 4;
	cr_assert(kex < at && *kex == 0);
	old = malloc(buf_len(&b));
	to = mempcpy(old, buf_head(&b), (size_t)(kex - buf_head(&b)));
	to = mempcpy(to, kex + 1, (size_t)(at - kex - 1));
	to = mempcpy(to, at + sizeof none, (size_t)(buf_head(&b) + buf_len(&b) - at) - sizeof none);
	put_u32(old + 4, 2);
	cr_assert_eq(ssh_import(&s, &p.env[SSH_SERVER], &p.policy[SSH_SERVER], view_of(old, (size_t)(to - old)), p.now), SSH_OK);
	cr_assert_eq(ssh_export(s, &again), SSH_OK);
	cr_assert_eq(buf_len(&b), buf_len(&again));
	cr_assert_arr_eq(buf_head(&b), buf_head(&again), buf_len(&b));
	ssh_free(s);
	free(old);
	buf_drop(&b);
	buf_drop(&again);
	pair_free(&p);
}

/* ---- DATA prepared in place -------------------------------------------------------------------------- */

static void pattern(uint8_t *p, size_t n, uint64_t seed)
{
	pair_random(&seed, p, n);
	if (seed % 3 == 0)
		memset(p, 'x', n);
}

/* Packets that grow and packets that shrink lie beside each other; from: of somewhere else. */
static void fill_some(struct pair *p, int from, uint64_t seed)
{
	static uint8_t data[CHAN_FILL_MAX * CHAN_SEND_MAX], elsewhere[2 * sizeof data];
	struct ssh *s = p->side[SSH_SERVER];
	struct iovec iov[CHAN_FILL_MAX];
	int count = ssh_chan_fill(s, p->chan[SSH_SERVER], 0, iov, 1 + (int)(seed % CHAN_FILL_MAX));
	size_t n = 0, had = buf_len(&p->got[SSH_CLIENT]), want;

	cr_assert_gt(count, 0);
	if (from) {
		cr_assert_leq(ssh_chan_fill_extent(s, iov[0].iov_len * (size_t)count), sizeof elsewhere);
		cr_assert_eq(ssh_chan_fill_from(s, elsewhere, iov), SSH_OK);
	}
	for (int i = 0; i < count; i++) {
		pattern(data + n, iov[i].iov_len, seed * 31 + (uint64_t)i);
		memcpy(iov[i].iov_base, data + n, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	want = seed % 4 == 0 ? n - n / 3 : n;
	cr_assert_eq(ssh_chan_fill_done(s, want), SSH_OK);
	pair_run(p);
	cr_assert_eq(buf_len(&p->got[SSH_CLIENT]) - had, want);
	cr_assert_arr_eq(buf_head(&p->got[SSH_CLIENT]) + had, data, want);
}

Test(compressed, data_without_a_copy)
{
	struct pair p;

	pair_init(&p);
	methods(&p, DELAYED, DELAYED);
	p.policy[SSH_CLIENT].window = 8 << 20;
	p.policy[SSH_CLIENT].max_packet = 65536;
	p.quiet = 1;
	pair_login(&p);
	pair_channel(&p);
	for (uint64_t i = 1; i < 60; i++)
		fill_some(&p, (int)(i & 1), i);
	pair_free(&p);
}

/* ---- what it may cost ---------------------------------------------------------------------------------- */

static uint8_t ignore[64 << 20] = { SSH_MSG_IGNORE };

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A packet whose payload inflates to n bytes, as a hostile client would make it: without a message of its own this long. */
static void bomb(struct pair *p, size_t n)
{
	struct ssh *c = p->side[SSH_CLIENT];
	size_t mark, room = deflater_bound(c->tx->deflate, n), len;
	struct deflater *d = c->tx->deflate;
	uint8_t *packed = malloc(room);
	struct buf *out = &c->out;

	put_u32(ignore + 1, (uint32_t)(n - 5));
	cr_assert_eq(deflater_put(d, ignore, n, packed, &len), SSH_OK);
	mark = buf_len(out);
	c->tx->deflate = NULL;
	cr_assert_eq(packet_send(c, view_of(packed, len)), SSH_OK);
	c->tx->deflate = d;
	cr_assert_gt(buf_len(out), mark);
	free(packed);
}

Test(compressed, a_bomb_ends_the_connection_and_costs_nothing)
{
	static const size_t sizes[] = { SSH_PACKET_MAX, SSH_PACKET_MAX + 1, 64 << 20 };

	for (unsigned i = 0; i < 3; i++) {
		struct pair p;
		size_t before;
		double used;

		pair_init(&p);
		methods(&p, DELAYED, DELAYED);
		pair_login(&p);
		bomb(&p, sizes[i]);
		before = p.mem[SSH_SERVER].bytes;
		used = cpu();
		pair_move(&p, SSH_CLIENT);
		pair_drain(&p, SSH_SERVER);
		used = cpu() - used;
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), i == 0 ? SSH_OK : SSH_E_TOO_BIG, "%zu: %s", sizes[i], err_name(ssh_error(p.side[SSH_SERVER])));
		cr_assert_lt(p.mem[SSH_SERVER].bytes - before, 1u << 20);
		cr_assert_lt(used, 1.0, "%.3f s", used);
		pair_free(&p);
	}
}

static int bomb_at_login(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	const size_t *n = p->user;

	if (side != SSH_CLIENT || e->type != SSH_EV_AUTH_READY)
		return 0;
	for (unsigned i = 0; i < 64 && ssh_error(p->side[SSH_SERVER]) == SSH_OK; i++) {
		bomb(p, *n);
		pair_move(p, SSH_CLIENT);
		pair_drain(p, SSH_SERVER);
	}
	return 1;
}

/* Before login a payload has 35,000 bytes, and all of them have 1 MiB together, however small they came. */
Test(compressed, before_login_inflated_bytes_count)
{
	static const size_t sizes[] = { SSH_PREAUTH_PACKET_MAX + 1, SSH_PREAUTH_PACKET_MAX };

	for (int i = 0; i < 2; i++) {
		size_t n = sizes[i];
		struct pair p;

		pair_init(&p);
		methods(&p, "zlib", "zlib");
		p.hook = bomb_at_login;
		p.user = &n;
		cr_assert_eq(pair_start(&p), SSH_OK);
		pair_run(&p);
		cr_assert_eq(ssh_error(p.side[SSH_SERVER]), i == 0 ? SSH_E_TOO_BIG : SSH_E_LIMIT, "%s", err_name(ssh_error(p.side[SSH_SERVER])));
		cr_assert_lt(p.side[SSH_SERVER]->more->preauth_bytes, SSH_PREAUTH_BYTES + 2 * SSH_PREAUTH_PACKET_MAX);
		pair_free(&p);
	}
}

/* Bytes that are no stream: the reason on the wire is RFC 4253 11.1's for it. */
Test(compressed, garbage_is_a_compression_error)
{
	static const uint8_t garbage[] = { SSH_MSG_IGNORE, 0, 0, 0, 0 };
	struct deflater *d;
	struct view text;
	struct pair p;

	pair_init(&p);
	methods(&p, DELAYED, "none");
	pair_login(&p);
	d = p.side[SSH_CLIENT]->tx->deflate;
	p.side[SSH_CLIENT]->tx->deflate = NULL;
	pair_inject(&p, SSH_CLIENT, garbage, sizeof garbage);
	p.side[SSH_CLIENT]->tx->deflate = d;
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_COMPRESS);
	cr_assert_eq(ssh_disconnect_reason(p.side[SSH_CLIENT], &text), 6u);
	pair_free(&p);
}

Test(compressed, an_idle_connection_keeps_no_payload)
{
	static uint8_t data[600000];
	struct pair p;

	pair_init(&p);
	p.quiet = 1;
	methods(&p, DELAYED, DELAYED);
	pair_login(&p);
	pair_channel(&p);
	pair_send(&p, SSH_CLIENT, data, sizeof data);
	pair_send(&p, SSH_SERVER, data, sizeof data);
	cr_assert_gt(packet_plain_size(p.side[SSH_SERVER]), 30000u);
	p.now += 10000;
	cr_assert_eq(ssh_tick(p.side[SSH_SERVER], p.now), SSH_OK);
	cr_assert_eq(packet_plain_size(p.side[SSH_SERVER]), 0u);
	cr_assert_lt(p.mem[SSH_SERVER].bytes, 400000u, "zlib's own: %zu", p.mem[SSH_SERVER].bytes);
	pair_send(&p, SSH_CLIENT, data, 1000);
	pair_free(&p);
}

/* ---- no memory --------------------------------------------------------------------------------------------- */

Test(compressed, every_failing_allocation)
{
	static uint8_t data[5000];

	for (int side = 0; side < 2; side++) {
		int through = 0;

		for (long n = 30; !through; n++) {
			struct pair p;
			int r;

			pair_init(&p);
			methods(&p, DELAYED, "zlib");
			p.mem[side].fail_at = n;
			if ((r = pair_start(&p)) == SSH_OK) {
				pair_run(&p);
				r = ssh_error(p.side[side]);
			}
			if (r == SSH_OK && p.open[0] && p.open[1] && (r = ssh_chan_open(p.side[SSH_CLIENT], "session", view_of(NULL, 0), &p.chan[SSH_CLIENT])) == SSH_OK) {
				pair_run(&p);
				if (p.chan_up[SSH_CLIENT])
					ssh_chan_write(p.side[SSH_CLIENT], p.chan[SSH_CLIENT], 0, data, sizeof data);
				pair_run(&p);
				r = ssh_error(p.side[side]);
			}
			through = p.mem[side].count < n;
			cr_assert(through ? r == SSH_OK : r == SSH_E_NOMEM || r == SSH_OK, "request %ld: %s", n, err_name(r));
			pair_free(&p);
		}
	}
}
