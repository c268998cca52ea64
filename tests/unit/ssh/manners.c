/* What a peer is told and answered beside the protocol itself: EXT_INFO, pings, host keys. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/ident.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"
#include "tests/unit/ssh/login_pair.h"

/* ---- EXT_INFO (RFC 8308) ------------------------------------------------------------------ */

static int hold_login(struct lp *p, struct ssh_policy policies[2])
{
	ssh_policy_defaults(&policies[CLI]);
	ssh_policy_defaults(&policies[SRV]);
	lp_start(p, 0, policies);
	return p->side[CLI]->phase == P_AUTH;
}

static void ext_info(struct lp *p, int from, uint32_t count, const char *const *pairs, size_t n)
{
	struct body x;

	body_begin(&x);
	wr_u32(&x.w, count);
	for (size_t i = 0; i < n; i++)
		wr_cstr(&x.w, pairs[i]);
	body_inject(&x, p, from, SSH_MSG_EXT_INFO);
}

Test(manners, a_second_ext_info_replaces_the_first)
{
	static const char *const other[] = { "unknown@example.com", "x", "server-sig-algs", "ssh-ed448" }, *const none[] = { "unknown@example.com", "" };
	struct ssh_policy policies[2];
	struct lp p;

	cr_assert(hold_login(&p, policies));
	cr_assert(view_is(session_peer_sig_algs(p.side[CLI]), policies[SRV].sig_algs));
	ext_info(&p, SRV, 2, other, 4);
	LIVES(&p);
	cr_assert(view_is(session_peer_sig_algs(p.side[CLI]), "ssh-ed448"));
	ext_info(&p, SRV, 2, other, 4);
	ENDED(&p, CLI, PROTOCOL);	/* a third one */
	lp_stop(&p);
	cr_assert(hold_login(&p, policies));
	ext_info(&p, SRV, 1, none, 2);
	cr_assert_eq(session_peer_sig_algs(p.side[CLI]).len, 0u);
	lp_stop(&p);
}

Test(manners, lengths_and_counts_of_ext_info)
{
	static const char *const pair[] = { "a", "b" };
	static const uint32_t counts[] = { 2, 3, 64, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0 };
	struct ssh_policy policies[2];
	struct lp p;

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		cr_assert(hold_login(&p, policies));
		ext_info(&p, SRV, counts[i], pair, 2);
		ENDED(&p, CLI, FORMAT);
		lp_stop(&p);
	}
}

/* RFC 8308 2.5: as many as fit, of any bytes. */
Test(manners, what_is_unknown_is_ignored)
{
	struct ssh_policy policies[2];
	struct body x;
	struct lp p;

	cr_assert(hold_login(&p, policies));
	body_begin(&x);
	wr_u32(&x.w, 3001);
	for (int i = 0; i < 3000; i++) {
		wr_string(&x.w, "\0", 1);
		wr_string(&x.w, "", 0);
	}
	wr_cstr(&x.w, "server-sig-algs");
	wr_string(&x.w, "ssh-ed25519\0,ssh-rsa", 20);
	body_inject(&x, &p, SRV, SSH_MSG_EXT_INFO);
	LIVES(&p);
	cr_assert_eq(session_peer_sig_algs(p.side[CLI]).len, 0u, "no name list has a NUL");
	lp_stop(&p);
}

/* ---- ping@openssh.com ------------------------------------------------------------------------- */

static void ping(struct ssh *from, size_t n, uint8_t fill)
{
	static uint8_t data[300000];
	struct wr w;

	memset(data, fill, n);
	msg_begin(from, &w, SSH_MSG_PING);
	wr_string(&w, data, n);
	cr_assert_eq(msg_end(from, &w), SSH_OK);
}

/* PONGs that wait in the output of a side: their number, by their packets. */
static uint64_t said_by(const struct lp *p, int side)
{
	return p->side[side]->more->packets_out;
}

Test(manners, pings_are_answered_by_both)
{
	struct lp p;

	lp_start(&p, 1, NULL);
	for (int from = 0; from < 2; from++) {
		uint64_t before = said_by(&p, !from);

		ping(p.side[from], 0, 0);
		ping(p.side[from], 30000, 1);
		lp_run(&p);
		LIVES(&p);
		cr_assert_eq(said_by(&p, !from), before + 2);
		lp_inject(&p, from, SSH_MSG_PING, "\0\0\0\5abc", 7);
		ENDED(&p, !from, FORMAT);
		lp_stop(&p);
		lp_start(&p, 1, NULL);
	}
	lp_stop(&p);
}

