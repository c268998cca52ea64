#include "connection/prove.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"
#include "world.h"

/* prove - a client asks for proofs of our host keys: in order, at most so often, over a new keysign, a move and a crash. */

static void ask_global(struct world *w, const char *type, struct view rest)
{
	cr_assert_eq(ssh_global_request(w->client, type, 1, rest), SSH_OK);
}

/* Both keys, the second one first. */
static void ask(struct world *w)
{
	struct buf b;
	struct wr wr = wr_to(&b);

	buf_init(&b, 1 << 16, NULL);
	wr_view(&wr, privkey_blob(w->host2));
	wr_view(&wr, privkey_blob(w->host));
	ask_global(w, "hostkeys-prove-00@openssh.com", view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
}

static void other(struct world *w, int ok)
{
	ask_global(w, ok ? "no-more-sessions@openssh.com" : "keepalive@openssh.com", view_of(NULL, 0));
}

static void expect(const char *heard, const char *is)
{
	cr_assert_str_eq(heard, is, "heard \"%s\", not \"%s\"", heard, is);
}

/* Somebody is logged in. */
static void begin(struct world *w)
{
	world_init(w);
	world_login(w);
	world_forget(w);
}

Test(prove, one_key_after_the_other)
{
	struct world w;

	begin(&w);
	ask(&w);
	world_run(&w);
	expect(w.key_heard, "PROVE:1 PROVE:0 ");
	expect(w.heard, "gok ");
	cr_assert_eq(w.proofs_ok, 2);
	world_drop(&w);
}

Test(prove, answers_keep_their_order)
{
	struct world w;

	begin(&w);
	other(&w, 0);
	ask(&w);
	other(&w, 0);
	ask(&w);		/* while one is under way: no */
	other(&w, 0);
	world_run(&w);
	expect(w.heard, "gfail gok gfail gfail gfail ");
	cr_assert_eq(w.proofs_ok, 2);
	world_drop(&w);
}

Test(prove, not_for_ever)
{
	struct world w;

	begin(&w);
	for (unsigned i = 0; i < PROVES_MAX + 3; i++) {
		ask(&w);
		world_run(&w);
	}
	expect(w.heard, "gok gok gok gok gfail gfail gfail ");
	world_drop(&w);
}

Test(prove, keysign_says_no)
{
	struct world w;

	begin(&w);
	w.sign = 0;
	ask(&w);
	other(&w, 0);
	world_run(&w);
	expect(w.heard, "");
	link_say(w.key, ROLE_KEY, ROLE_CONN, W_UP, IPC_SIGNED, &(struct ipc_SIGNED){ .req = w.sign_req, .status = SIGNED_FAILED }, NULL, 0);
	world_run(&w);
	expect(w.heard, "gfail gfail ");
	w.sign = 1;
	ask(&w);
	world_run(&w);
	expect(w.heard, "gfail gfail gok ");
	world_drop(&w);
}

Test(prove, a_new_keysign_is_asked_again)
{
	struct world w;

	begin(&w);
	w.sign = 0;
	ask(&w);
	world_run(&w);
	w.sign = 1;
	world_new_key(&w);
	world_run(&w);
	expect(w.key_heard, "PROVE:1 PROVE:1 PROVE:0 ");
	expect(w.heard, "gok ");
	cr_assert_eq(w.proofs_ok, 2);
	world_drop(&w);
}

/* keysign hears one question at a time. */
Test(prove, a_key_exchange_waits_for_it_and_it_for_a_key_exchange)
{
	struct world w;

	begin(&w);
	w.sign = 0;
	ask(&w);
	world_run(&w);
	cr_assert_eq(ssh_rekey(w.client), SSH_OK);
	world_run(&w);
	expect(w.key_heard, "PROVE:1 ");
	w.sign = 1;
	world_new_key(&w);
	world_run(&w);
	expect(w.key_heard, "PROVE:1 SIGN PROVE:1 PROVE:0 ");
	expect(w.heard, "gok ");
	cr_assert_eq(w.proofs_ok, 2);
	world_forget(&w);
	w.sign = 0;
	cr_assert_eq(ssh_rekey(w.client), SSH_OK);
	world_run(&w);
	expect(w.key_heard, "SIGN ");
	w.sign = 1;
	world_new_key(&w);
	ask(&w);
	world_run(&w);
	expect(w.key_heard, "SIGN SIGN PROVE:1 PROVE:0 ");
	cr_assert_eq(w.proofs_ok, 4);
	world_drop(&w);
}

/* With none and with one of two signatures there. */
Test(prove, moves_in_the_middle)
{
	for (unsigned at = 0; at < 2; at++) {
		struct world w;

		world_init(&w);
		world_login(&w);
		world_forget(&w);
		w.sign = (int)at;
		ask(&w);
		other(&w, 0);
		while (strstr(w.key_heard, at ? "PROVE:0" : "PROVE:1") == NULL) {
			if (strstr(w.key_heard, "PROVE:1") != NULL)
				w.sign = 0;
			world_step(&w);
		}
		w.sign = 0;
		cr_assert_eq(world_move(&w), HANDOFF_STILL);
		cr_assert_eq(buf_len(&w.conn.prove.sigs) > 0, at);
		w.sign = 1;
		world_new_key(&w);
		world_run(&w);
		expect(w.heard, "gok gfail ");
		cr_assert_eq(w.proofs_ok, 2, "moved at %u", at);
		world_forget(&w);	/* and what was counted is counted on */
		for (unsigned i = 0; i < PROVES_MAX; i++) {
			ask(&w);
			world_run(&w);
		}
		expect(w.heard, "gok gok gok gfail ");
		world_drop(&w);
	}
}

/* Killed with a proof under way, at many places: the successor goes on and the client hears what it would have heard. */
Test(prove, dies_in_the_middle)
{
	unsigned revived = 0;

	for (unsigned every = 2; every < 9; every++) {
		struct world w;

		world_init(&w);
		world_login(&w);
		world_forget(&w);
		w.dies = every;
		ask(&w);
		other(&w, 0);
		world_run(&w);
		other(&w, 0);
		ask(&w);
		world_run(&w);
		w.dies = 0;
		world_run(&w);
		expect(w.heard, "gok gfail gfail gok ");
		cr_assert_eq(w.proofs_ok, 4, "dies at every %u", every);
		revived += w.revived;
		world_drop(&w);
	}
	cr_assert_gt(revived, 5u);
}
