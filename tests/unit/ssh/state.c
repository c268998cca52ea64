#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "tests/unit/ssh/pair.h"
#include "tests/unit/ssh/talk.h"

/* state - a live connection moved between any two packets goes on as if nothing had been. */

struct moves { unsigned done, later; };

static int replace(struct pair *p, enum ssh_role side)
{
	struct buf state;
	struct ssh *s;
	int r;

	buf_init(&state, 16 << 20, NULL);
	r = ssh_export(p->side[side], &state);
	if (r == SSH_OK) {
		cr_assert_eq(ssh_import(&s, &p->env[side], &p->policy[side], view_of(buf_head(&state), buf_len(&state)),
		    p->now), SSH_OK);
		ssh_free(p->side[side]);
		p->side[side] = s;
		for (unsigned i = 0; side == SSH_SERVER && i < p->hostkey_count; i++)
			cr_assert_eq(ssh_add_hostkey(s, i, privkey_blob(p->hostkeys[i])), SSH_OK);
	}
	buf_drop(&state);
	return r;
}

static int move_it(struct pair *p, enum ssh_role side)
{
	struct moves *m = p->user;
	int r = replace(p, side);

	if (r == SSH_OK)
		m->done++;
	else if (r == SSH_E_NOT_NOW)
		m->later++;
	else
		cr_assert_eq(r, ssh_error(p->side[side]), "%s", err_name(r));
	return 0;
}

static void talk_with(struct pair *p, const char *cipher, const char *mac)
{
	talk_init(p, cipher);
	for (int i = 0; mac != NULL && i < 4; i++)
		p->policy[i / 2].macs[i % 2] = mac;
}

static unsigned moved_with(const char *cipher, const char *mac, pair_cut *cut)
{
	struct pair still, moved;
	struct moves m = { 0, 0 };

	talk_with(&still, cipher, mac);
	talk_run(&still);
	talk_with(&moved, cipher, mac);
	pair_share_key(&moved, &still);
	moved.cut = cut;
	moved.boundary = move_it;
	moved.user = &m;
	talk_run(&moved);
	cr_assert_gt(m.done, 50u, "%u moves, %u refused", m.done, m.later);
	pair_same(&still, &moved);
	pair_free(&moved);
	pair_free(&still);
	return m.later;
}

static void moved_everywhere(const char *cipher, pair_cut *cut)
{
	moved_with(cipher, NULL, cut);
}

Test(state, every_boundary_of_every_cipher)
{
	const char *cipher;
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++) {
		moved_everywhere(cipher, NULL);
		moved_everywhere(cipher, pair_by_97);
	}
	moved_everywhere("aes128-gcm@openssh.com", pair_bytewise);
	moved_everywhere("aes128-ctr", pair_bytewise);
}

/* Encrypt-and-MAC decrypts the first block of a packet before the rest is there: a sender in a hurry is always inside one. */
Test(state, inside_a_packet)
{
	unsigned apart = moved_with("aes128-ctr", "hmac-sha2-256-etm@openssh.com", pair_bytewise);
	unsigned inside = moved_with("aes128-ctr", "hmac-sha2-256", pair_bytewise);

	cr_assert_lt(inside, apart + apart / 4, "%u refused, %u with the length apart", inside, apart);
	moved_with("aes256-ctr", "hmac-sha2-512", pair_by_97);
	inside = moved_with("aes128-cbc", "hmac-sha2-256", pair_bytewise);
	cr_assert_lt(inside, apart + apart / 4, "%u refused, %u with the length apart", inside, apart);
	moved_with("3des-cbc", "hmac-sha1-96", pair_bytewise);
	moved_with("aes256-cbc", "hmac-sha1", pair_by_97);
}

Test(state, not_now)
{
	struct pair p;
	struct buf b;
	struct ssh_event e;

	pair_init(&p);
	buf_init(&b, 1 << 20, NULL);
	cr_assert_eq(pair_start(&p), SSH_OK);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(ssh_export(p.side[i], &b), SSH_E_NOT_NOW, "nothing agreed on yet");
	while (ssh_next(p.side[SSH_SERVER], &e))
		;
	cr_assert_eq(ssh_export(p.side[SSH_SERVER], &b), SSH_E_NOT_NOW);
	pair_run(&p);
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	cr_assert_eq(ssh_export(p.side[SSH_CLIENT], &b), SSH_E_NOT_NOW, "a key exchange is open");
	pair_run(&p);
	cr_assert_eq(buf_len(&b), 0u);
	cr_assert_eq(ssh_export(p.side[SSH_CLIENT], &b), SSH_OK);
	ssh_disconnect(p.side[SSH_CLIENT], 11, "bye");
	cr_assert_eq(ssh_export(p.side[SSH_CLIENT], &b), SSH_E_CLOSED);
	buf_drop(&b);
	pair_free(&p);
}