Test(manners, no_ping_is_answered_before_login)
{
	struct ssh_policy policies[2];
	struct lp p;
	uint64_t before;

	cr_assert(hold_login(&p, policies));
	before = said_by(&p, SRV);
	lp_inject(&p, CLI, SSH_MSG_PING, "\0\0\0\0", 4);
	lp_inject(&p, CLI, SSH_MSG_PONG, "\0\0\0\0", 4);
	LIVES(&p);
	cr_assert_eq(said_by(&p, SRV), before);
	lp_stop(&p);
}

/* Whatever came in one go: what it makes us say stays below the mark, and the rest of it waits. */
Test(manners, a_flood_of_pings_waits)
{
	struct lp p;
	uint64_t sent = 0, before;
	size_t most = 0;

	lp_start(&p, 1, NULL);
	before = said_by(&p, SRV);
	while (ssh_want_read(p.side[SRV]) && sent < 100000) {
		const uint8_t *out;
		struct ssh_event e;
		size_t n;

		for (int i = 0; i < 100; i++, sent++)
			ping(p.side[CLI], 4000, (uint8_t)i);
		out = ssh_output(p.side[CLI], &n);
		cr_assert_eq(ssh_input(p.side[SRV], out, n, p.now), SSH_OK);
		ssh_sent(p.side[CLI], n);
		cr_assert_not(ssh_next(p.side[SRV], &e));
		if (ssh_output_len(p.side[SRV]) > most)
			most = ssh_output_len(p.side[SRV]);
	}
	cr_assert_lt(sent, 100000u, "it never stops reading");
	cr_assert_lt(most, 2 * SSH_OUTPUT_HIGH + CHAN_FILL_MAX * CHAN_SEND_MAX + 10000, "%zu bytes wait for a peer that does not read", most);
	LIVES(&p);
	lp_run(&p);
	LIVES(&p);
	cr_assert_eq(said_by(&p, SRV), before + sent, "each has its answer");
	lp_stop(&p);
}

/* The client's pings come before it has heard our KEXINIT: answers wait for the new keys, some, not any number. */
Test(manners, pings_over_a_rekey)
{
	struct lp p;
	uint64_t before;
	struct ssh_event e;
	const uint8_t *out;
	size_t n;

	lp_start(&p, 1, NULL);
	before = said_by(&p, SRV);
	cr_assert_eq(ssh_rekey(p.side[SRV]), SSH_OK);
	for (int i = 0; i < 200; i++)
		ping(p.side[CLI], 1000, 7);
	out = ssh_output(p.side[CLI], &n);
	cr_assert_eq(ssh_input(p.side[SRV], out, n, p.now), SSH_OK);
	ssh_sent(p.side[CLI], n);
	cr_assert_not(ssh_next(p.side[SRV], &e));
	cr_assert_leq(buf_len(&p.side[SRV]->held), PING_HELD_MAX + 10);
	lp_run(&p);
	LIVES(&p);
	cr_assert_gt(said_by(&p, SRV), before + 3 + 60, "those that fit are answered under the new keys");
	cr_assert_lt(said_by(&p, SRV), before + 3 + 70);
	ping(p.side[CLI], 5, 5);
	lp_run(&p);
	LIVES(&p);
	lp_stop(&p);
}

/* ---- hostkeys-00@openssh.com (OpenSSH PROTOCOL 2.5) ------------------------------------------------- */

static struct privkey *more[KEY_KINDS];

static void add(struct lp *p, enum key_kind kind, unsigned index)
{
	cr_assert_eq(privkey_generate(&more[kind], kind, kind == KEY_RSA ? 2048 : 0), SSH_OK);
	cr_assert_eq(ssh_add_hostkey(p->side[SRV], index, privkey_blob(more[kind])), SSH_OK);
}

/* Keys may be added while no exchange is open, which is what a connection that moved does. */
static void three_keys(struct lp *p, const struct ssh_policy *policies)
{
	lp_start(p, 1, policies);
	add(p, KEY_RSA, 4);
	add(p, KEY_P256, 9);
}

