#include "tests/unit/ssh/userauth.h"

#include <stdio.h>

Test(userauth, none_lists_methods)
{
	struct lp p;
	const struct ssh_event *e;

	start(&p);
	cr_assert_eq(ssh_auth_none(p.side[CLI], "ada"), SSH_OK);
	cr_assert_eq(ssh_auth_none(p.side[CLI], "ada"), SSH_E_NOT_NOW, "one at a time");
	lp_run(&p);
	e = TAKE(&p, SRV, AUTH_NONE);
	cr_assert(view_is(e->user, "ada") && view_is(e->service, "ssh-connection"));
	NOTHING(&p);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, "publickey,password", 0), SSH_OK);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_YES, NULL, 0), SSH_E_NOT_NOW, "answered once");
	lp_run(&p);
	e = TAKE(&p, CLI, AUTH_FAILURE);
	cr_assert(view_is(e->text, "publickey,password") && !e->partial);
	LIVES(&p);
	lp_stop(&p);
}

static const uint8_t *seen;
static int wiped;
static void answer_password(struct lp *p, int side, const struct ssh_event *e)
{
	if (e->type != SSH_EV_AUTH_PASSWORD)
		return;
	(void)side;
	seen = e->data.p;
	cr_assert(view_is(e->data, "hunter2"));
	cr_assert_eq(ssh_answer_auth(p->side[SRV], SSH_AUTH_YES, NULL, 0), SSH_OK);
	wiped = 1;
	for (size_t i = 0; i < 7; i++)
		wiped &= seen[i] == 0;
	/* the record of the event would keep a copy of zeros */
}

Test(userauth, password_is_wiped_after_the_answer)
{
	struct lp p;

	start(&p);
	p.hook = answer_password;
	ssh_auth_password(p.side[CLI], "ada", "hunter2", NULL);
	lp_run(&p);
	cr_assert(wiped);
	TAKE(&p, SRV, AUTH_PASSWORD);
	TAKE(&p, SRV, OPEN);
	TAKE(&p, CLI, OPEN);
	cr_assert_eq(ssh_auth_none(p.side[CLI], "ada"), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_send_banner(p.side[SRV], "late"), SSH_E_NOT_NOW);
	lp_stop(&p);
}

Test(userauth, change_and_long_passwords_fail_without_a_question)
{
	struct lp p;
	char *big = malloc(SSH_PASSWORD_MAX + 2);

	memset(big, 'x', SSH_PASSWORD_MAX + 1);
	big[SSH_PASSWORD_MAX + 1] = '\0';
	start(&p);
	ssh_auth_password(p.side[CLI], "ada", "old", "new");
	lp_run(&p);
	TAKE(&p, CLI, AUTH_FAILURE);
	ssh_auth_password(p.side[CLI], "ada", big, NULL);
	lp_run(&p);
	TAKE(&p, CLI, AUTH_FAILURE);
	NOTHING(&p);
	big[SSH_PASSWORD_MAX] = '\0';
	ssh_auth_password(p.side[CLI], "ada", big, NULL);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, SRV, AUTH_PASSWORD)->data.len, SSH_PASSWORD_MAX);
	LIVES(&p);
	free(big);
	lp_stop(&p);
}

Test(userauth, key_query_then_key)
{
	struct lp p;
	const struct ssh_event *e;

	start(&p);
	ssh_auth_key_query(p.side[CLI], "ada", "ssh-ed25519", BLOB);
	lp_run(&p);
	e = TAKE(&p, SRV, AUTH_KEY_QUERY);
	cr_assert(view_is(e->alg, "ssh-ed25519") && view_same(e->data, BLOB));
	/* a query proves nothing: it can never log anybody in */
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_YES, NULL, 0), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_PARTIAL, NULL, 0), SSH_E_NOT_NOW);
	cr_assert_eq(p.side[SRV]->authenticated, 0);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_KEY_OK, NULL, 0), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, CLI, AUTH_KEY_OK);
	cr_assert(view_is(e->alg, "ssh-ed25519") && view_same(e->data, BLOB));
	ssh_auth_key(p.side[CLI], "ada", "ssh-ed25519", BLOB, view_str("a signature"));
	lp_run(&p);
	e = TAKE(&p, SRV, AUTH_KEY);
	cr_assert(view_same(e->data, BLOB) && view_is(e->data2, "a signature"));
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_KEY_OK, NULL, 0), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_PARTIAL, "password", 1), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, CLI, AUTH_FAILURE);
	cr_assert(e->partial && view_is(e->text, "password"));
	LIVES(&p);
	lp_stop(&p);
}

