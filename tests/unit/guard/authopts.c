#include "guard/authopts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "ipc/permits.h"

static int parse(struct authopts *o, const char *text)
{
	const char *why;

	return authopts_parse(o, view_str(text), &why);
}

Test(authopts, flags)
{
	static const struct { const char *text; uint32_t permits; } rows[] = {
		{ "", PERMIT_ALL },
		{ "restrict", 0 },
		{ "RESTRICT", 0 },
		{ "no-pty", PERMIT_ALL & ~PERMIT_PTY },
		{ "No-PTY", PERMIT_ALL & ~PERMIT_PTY },
		{ "no-port-forwarding", PERMIT_ALL & ~PERMIT_FORWARD },
		{ "no-agent-forwarding", PERMIT_ALL & ~PERMIT_AGENT },
		{ "no-X11-forwarding", PERMIT_ALL & ~PERMIT_X11 },
		{ "no-user-rc", PERMIT_ALL & ~PERMIT_USER_RC },
		{ "restrict,pty", PERMIT_PTY },
		{ "restrict,port-forwarding", PERMIT_FORWARD },
		{ "restrict,agent-forwarding", PERMIT_AGENT },
		{ "restrict,X11-forwarding", PERMIT_X11 },
		{ "restrict,user-rc", PERMIT_USER_RC },
		{ "pty,restrict", 0 },
		{ "no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc", 0 },
		{ "permitopen=\"host:22\"", PERMIT_ALL & ~PERMIT_FORWARD },
		{ "permitlisten=\"8080\"", PERMIT_ALL & ~PERMIT_FORWARD },
		{ "verify-required,no-touch-required", PERMIT_ALL },
		{ "tunnel=\"0\",environment=\"A_1=b c\",principals=\"x\"", PERMIT_ALL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct authopts o;

		cr_assert_eq(parse(&o, rows[i].text), SSH_OK, "%s", rows[i].text);
		cr_assert_eq(o.permits, rows[i].permits, "%s: %x", rows[i].text, o.permits);
		cr_assert_eq(o.cert_authority, 0);
		authopts_drop(&o);
	}
}

/* One bad option makes the line unusable: a key with a misspelt restriction must not come in unrestricted. */
Test(authopts, bad_options)
{
	static const char *const rows[] = {
		",", "restrict,", ",restrict", "restrict,,pty", "nonsense", "no-restrict", "no-cert-authority", "restrictx", "pt",
		"command", "command=", "command=ls", "command=\"ls", "command=\"ls\"x", "command=\"ls\\\"", "command=\"a\",command=\"b\"",
		"from=\"a\",from=\"b\"", "expiry-time=\"2025\"", "expiry-time=\"20250230\"", "expiry-time=\"\"", "expiry-time=20250101",
		"environment=\"=x\"", "environment=\"a b=x\"", "environment=\"x\"", "no-command=\"x\"", "restrict pty", "restrict;pty",
		"no-", "no-no-pty", "\"", "=", "permitopen=", "tunnel=\"0", "restrict,\x80",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct authopts o;
		const char *why = NULL;

		cr_assert_eq(authopts_parse(&o, view_str(rows[i]), &why), SSH_E_FORMAT, "%s", rows[i]);
		cr_assert_not_null(why);
		authopts_drop(&o);
	}
}

Test(authopts, nul_inside)
{
	struct authopts o;
	const char *why;

	cr_assert_eq(authopts_parse(&o, view_of("pty\0,restrict", 13), &why), SSH_E_FORMAT);
	cr_assert_eq(authopts_parse(&o, view_of("command=\"a\0b\"", 13), &why), SSH_E_FORMAT);
	authopts_drop(&o);
}

Test(authopts, command_with_quotes)
{
	struct authopts o;

	cr_assert_eq(parse(&o, "command=\"echo \\\"a, b\\\" \\n\",no-pty"), SSH_OK);
	cr_assert_str_eq(o.command, "echo \"a, b\" \\n");
	cr_assert_eq(o.permits, PERMIT_ALL & ~PERMIT_PTY);
	authopts_drop(&o);
	cr_assert_eq(parse(&o, "command=\"\""), SSH_OK);
	cr_assert_str_eq(o.command, "", "an empty command is a command");
	authopts_drop(&o);
}

Test(authopts, from_and_expiry)
{
	struct authopts o;

	cr_assert_eq(parse(&o, "from=\"10.0.0.0/8,!10.1.1.1\",expiry-time=\"20300101Z\",expiry-time=\"20290101Z\",cert-authority"), SSH_OK);
	cr_assert_str_eq(o.from, "10.0.0.0/8,!10.1.1.1");
	cr_assert(o.expires);
	cr_assert_eq(o.expiry, 1861920000);
	cr_assert(o.cert_authority);
	authopts_drop(&o);
}

Test(authopts, too_long)
{
	struct authopts o;
	const char *why;
	size_t n = AUTHOPTS_TEXT_MAX + 100;
	char *text = malloc(n + 1);

	memset(text, 'x', n);
	memcpy(text, "command=\"", 9);
	text[n - 1] = '"';
	cr_assert_eq(authopts_parse(&o, view_of(text, n), &why), SSH_E_FORMAT);
	authopts_drop(&o);
	free(text);
}

Test(authopts, span)
{
	cr_assert_eq(authopts_span(view_str("restrict ssh-rsa")), 8);
	cr_assert_eq(authopts_span(view_str("command=\"a b\" x")), 13);
	cr_assert_eq(authopts_span(view_str("command=\"a \\\" b\"\tx")), 16);
	cr_assert_eq(authopts_span(view_str("command=\"a b")), SIZE_MAX);
	cr_assert_eq(authopts_span(view_str("pty")), 3);
}

Test(authopts, times)
{
	int64_t at;

	setenv("TZ", "UTC-2", 1);
	tzset();
	cr_assert_eq(authopts_time(view_str("19700102Z"), &at), SSH_OK);
	cr_assert_eq(at, 86400);
	cr_assert_eq(authopts_time(view_str("19700102"), &at), SSH_OK);
	cr_assert_eq(at, 86400 - 7200, "local time");
	cr_assert_eq(authopts_time(view_str("197001020102Z"), &at), SSH_OK);
	cr_assert_eq(at, 86400 + 3720);
	cr_assert_eq(authopts_time(view_str("19700102010203Z"), &at), SSH_OK);
	cr_assert_eq(at, 86400 + 3723);
	cr_assert_lt(authopts_time(view_str("19701302Z"), &at), 0);
	cr_assert_lt(authopts_time(view_str("19700100Z"), &at), 0);
	cr_assert_lt(authopts_time(view_str("197001022460Z"), &at), 0);
	cr_assert_lt(authopts_time(view_str("1970010 Z"), &at), 0);
	cr_assert_lt(authopts_time(view_str("Z"), &at), 0);
	cr_assert_lt(authopts_time(view_str(""), &at), 0);
}