static void three_free(struct lp *p)
{
	lp_stop(p);
	privkey_free(more[KEY_RSA]);
	privkey_free(more[KEY_P256]);
}

Test(manners, all_keys_are_announced_once_each)
{
	const struct ssh_event *e;
	struct lp p;
	struct rd in;

	three_keys(&p, NULL);
	cr_assert_eq(ssh_add_hostkey(p.side[SRV], 11, privkey_blob(more[KEY_P256])), SSH_OK, "the same again");
	cr_assert_eq(ssh_announce_hostkeys(p.side[CLI]), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_announce_hostkeys(p.side[SRV]), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, CLI, GLOBAL_REQUEST);
	cr_assert(view_is(e->ctype, "hostkeys-00@openssh.com"));
	cr_assert_not(e->want_reply);
	in = rd_view(e->data);
	cr_assert(view_same(rd_string(&in, SSH_BLOB_MAX), privkey_blob(p.key)));
	cr_assert(view_same(rd_string(&in, SSH_BLOB_MAX), privkey_blob(more[KEY_RSA])));
	cr_assert(view_same(rd_string(&in, SSH_BLOB_MAX), privkey_blob(more[KEY_P256])));
	cr_assert_eq(rd_done(&in), SSH_OK);
	NOTHING(&p);
	three_free(&p);
}

Test(manners, who_dies_of_an_announcement)
{
	static const char *const dies[] = { "SSH-2.0-TTSSH/2.72 Win32", "SSH-2.0-TTSSH/1.5.4", "SSH-2.0-TTSSH/2.15" };
	static const char *const lives[] = { "SSH-2.0-TTSSH/2.73 Win32", "SSH-2.0-TTSSH/3.1", "SSH-2.0-OpenSSH_9.2", "SSH-1.99-TTSSH/2.72" };

	for (size_t i = 0; i < sizeof dies / sizeof *dies; i++)
		cr_assert(ident_dies_of_hostkeys(dies[i]), "%s", dies[i]);
	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++)
		cr_assert_not(ident_dies_of_hostkeys(lives[i]), "%s", lives[i]);
	cr_assert_not(ident_dies_of_hostkeys(NULL));
}

static struct view keys_of(struct body *x, const struct view *keys, size_t n)
{
	body_begin(x);
	for (size_t i = 0; i < n; i++)
		wr_view(&x->w, keys[i]);
	return view_of(buf_head(&x->b), buf_len(&x->b));
}

Test(manners, only_our_keys_and_each_once_are_proved)
{
	struct privkey *stranger;
	struct lp p;
	struct body x;
	struct view v;

	three_keys(&p, NULL);
	cr_assert_eq(privkey_generate(&stranger, KEY_ED25519, 0), SSH_OK);
	{
		const struct view ed = privkey_blob(p.key), rsa = privkey_blob(more[KEY_RSA]), ec = privkey_blob(more[KEY_P256]), no = privkey_blob(stranger);
		const struct { struct view keys[4]; size_t n; int expected; } rows[] = {
			{ { ed, rsa, ec }, 3, 3 }, { { ec }, 1, 1 }, { { ed, ed }, 2, SSH_E_UNKNOWN_KEY }, { { ed, no }, 2, SSH_E_UNKNOWN_KEY },
			{ { no }, 1, SSH_E_UNKNOWN_KEY }, { { view_of("", 0) }, 1, SSH_E_UNKNOWN_KEY }, { { ed }, 0, SSH_E_FORMAT },
			{ { ed, rsa, ec, ed }, 4, SSH_E_UNKNOWN_KEY },
		};

		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			v = keys_of(&x, rows[i].keys, rows[i].n);
			cr_assert_eq(ssh_prove_check(p.side[SRV], v), rows[i].expected, "row %zu", i);
			for (size_t cut = 1; v.len > 0 && cut < 4; cut++)
				cr_assert_lt(ssh_prove_check(p.side[SRV], view_of(v.p, v.len - cut)), 0, "row %zu less %zu", i, cut);
			buf_drop(&x.b);
		}
	}
	privkey_free(stranger);
	three_free(&p);
}