/* Every pair of algorithm and key type: only the rows of algs.def that are listed come through. */
Test(userauth, algorithm_and_blob_must_be_one_row)
{
	static const char *algs[] = { "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa",
		"ssh-dss", "", "rsa-sha2-512,rsa-sha2-256" };
	static const char *keys[] = { "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "rsa-sha2-512", "" };
	static const char *good[] = { "ssh-ed25519/ssh-ed25519", "ecdsa-sha2-nistp256/ecdsa-sha2-nistp256",
		"rsa-sha2-512/ssh-rsa" };
	struct ssh_policy policy[2];
	struct lp p;

	ssh_policy_defaults(&policy[CLI]);
	ssh_policy_defaults(&policy[SRV]);
	policy[SRV].sig_algs = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,ssh-dss";
	policy[SRV].max_auth_tries = 1000;
	lp_start(&p, 0, policy);
	for (size_t a = 0; a < sizeof algs / sizeof *algs; a++)
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			char name[64];
			struct body blob;
			int fits = 0;

			snprintf(name, sizeof name, "%s/%s", algs[a], keys[k]);
			for (size_t i = 0; i < sizeof good / sizeof *good; i++)
				fits |= !strcmp(name, good[i]);
			body_begin(&blob);
			wr_cstr(&blob.w, keys[k]);
			wr_cstr(&blob.w, "key");
			lp_forget(&p);
			ssh_auth_key(p.side[CLI], "ada", algs[a], view_of(buf_head(&blob.b), buf_len(&blob.b)),
			    view_str("sig"));
			lp_run(&p);
			cr_assert_eq(lp_take(&p, SRV, SSH_EV_AUTH_KEY) != NULL, fits, "%s", name);
			if (fits)
				ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 1);
			lp_run(&p);
			TAKE(&p, CLI, AUTH_FAILURE);
			buf_drop(&blob.b);
		}
	LIVES(&p);
	lp_stop(&p);
}

Test(userauth, interactive_rounds)
{
	static const struct ssh_prompt two[] = { { "Password: ", 0 }, { "Colour: ", 1 } };
	struct view answers[2] = { view_str("hunter2"), view_str("red") };
	const struct ssh_event *e;
	struct rd in;
	struct lp p;

	start(&p);
	ssh_auth_interactive(p.side[CLI], "ada");
	lp_run(&p);
	TAKE(&p, SRV, AUTH_INTERACTIVE);
	cr_assert_eq(ssh_answer_prompt(p.side[SRV], "Name", "Do it", two, 2), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, CLI, AUTH_PROMPT);
	cr_assert(view_is(e->text, "Name") && view_is(e->data2, "Do it"));
	cr_assert_eq(e->count, 2);
	in = rd_view(e->data);
	cr_assert(view_is(rd_string(&in, 99), "Password: "));
	cr_assert_eq(rd_bool(&in), 0);
	cr_assert(view_is(rd_string(&in, 99), "Colour: "));
	cr_assert_eq(rd_bool(&in), 1);
	cr_assert_eq(rd_done(&in), SSH_OK);
	cr_assert_eq(ssh_auth_reply(p.side[CLI], answers, 1), SSH_E_NOT_NOW, "as many as asked");
	cr_assert_eq(ssh_auth_reply(p.side[CLI], answers, 2), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, SRV, AUTH_REPLY);
	cr_assert_eq(e->count, 2);
	in = rd_view(e->data);
	cr_assert(view_is(rd_string(&in, 99), "hunter2") && view_is(rd_string(&in, 99), "red"));
	cr_assert_eq(rd_done(&in), SSH_OK);
	cr_assert_eq(ssh_answer_prompt(p.side[SRV], "", "", NULL, 0), SSH_OK, "a round without prompts");
	lp_run(&p);
	cr_assert_eq(TAKE(&p, CLI, AUTH_PROMPT)->count, 0);
	cr_assert_eq(ssh_auth_reply(p.side[CLI], NULL, 0), SSH_OK);
	lp_run(&p);
	TAKE(&p, SRV, AUTH_REPLY);
	ssh_answer_auth(p.side[SRV], SSH_AUTH_YES, NULL, 0);
	lp_run(&p);
	TAKE(&p, CLI, OPEN);
	TAKE(&p, SRV, OPEN);
	lp_stop(&p);
}

