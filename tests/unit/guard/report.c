#include "guard/report.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"

static struct report who(const char *user, int valid, enum policy_method m)
{
	struct report r = { .user = user, .valid = valid, .method = m, .peer = { .port = 50122 } };

	addr_parse_ip(&r.peer, "192.0.2.7");
	r.peer.port = 50122;
	return r;
}

Test(report, sentences)
{
	struct report r = who("ada", 1, METHOD_PASSWORD);
	char t[REPORT_MAX];

	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_str_eq(report_result_text(&r, 1, t), "Accepted password for ada from 192.0.2.7 port 50122 ssh2");
	cr_assert_str_eq(report_result_text(&r, 0, t), "Failed password for ada from 192.0.2.7 port 50122 ssh2");
	cr_assert_str_eq(report_tries_text(&r, t), "maximum authentication attempts exceeded for ada from 192.0.2.7 port 50122 ssh2 [preauth]");
	cr_assert_str_eq(report_root_text(&r, t), "ROOT LOGIN REFUSED FROM 192.0.2.7 port 50122");
	r = who("bob", 0, METHOD_INTERACTIVE);
	cr_assert_str_eq(report_result_text(&r, 0, t), "Failed keyboard-interactive for invalid user bob from 192.0.2.7 port 50122 ssh2");
	cr_assert_str_eq(report_invalid_text(&r, t), "Invalid user bob from 192.0.2.7 port 50122");
	cr_assert_str_eq(report_tries_text(&r, t), "maximum authentication attempts exceeded for invalid user bob from 192.0.2.7 port 50122 ssh2 [preauth]");
	r = who("", 0, METHOD_NONE);
	cr_assert_str_eq(report_result_text(&r, 0, t), "Failed none for invalid user  from 192.0.2.7 port 50122 ssh2");
}

Test(report, key)
{
	struct report r = who("ada", 1, METHOD_KEY);
	char t[REPORT_MAX];

	cr_assert_eq(crypto_init(), SSH_OK);
	r.alg = view_str("ssh-ed25519");
	r.blob = view_str("abc");	/* SHA-256 of "abc", FIPS 180-4, as base64 */
	cr_assert_str_eq(report_result_text(&r, 1, t),
	    "Accepted publickey for ada from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
	r.alg = view_str("rsa-sha2-256");
	report_result_text(&r, 0, t);
	cr_assert_not_null(strstr(t, "ssh2: RSA SHA256:"));
	r.alg = view_str("no such\nalgorithm");
	cr_assert_str_eq(report_result_text(&r, 0, t), "Failed publickey for ada from 192.0.2.7 port 50122 ssh2");
}

Test(report, hostile_names)
{
	char big[256], t[REPORT_MAX];
	struct report r = who("a\n\x1b[31mAccepted publickey for root", 0, METHOD_PASSWORD);

	report_invalid_text(&r, t);
	cr_assert_str_eq(t, "Invalid user a\\012\\033[31mAccepted publickey for root from 192.0.2.7 port 50122");
	r.user = "%n%s%1000d";
	report_invalid_text(&r, t);
	cr_assert_str_eq(t, "Invalid user %n%s%1000d from 192.0.2.7 port 50122");
	memset(big, '\xff', 255);
	big[255] = '\0';
	r.user = big;
	report_tries_text(&r, t);
	cr_assert_lt(strlen(t), 300);
	cr_assert_not_null(strstr(t, " from 192.0.2.7 port 50122 ssh2"), "the address is never pushed out of the line");
}

Test(report, levels)
{
	struct report r = who("ada", 1, METHOD_KEY);

	cr_assert_eq(report_result_level(&r, 1, 0), LOGL_INFO);
	cr_assert_eq(report_result_level(&r, 0, 0), LOGL_VERBOSE);
	cr_assert_eq(report_result_level(&r, 0, 1), LOGL_INFO);
	r.method = METHOD_PASSWORD;
	cr_assert_eq(report_result_level(&r, 0, 0), LOGL_INFO);
	r = who("ada", 0, METHOD_KEY);
	cr_assert_eq(report_result_level(&r, 0, 0), LOGL_INFO);
}