static void exported(struct pair *p, enum ssh_role side, struct buf *b)
{
	pair_init(p);
	pair_login(p);
	pair_channel(p);
	buf_init(b, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p->side[side], b), SSH_OK);
}

Test(state, every_truncation_is_refused)
{
	for (int side = 0; side < 2; side++) {
		struct pair p;
		struct buf b;
		struct ssh *s;

		exported(&p, (enum ssh_role)side, &b);
		for (size_t n = 0; n < buf_len(&b); n++) {
			cr_assert_eq(ssh_import(&s, &p.env[side], &p.policy[side], view_of(buf_head(&b), n), 0), SSH_E_STATE);
			cr_assert_null(s);
		}
		cr_assert_eq(buf_append(&b, "x", 1), SSH_OK);
		cr_assert_eq(ssh_import(&s, &p.env[side], &p.policy[side], view_of(buf_head(&b), buf_len(&b)), 0), SSH_E_STATE);
		buf_drop(&b);
		pair_free(&p);
	}
}

/* Any one byte may be wrong: an object or SSH_E_STATE, and the object can be used and freed. */
Test(state, every_changed_byte_is_survived)
{
	for (int side = 0; side < 2; side++) {
		struct pair p;
		struct buf b;
		struct ssh *s;

		exported(&p, (enum ssh_role)side, &b);
		for (size_t n = 0; n < buf_len(&b); n++)
			for (int bit = 0; bit < 8; bit += 7) {
				struct ssh_event e;
				int r;

				buf_head(&b)[n] ^= (uint8_t)(1 << bit);
				r = ssh_import(&s, &p.env[side], &p.policy[side], view_of(buf_head(&b), buf_len(&b)), 0);
				cr_assert(r == SSH_OK || r == SSH_E_STATE, "%s", err_name(r));
				cr_assert_eq(r == SSH_OK, s != NULL);
				if (s != NULL) {
					ssh_rekey(s);
					while (ssh_next(s, &e))
						;
				}
				ssh_free(s);
				buf_head(&b)[n] ^= (uint8_t)(1 << bit);
			}
		buf_drop(&b);
		pair_free(&p);
	}
}

Test(state, the_old_version_goes_on_in_rekeys)
{
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].version = "SSH-2.0-Older_1";
	pair_login(&p);
	p.policy[SSH_SERVER].version = "SSH-2.0-Newer_2";
	cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK);
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	pair_run(&p);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_OK, "the exchange hash has the version that was sent");
	cr_assert_eq(p.kex_done[SSH_CLIENT], 2u);
	pair_free(&p);
}

/* ---- in the middle of a rekey -------------------------------------------------------------------- */

static int hold(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	(void)p, (void)side;
	return e->type == SSH_EV_NEED_SIGN;
}

/*
 * The server moves at each step of an exchange, and once more where it stands; what was held back is said afterwards. begun: by whom, 2: both.
 * Bit k of seen: it stood in state k.
 */