Test(userauth, wrong_number_of_answers_fails_the_round)
{
	struct lp p;

	prompted(&p);
	lp_inject(&p, CLI, SSH_MSG_USERAUTH_INFO_RESPONSE, "\377\377\377\377", 4);
	TAKE(&p, CLI, AUTH_FAILURE);
	NOTHING(&p);
	LIVES(&p);
	lp_inject(&p, CLI, SSH_MSG_USERAUTH_INFO_RESPONSE, "\0\0\0\1\0\0\0\1x", 9);
	ENDED(&p, SRV, PROTOCOL);
	lp_stop(&p);
}

Test(userauth, new_request_abandons_the_round)
{
	struct lp p;

	prompted(&p);
	cr_assert_eq(ssh_auth_none(p.side[CLI], "ada"), SSH_OK);
	lp_run(&p);
	TAKE(&p, SRV, AUTH_NONE);
	ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 0);
	lp_run(&p);
	TAKE(&p, CLI, AUTH_FAILURE);
	lp_inject(&p, CLI, SSH_MSG_USERAUTH_INFO_RESPONSE, "\0\0\0\1\0\0\0\1x", 9);
	ENDED(&p, SRV, PROTOCOL);
	lp_stop(&p);
}

Test(userauth, user_and_service_stay)
{
	static const char *second[][3] = { { "eve", "ssh-connection" }, { "ad", "ssh-connection" },
		{ "ada", "ssh-userauth" }, { "adaa", "ssh-connection" } };

	for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
		struct body x;
		struct lp p;

		start(&p);
		request(&x, "ada", "ssh-connection", "none");
		body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
		TAKE(&p, SRV, AUTH_NONE);
		ssh_answer_auth(p.side[SRV], SSH_AUTH_PARTIAL, NULL, 0);
		lp_events(&p, SRV);
		request(&x, second[i][0], second[i][1], "none");
		body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
		ENDED(&p, SRV, PROTOCOL);
		cr_assert(!lp_more(&p, SRV));
		lp_stop(&p);
	}
}

Test(userauth, only_ssh_connection_after_login)
{
	struct body x;
	struct lp p;

	start(&p);
	request(&x, "ada", "ssh-userauth", "none");
	body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
	ENDED(&p, SRV, SERVICE);
	lp_stop(&p);
}

Test(userauth, odd_user_names_are_cut_never_trusted)
{
	char *big = malloc(20001);
	struct body x;
	struct lp p;

	memset(big, 'a', 20000);
	big[20000] = '\0';
	start(&p);
	ssh_auth_none(p.side[CLI], big);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, SRV, AUTH_NONE)->user.len, SSH_USER_MAX);
	lp_stop(&p);
	start(&p);
	body_begin(&x);
	wr_string(&x.w, "ro\0ot", 5);
	wr_cstr(&x.w, "ssh-connection");
	wr_cstr(&x.w, "none");
	body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
	cr_assert(view_same(TAKE(&p, SRV, AUTH_NONE)->user, view_of("ro\0ot", 5)));
	lp_stop(&p);
	free(big);
}

Test(userauth, tries_are_counted)
{
	struct lp p;

	start(&p);
	for (int i = 0; i < 5; i++) {
		ssh_auth_password(p.side[CLI], "ada", "wrong", NULL);
		lp_run(&p);
		cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 1), SSH_OK);
		lp_run(&p);
		ssh_auth_none(p.side[CLI], "ada");
		lp_run(&p);
		cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 0), SSH_OK);
		lp_run(&p);
	}
	LIVES(&p);
	ssh_auth_password(p.side[CLI], "ada", "wrong", NULL);
	lp_run(&p);
	cr_assert_eq(ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 1), SSH_E_AUTH);
	ENDED(&p, SRV, AUTH);
	lp_stop(&p);
}

