#include "connection/answers.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "ipc/link.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "world.h"

static void expect(const char *what, const char *is, const char *should)
{
	cr_assert_str_eq(is, should, "%s heard \"%s\", not \"%s\"", what, is, should);
}

Test(answers, password_login)
{
	struct world w;

	world_init(&w);
	world_run(&w);
	expect("keysign", w.key_heard, "SIGN ");
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame ");
	expect("client", w.heard, "auth banner open ");
	expect("supervisor", w.sup_heard, "READY ");
	cr_assert_eq(link_state(w.conn.sup), W_AUTHED);
	cr_assert_eq(w.conn.answers.kept.v, NULL, "the password is gone");
	world_drop(&w);
}

Test(answers, no_and_partial)
{
	struct world w;

	world_init(&w);
	w.verdicts = 0;
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada ");
	world_verdict(&w, 0, 0, 0, "publickey,password", "");
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame ");
	world_verdict(&w, 0, 1, 0, "publickey,password", "");
	world_run(&w);
	expect("client", w.heard, "auth no:publickey,password ");
	ssh_auth_password(w.client, "ada", "other", NULL);
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame PASSWORD:other ");
	world_verdict(&w, 1, 0, 0, "publickey", "");
	world_run(&w);
	expect("client", w.heard, "auth no:publickey,password no:publickey+partial ");
	cr_assert_eq(link_state(w.conn.sup), W_UP);
	world_drop(&w);
}

Test(answers, too_many)
{
	struct world w;

	world_init(&w);
	w.verdicts = 0;
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "password", "");
	world_run(&w);
	world_verdict(&w, 0, 1, 1, "password", "");
	world_run(&w);
	expect("client", w.heard, "auth bye:2:Too many authentication failures ");
	cr_assert_eq(w.conn.over, 1);
	world_drop(&w);
}

Test(answers, another_user_is_not_allowed)
{
	struct world w;

	world_init(&w);
	w.verdicts = 0;
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "password", "");
	world_run(&w);
	world_verdict(&w, 0, 1, 0, "password", "");
	world_run(&w);
	ssh_auth_password(w.client, "root", "x", NULL);
	world_run(&w);
	cr_assert_not_null(strstr(w.heard, "bye:2:Change of username"), "%s", w.heard);
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame ");
	world_drop(&w);
}

Test(answers, interactive)
{
	struct world w;
	struct view answer = view_str("sesame");

	world_init(&w);
	w.logs_in = w.verdicts = 0;
	world_run(&w);
	ssh_auth_interactive(w.client, "ada");
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "keyboard-interactive", "");
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada INTERACT ");
	cr_assert_eq(link_say(w.auth, ROLE_AUTH, ROLE_CONN, W_UP, IPC_AUTH_PROMPT,
	    &(struct ipc_AUTH_PROMPT){ .req = w.auth_req, .text = view_str("Password: ") }, NULL, 0), SSH_OK);
	world_run(&w);
	expect("client", w.heard, "auth prompt:1 ");
	ssh_auth_reply(w.client, &answer, 1);
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada INTERACT REPLY:1:sesame ");
	world_verdict(&w, 3, 0, 0, "", "");
	world_run(&w);
	expect("client", w.heard, "auth prompt:1 open ");
	world_drop(&w);
}

/* A guard that died over a question is replaced, and asked again. */
Test(answers, auth_is_replaced)
{
	struct world w;

	world_init(&w);
	w.verdicts = 0;
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "password", "hi\n");
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame ");
	close(w.auth);
	w.auth = -1;
	world_run(&w);
	cr_assert_eq(w.conn.over, 0);
	w.auth_heard[0] = '\0';
	w.verdicts = 1;
	world_new_auth(&w);
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada PASSWORD:sesame ");
	expect("client", w.heard, "auth banner open ");
	world_drop(&w);
}

/* It remembers nothing of a conversation: the client may start another. */
Test(answers, auth_is_replaced_during_a_prompt)
{
	struct world w;
	struct view answer = view_str("sesame");

	world_init(&w);
	w.logs_in = w.verdicts = 0;
	world_run(&w);
	ssh_auth_interactive(w.client, "ada");
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "keyboard-interactive", "");
	world_run(&w);
	link_say(w.auth, ROLE_AUTH, ROLE_CONN, W_UP, IPC_AUTH_PROMPT,
	    &(struct ipc_AUTH_PROMPT){ .req = w.auth_req, .text = view_str("Password: ") }, NULL, 0);
	world_run(&w);
	world_new_auth(&w);
	world_run(&w);
	ssh_auth_reply(w.client, &answer, 1);
	world_run(&w);
	expect("client", w.heard, "auth prompt:1 no:keyboard-interactive ");
	world_drop(&w);
}

Test(answers, keysign_is_replaced)
{
	struct world w;

	world_init(&w);
	w.sign = 0;
	world_run(&w);
	expect("keysign", w.key_heard, "SIGN ");
	expect("client", w.heard, "");
	close(w.key);
	w.key = -1;
	world_run(&w);
	w.sign = 1;
	world_new_key(&w);
	world_run(&w);
	expect("keysign", w.key_heard, "SIGN SIGN ");
	expect("client", w.heard, "auth banner open ");
	world_drop(&w);
}

Test(answers, keysign_refuses)
{
	struct world w;

	world_init(&w);
	w.sign = 0;
	world_run(&w);
	link_say(w.key, ROLE_KEY, ROLE_CONN, W_UP, IPC_SIGNED, &(struct ipc_SIGNED){ .req = w.sign_req, .status = 1 }, NULL, 0);
	world_run(&w);
	cr_assert_eq(w.conn.over, 1);
	world_drop(&w);
}

/* An auth that says yes to a question about a key is no auth of ours. */
Test(answers, yes_without_a_proof_breaks_the_rules)
{
	struct world w;
	struct privkey *key = NULL;

	world_init(&w);
	w.logs_in = w.verdicts = 0;
	world_run(&w);
	cr_assert_eq(privkey_generate(&key, KEY_ED25519, 0), SSH_OK);
	ssh_auth_key_query(w.client, "ada", "ssh-ed25519", privkey_blob(key));
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "publickey", "");
	world_run(&w);
	expect("auth", w.auth_heard, "BEGIN:ada KEY_OK ");
	world_verdict(&w, 3, 0, 0, "", "");
	world_run(&w);
	cr_assert_eq(w.conn.authed, 0);
	cr_assert_eq(w.conn.over, 1);
	privkey_free(key);
	world_drop(&w);
}

Test(answers, key_ok_is_passed_on)
{
	struct world w;
	struct privkey *key = NULL;

	world_init(&w);
	w.logs_in = w.verdicts = 0;
	world_run(&w);
	cr_assert_eq(privkey_generate(&key, KEY_ED25519, 0), SSH_OK);
	ssh_auth_key_query(w.client, "ada", "ssh-ed25519", privkey_blob(key));
	world_run(&w);
	world_verdict(&w, 0, 0, 0, "publickey", "");
	world_run(&w);
	world_verdict(&w, 2, 0, 0, "publickey", "");
	world_run(&w);
	expect("client", w.heard, "auth keyok ");
	privkey_free(key);
	world_drop(&w);
}
