#ifndef TESTS_USERAUTH_H
#define TESTS_USERAUTH_H
#include <criterion/criterion.h>

#include "ssh/kex.h"
#include "tests/unit/ssh/login_pair.h"

/* userauth - requests of login, as any client could write them. */

static const uint8_t ed_blob[51] = "\0\0\0\013ssh-ed25519\0\0\0\040abcdefghijklmnopqrstuvwxyz012345";
#define BLOB view_of(ed_blob, sizeof ed_blob)

static inline void request(struct body *x, const char *user, const char *service, const char *method)
{
	body_begin(x);
	wr_cstr(&x->w, user);
	wr_cstr(&x->w, service);
	wr_cstr(&x->w, method);
}

/* A pair that is at the beginning of login. */
static inline void start(struct lp *p)
{
	lp_start(p, 0, NULL);
	TAKE(p, SRV, AUTH_SERVICE);
	TAKE(p, CLI, AUTH_READY);
	NOTHING(p);
}

/* ... and in the middle of keyboard-interactive. */
static inline void prompted(struct lp *p)
{
	static const struct ssh_prompt one[] = { { "Password: ", 0 } };

	start(p);
	ssh_auth_interactive(p->side[CLI], "ada");
	lp_run(p);
	TAKE(p, SRV, AUTH_INTERACTIVE);
	cr_assert_eq(ssh_answer_prompt(p->side[SRV], "", "", one, 1), SSH_OK);
	lp_run(p);
	TAKE(p, CLI, AUTH_PROMPT);
}

/* The host key that the key exchange has shown. */
static inline struct view shown(const struct lp *p)
{
	const struct hostkey *key = kex_hostkey(p->side[SRV], p->side[SRV]->kex->now.sig);

	cr_assert_not_null(key);
	return view_of(key->blob, key->len);
}

/* A request by key whose signature covers the host key, OpenSSH PROTOCOL 3.1. */
static inline void bound(struct body *x, int is_signed, struct view hostkey)
{
	request(x, "ada", "ssh-connection", "publickey-hostbound-v00@openssh.com");
	wr_bool(&x->w, is_signed);
	wr_cstr(&x->w, "ssh-ed25519");
	wr_view(&x->w, BLOB);
	wr_view(&x->w, hostkey);
	if (is_signed)
		wr_cstr(&x->w, "a signature");
}

#endif