/* RFC 8332, and which one OpenSSH takes. */
Test(manners, the_algorithm_of_a_proof)
{
	static const struct { const char *client; const char *expected; } rows[] = {
		{ "ssh-ed25519,rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512" }, { "ssh-ed25519,rsa-sha2-256", "rsa-sha2-256" }, { "ssh-ed25519,ssh-rsa", NULL },
		{ "ssh-ed25519,rsa-sha2-512", "rsa-sha2-512" }, { "ssh-ed25519", NULL },
	};
	struct ssh_policy policies[2];
	const char *alg;
	unsigned index;
	struct lp p;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ssh_policy_defaults(&policies[CLI]);
		ssh_policy_defaults(&policies[SRV]);
		policies[CLI].hostkey = rows[i].client;
		three_keys(&p, policies);
		cr_assert_eq(ssh_prove_key(p.side[SRV], privkey_blob(more[KEY_P256]), &index, &alg), SSH_OK);
		cr_assert_str_eq(alg, "ecdsa-sha2-nistp256");
		cr_assert_eq(index, 9u);
		cr_assert_eq(ssh_prove_key(p.side[SRV], privkey_blob(more[KEY_RSA]), &index, &alg), rows[i].expected ? SSH_OK : SSH_E_NO_ALG, "row %zu", i);
		if (rows[i].expected != NULL)
			cr_assert_str_eq(alg, rows[i].expected);
		three_free(&p);
	}
}

Test(manners, it_is_known_after_a_move)
{
	struct ssh_policy policies[2];
	struct ssh_env env = { .random = crypto_random };
	struct ssh *moved;
	struct buf state;
	struct lp p;

	ssh_policy_defaults(&policies[CLI]);
	ssh_policy_defaults(&policies[SRV]);
	policies[CLI].hostkey = "ssh-ed25519,rsa-sha2-256";
	lp_start(&p, 1, policies);
	buf_init(&state, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p.side[SRV], &state), SSH_OK);
	cr_assert_eq(ssh_import(&moved, &env, &policies[SRV], view_of(buf_head(&state), buf_len(&state)), p.now), SSH_OK);
	cr_assert_eq(moved->kex->peer_rsa, KEX_RSA_SHA2_256);
	cr_assert(moved->kex->peer_ext_info);
	ssh_free(moved);
	buf_drop(&state);
	lp_stop(&p);
}

/* ---- IGNORE (RFC 4253 11.2) ------------------------------------------------------------------------------- */

Test(manners, ignore_is_ignored_whatever_is_in_it)
{
	static const struct { const char *p; size_t n; } bodies[] = {
		{ "", 0 },			/* JSch's Session.sendIgnore() */
		{ "\0\0\0", 3 }, { "\0\0\0\0", 4 }, { "\0\0\0\2ab", 6 }, { "\0\0\0\2abc", 7 }, { "\377\377\377\377x", 5 },
	};
	struct ssh_policy policies[2];
	struct lp p;

	for (int login = 0; login < 2; login++) {
		if (login)
			lp_start(&p, 1, NULL);
		else
			cr_assert(hold_login(&p, policies));
		for (int from = 0; from < 2; from++) {
			uint64_t before = said_by(&p, !from);

			for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
				lp_inject(&p, from, SSH_MSG_IGNORE, bodies[i].p, bodies[i].n);
			LIVES(&p);
			cr_assert_eq(said_by(&p, !from), before, "it was answered");
		}
		lp_stop(&p);
	}
}

/* ---- UNIMPLEMENTED (RFC 4253 11.4) ------------------------------------------------------------------------ */

Test(manners, unimplemented_is_no_answer_to_itself)
{
	struct ssh_policy policies[2];
	struct lp p;

	for (int login = 0; login < 2; login++) {
		uint64_t before;

		if (login)
			lp_start(&p, 1, NULL);
		else
			cr_assert(hold_login(&p, policies));
		before = said_by(&p, SRV);
		lp_inject(&p, CLI, SSH_MSG_UNIMPLEMENTED, "\0\0\0\7", 4);
		LIVES(&p);
		cr_assert_eq(said_by(&p, SRV), before, "it was answered");
		lp_inject(&p, CLI, login ? 222 : 8, "?", 1);
		LIVES(&p);
		cr_assert_eq(said_by(&p, SRV), before + 1, "one UNIMPLEMENTED");
		lp_stop(&p);
	}
}
