/* Messages of login cut at every byte, both ways. */
#include "tests/unit/ssh/userauth.h"

enum { NONE, PASSWORD, NEW_PASSWORD, QUERY, KEY, INTERACTIVE, BOUND_QUERY, BOUND_KEY, KINDS };

static void write_request(struct body *x, const struct lp *p, int kind)
{
	static const char *const method[KINDS] = {
		[NONE] = "none", [PASSWORD] = "password", [NEW_PASSWORD] = "password", [QUERY] = "publickey", [KEY] = "publickey",
		[INTERACTIVE] = "keyboard-interactive",
	};

	if (kind >= BOUND_QUERY) {
		bound(x, kind == BOUND_KEY, shown(p));
		return;
	}
	request(x, "ada", "ssh-connection", method[kind]);
	if (kind == INTERACTIVE)
		wr_cstr(&x->w, "en"), wr_cstr(&x->w, "pam");
	if (kind == NONE || kind == INTERACTIVE)
		return;
	wr_bool(&x->w, kind == NEW_PASSWORD || kind == KEY);
	if (kind == QUERY || kind == KEY)
		wr_cstr(&x->w, "ssh-ed25519");
	wr_view(&x->w, BLOB);
	if (kind == NEW_PASSWORD || kind == KEY)
		wr_cstr(&x->w, "sig or new");
}

/* Every request cut at every byte, and with one byte too many: the connection ends, nobody is asked. */
Test(userauth, every_truncation)
{
	for (int kind = 0; kind < KINDS; kind++) {
		size_t whole = 1000;

		for (size_t cut = 0; cut <= whole + 1; cut++) {
			struct body x;
			struct lp p;

			start(&p);
			p.deaf[CLI] = 1;
			write_request(&x, &p, kind);
			whole = buf_len(&x.b);
			if (cut < whole)
				buf_truncate(&x.b, cut);
			else if (cut > whole)
				wr_u8(&x.w, 0);
			body_inject(&x, &p, CLI, SSH_MSG_USERAUTH_REQUEST);
			if (cut == whole) {
				cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK, "kind %d", kind);
			} else {
				ENDED(&p, SRV, FORMAT);
				cr_assert(!lp_more(&p, SRV));
			}
			lp_stop(&p);
		}
	}
}

Test(userauth, every_truncation_of_an_answer)
{
	for (size_t cut = 0; cut <= 10; cut++) {
		struct lp p;

		if (cut == 9)
			continue;
		prompted(&p);
		lp_inject(&p, CLI, SSH_MSG_USERAUTH_INFO_RESPONSE, "\0\0\0\1\0\0\0\1xy", cut);
		ENDED(&p, SRV, FORMAT);
		lp_stop(&p);
	}
}

/* The same for what a server says. */
Test(userauth, every_truncation_at_the_client)
{
	static const struct { uint8_t type; const char *body; size_t n; int ask; } m[] = {
		{ SSH_MSG_USERAUTH_FAILURE, "\0\0\0\4none\0", 9, 0 },
		{ SSH_MSG_USERAUTH_BANNER, "\0\0\0\2hi\0\0\0\2en", 12, 0 },
		{ SSH_MSG_USERAUTH_60, "\0\0\0\1p\0\0\0\0", 9, 1 },
		{ SSH_MSG_USERAUTH_60, "\0\0\0\1n\0\0\0\1i\0\0\0\0\0\0\0\2\0\0\0\1a\1\0\0\0\1b\0", 30, 2 },
	};

	for (size_t i = 0; i < sizeof m / sizeof *m; i++)
		for (size_t cut = 0; cut <= m[i].n; cut++) {
			struct lp p;

			start(&p);
			if (m[i].ask == 0)
				ssh_auth_none(p.side[CLI], "ada");
			else if (m[i].ask == 1)
				ssh_auth_password(p.side[CLI], "ada", "x", NULL);
			else
				ssh_auth_interactive(p.side[CLI], "ada");
			lp_inject(&p, SRV, m[i].type, m[i].body, cut);
			if (cut == m[i].n)
				cr_assert_eq(ssh_error(p.side[CLI]), SSH_OK, "%zu", i);
			else
				ENDED(&p, CLI, FORMAT);
			lp_stop(&p);
		}
}