Test(userauth, unknown_methods_and_algorithms_count_too)
{
	struct body x;
	struct lp p;

	start(&p);
	p.deaf[CLI] = 1;		/* it asked for none of the answers */
	for (int i = 0; i < 6; i++) {
		LIVES(&p);
		request(&x, "ada", "ssh-connection", "hostbased");
		wr_raw(&x.w, "whatever", 8);
		body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
		cr_assert(!lp_more(&p, SRV));
		if (i < 5)
			cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK);
	}
	ENDED(&p, SRV, AUTH);
	lp_stop(&p);
}

Test(userauth, requests_of_any_kind_are_bounded)
{
	struct lp p;
	unsigned n = 0;

	start(&p);
	for (; ssh_error(p.side[SRV]) == SSH_OK; n++) {
		cr_assert(n <= SSH_AUTH_REQUESTS);
		ssh_auth_none(p.side[CLI], "ada");
		lp_run(&p);
		ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 0);
		lp_run(&p);
	}
	cr_assert_eq(n, SSH_AUTH_REQUESTS + 1);
	ENDED(&p, SRV, AUTH);
	lp_stop(&p);
}

Test(userauth, pipelined_requests_wait_their_turn)
{
	struct body x;
	struct lp p;

	start(&p);
	ssh_auth_none(p.side[CLI], "ada");
	request(&x, "ada", "ssh-connection", "keyboard-interactive");
	wr_cstr(&x.w, "");
	wr_cstr(&x.w, "");
	body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
	TAKE(&p, SRV, AUTH_NONE);
	NOTHING(&p);
	ssh_answer_auth(p.side[SRV], SSH_AUTH_NO, NULL, 1);
	lp_events(&p, SRV);
	TAKE(&p, SRV, AUTH_INTERACTIVE);
	cr_assert(!lp_more(&p, SRV));
	lp_stop(&p);
}

Test(userauth, requests_after_success_are_ignored)
{
	struct body x;
	struct lp p;

	lp_start(&p, 1, NULL);
	request(&x, "eve", "ssh-nothing", "password");
	body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
	lp_inject(&p, CLI, SSH_MSG_USERAUTH_REQUEST, "x", 1);
	NOTHING(&p);
	LIVES(&p);
	cr_assert_eq(ssh_output_len(p.side[SRV]), 0);
	lp_stop(&p);
}

Test(userauth, banner)
{
	char *big = malloc(SSH_BANNER_MAX + 2);
	struct lp p;

	memset(big, 'b', SSH_BANNER_MAX + 1);
	big[SSH_BANNER_MAX + 1] = '\0';
	start(&p);
	cr_assert_eq(ssh_send_banner(p.side[SRV], big), SSH_E_FULL);
	cr_assert_eq(ssh_send_banner(p.side[SRV], "Welcome\n"), SSH_OK);
	lp_run(&p);
	cr_assert(view_is(TAKE(&p, CLI, AUTH_BANNER)->text, "Welcome\n"));
	big[SSH_BANNER_MAX] = '\0';
	cr_assert_eq(ssh_send_banner(p.side[SRV], big), SSH_OK);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, CLI, AUTH_BANNER)->text.len, SSH_BANNER_MAX);
	LIVES(&p);
	free(big);
	lp_stop(&p);
}

/* What a hostile server may say out of turn. */
Test(userauth, client_takes_no_answer_it_did_not_ask_for)
{
	static const struct { uint8_t type; const char *body; size_t n; } bad[] = {
		{ SSH_MSG_USERAUTH_SUCCESS, "", 0 },
		{ SSH_MSG_USERAUTH_FAILURE, "\0\0\0\4none\0", 9 },
		{ SSH_MSG_USERAUTH_60, "\0\0\0\1p\0\0\0\0", 9 },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct lp p;

		start(&p);
		lp_inject(&p, SRV, bad[i].type, bad[i].body, bad[i].n);
		ENDED(&p, CLI, PROTOCOL);
		cr_assert_eq(p.side[CLI]->authenticated, 0);
		lp_stop(&p);
	}
}