static unsigned moved_in_rekey(const char *kex, int begun, int asked)
{
	unsigned seen = 0;
	int said = 0;
	struct ssh_event e;
	struct pair p;
	char request[20];

	snprintf(request, sizeof request, "%d chan=", SSH_EV_CHAN_REQUEST);
	pair_init(&p);
	pair_hostkey(&p, KEY_ED448);
	p.policy[0].kex = p.policy[1].kex = kex;
	pair_login(&p);
	pair_channel(&p);
	for (int side = 0; side < 2; side++)
		if (begun == side || begun == 2)
			cr_assert_eq(ssh_rekey(p.side[side]), SSH_OK);
	p.hook = hold;
	for (int round = 0; round < 400 && p.kex_done[SSH_SERVER] < 2; round++) {
		pair_drain(&p, SSH_SERVER);
		seen |= 1u << p.side[SSH_SERVER]->kex->state;
		cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK, "state %d", p.side[SSH_SERVER]->kex->state);
		if (round == asked) {
			cr_assert_eq(ssh_chan_request(p.side[SSH_SERVER], p.chan[SSH_SERVER], "held@test", 0, view_of(NULL, 0)), SSH_OK);
			said = 1;
		}
		cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK);
		if (ssh_repeat_need(p.side[SSH_SERVER], &e)) {
			pair_answer(&p, SSH_SERVER, &e);
			seen |= 1u << p.side[SSH_SERVER]->kex->state;
			cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK);
		}
		pair_move(&p, SSH_SERVER);
		pair_drain(&p, SSH_CLIENT);
		pair_move(&p, SSH_CLIENT);
	}
	p.hook = NULL;
	pair_run(&p);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(ssh_error(p.side[i]), SSH_OK, "%s", err_name(ssh_error(p.side[i])));
	cr_assert_eq(p.kex_done[SSH_CLIENT], 2u);
	cr_assert(said || asked > 0);
	if (said)
		cr_assert_not_null(memmem(buf_head(&p.events[SSH_CLIENT]), buf_len(&p.events[SSH_CLIENT]), request, strlen(request)), "the request that was held");
	pair_send(&p, SSH_SERVER, (const uint8_t *)"after", 5);
	pair_send(&p, SSH_CLIENT, (const uint8_t *)"after", 5);
	pair_free(&p);
	return seen;
}

Test(state, every_step_of_a_rekey)
{
	const char *kex;
	unsigned seen = 0;
	int on;

	for (size_t i = 0; (kex = alg_name(ALG_KEX, i, &on)) != NULL; i++)
		for (int begun = 0; begun < 3; begun++)
			for (int asked = 0; asked < (on ? 4 : 1); asked++)
				seen |= moved_in_rekey(kex, begun, asked);
	for (int k = KEX_IDLE; k < KEX_MAX; k++)
		if (k != KEX_WAIT_GEX_GROUP && k != KEX_WAIT_GEX_REPLY && k != KEX_WAIT_REPLY && k != KEX_WAIT_HOSTKEY_OK)
			cr_assert(seen & 1u << k, "never in %s", kex_state_name((enum kex_state)k));
}

/* Where the key that was shown is not there any more, nothing is signed with another. */
Test(state, the_key_that_was_shown)
{
	struct ssh_event e;
	struct privkey *was;
	struct pair p;

	pair_init(&p);
	pair_login(&p);
	pair_hostkey(&p, KEY_ED25519);
	p.hook = hold;
	cr_assert_eq(ssh_rekey(p.side[SSH_CLIENT]), SSH_OK);
	pair_run(&p);
	was = p.hostkeys[0];
	p.hostkeys[0] = p.hostkeys[1];
	p.hostkeys[1] = was;
	p.hostkey_count = 1;
	cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK);
	cr_assert_eq(ssh_repeat_need(p.side[SSH_SERVER], &e), 0);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_NO_SIGNER);
	p.hostkey_count = 2;
	pair_free(&p);
}

Test(state, age_of_the_keys_is_kept)
{
	struct pair p;

	pair_init(&p);
	p.policy[SSH_SERVER].rekey_ms = 3600000;
	pair_login(&p);
	p.now += 3000000;
	ssh_tick(p.side[SSH_SERVER], p.now);
	cr_assert_eq(replace(&p, SSH_SERVER), SSH_OK);
	ssh_tick(p.side[SSH_SERVER], p.now);
	cr_assert_eq(ssh_deadline(p.side[SSH_SERVER]), p.now + 600000);
	pair_free(&p);
}

/* Found by fuzzing: the two ciphers of a state exchanged, or of other rows than the names before them. */
Test(state, ciphers_are_what_the_names_say)
{
	struct pair p;
	struct buf b;
	struct ssh *s;
	uint8_t *at;

	exported(&p, SSH_SERVER, &b);
	at = memmem(buf_head(&b), buf_len(&b), "aes", 3);
	cr_assert_null(at, "the default has nothing to confuse");
	/* in a cipher: string name, string mac (empty), byte encrypt */
	at = memmem(buf_head(&b), buf_len(&b), "chacha20-poly1305@openssh.com\0\0\0\0\1", 34);
	cr_assert_not_null(at);
	at[33] = 0;
	cr_assert_eq(ssh_import(&s, &p.env[0], &p.policy[0], view_of(buf_head(&b), buf_len(&b)), 0), SSH_E_STATE);
	buf_drop(&b);
	pair_free(&p);
}