Test(userauth, client_checks_which_key_is_ok)
{
	struct body x;
	struct lp p;

	start(&p);
	ssh_auth_key_query(p.side[CLI], "ada", "ssh-ed25519", BLOB);
	body_begin(&x);
	wr_cstr(&x.w, "ssh-ed25519");
	wr_cstr(&x.w, "another key");
	body_inject(&x, &p, SRV, SSH_MSG_USERAUTH_60);
	ENDED(&p, CLI, PROTOCOL);
	lp_stop(&p);
}

Test(userauth, client_hears_that_a_password_is_too_old)
{
	struct body x;
	struct lp p;

	start(&p);
	ssh_auth_password(p.side[CLI], "ada", "old", NULL);
	body_begin(&x);
	wr_cstr(&x.w, "New one, please");
	wr_cstr(&x.w, "en");
	body_inject(&x, &p, SRV, SSH_MSG_USERAUTH_60);
	cr_assert(view_is(TAKE(&p, CLI, AUTH_CHANGE)->text, "New one, please"));
	cr_assert_eq(ssh_auth_password(p.side[CLI], "ada", "old", "new"), SSH_OK);
	lp_stop(&p);
}

/* RFC 4252 7, byte for byte. */
Test(userauth, signed_text)
{
	static const char text[] = "\0\0\0\2id\062\0\0\0\1u\0\0\0\016ssh-connection\0\0\0\011publickey\1\0\0\0\1a\0\0\0\1b";
	struct buf b;

	buf_init(&b, 1000, NULL);
	cr_assert_eq(ssh_auth_key_text(&b, view_str("id"), view_str("u"), view_str("ssh-connection"), view_str("a"),
	    view_str("b"), view_of(NULL, 0)), SSH_OK);
	cr_assert(view_same(view_of(buf_head(&b), buf_len(&b)), view_of(text, sizeof text - 1)));
	buf_drop(&b);
}

/* OpenSSH PROTOCOL 3.1, byte for byte. */
Test(userauth, signed_text_with_a_host_key)
{
	static const char text[] = "\0\0\0\2id\062\0\0\0\1u\0\0\0\016ssh-connection"
	    "\0\0\0\043publickey-hostbound-v00@openssh.com\1\0\0\0\1a\0\0\0\1b\0\0\0\1h";
	struct buf b;

	buf_init(&b, 1000, NULL);
	cr_assert_eq(ssh_auth_key_text(&b, view_str("id"), view_str("u"), view_str("ssh-connection"), view_str("a"),
	    view_str("b"), view_str("h")), SSH_OK);
	cr_assert(view_same(view_of(buf_head(&b), buf_len(&b)), view_of(text, sizeof text - 1)));
	buf_drop(&b);
}

Test(userauth, bound_to_the_host_key)
{
	for (int is_signed = 0; is_signed < 2; is_signed++) {
		const struct ssh_event *e;
		struct body x;
		struct lp p;

		start(&p);
		p.deaf[CLI] = 1;
		bound(&x, is_signed, shown(&p));
		body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
		e = lp_take(&p, SRV, is_signed ? SSH_EV_AUTH_KEY : SSH_EV_AUTH_KEY_QUERY);
		cr_assert_not_null(e);
		cr_assert(view_same(e->data, BLOB) && view_same(e->data3, shown(&p)));
		cr_assert(view_is(e->data2, is_signed ? "a signature" : ""));
		cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK);
		lp_stop(&p);
	}
}

/* Whoever signed for another host did not mean us: the end, as in sshd. */
Test(userauth, bound_to_another_host_key)
{
	for (int i = 0; i < 6; i++) {
		struct body x;
		struct lp p;

		start(&p);
		p.deaf[CLI] = 1;
		bound(&x, i & 1, i < 2 ? BLOB : i < 4 ? view_of(shown(&p).p, shown(&p).len - 1) : view_of(NULL, 0));
		body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
		ENDED(&p, SRV, PROTOCOL);
		cr_assert(!lp_more(&p, SRV), "%d: nobody is asked", i);
		lp_stop(&p);
	}
}
