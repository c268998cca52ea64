#include "guard/password.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "guard/proc.h"
#include "ssh/crypto/crypto.h"

static const char fake[] = "$5$rounds=1000$abcdefgh$";

static char *hash_of(const char *password, const char *setting)
{
	return strdup(crypt(password, setting));
}

Test(password, right_and_wrong)
{
	static const char *const settings[] = { "$6$rounds=1000$saltsalt$", "$5$rounds=1000$saltsalt$", "$1$saltsalt$",
		"$2b$04$abcdefghijklmnopqrstuu" };

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		char *h = hash_of("open sesame", settings[i]);

		cr_assert_eq(h[0], '$', "%s", settings[i]);
		cr_assert(password_matches(h, "open sesame", 0, fake), "%s", settings[i]);
		cr_assert_not(password_matches(h, "open sesamE", 0, fake));
		cr_assert_not(password_matches(h, "", 0, fake));
		cr_assert_not(password_matches(h, "", 1, fake));
		free(h);
	}
}

/* Whatever stands in the field and however long the password is: no hash of a known kind, no way in. */
Test(password, fields_that_open_to_nobody)
{
	static const char *const fields[] = {
		"*", "!", "!!", "*0", "*1", "x", "$", "$$", "$6$", "$6", "$5$", "$1$", "$y$", "$gy$", "$7$", "$2b$", "$2b$04$", "$6$salt", "$6$salt$",
		"$6$rounds=1000$salt$", "$y$j9T$", "$0$x", "$9$abc", "ab", "abJnggxhB/yWI" /* DES of "a" */, "_J9..rasmBYk8r9AiWNc",
		"!$6$rounds=1000$saltsalt$", "*LK*", ":", "$6$rounds=999999999999999999999$salt$x",
	};
	static const size_t lengths[] = { 0, 1, 72, 73, 255, 256, SSH_PASSWORD_MAX };
	char password[SSH_PASSWORD_MAX + 1];

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
			memset(password, 'a', lengths[k]);
			password[lengths[k]] = '\0';
			cr_assert_not(password_matches(fields[i], password, 0, fake), "%s, %zu", fields[i], lengths[k]);
			cr_assert_not(password_matches(fields[i], password, 1, fake), "%s, %zu, empty permitted", fields[i], lengths[k]);
		}
	cr_assert_not(password_matches(NULL, "a", 1, fake));
}

Test(password, a_locked_hash_stays_locked)
{
	char *h = hash_of("pw", "$5$rounds=1000$saltsalt$"), locked[400] = "!";

	strcat(locked, h);
	cr_assert_not(password_matches(locked, "pw", 0, fake));
	free(h);
}

Test(password, crypt_errors_never_match)
{
	cr_assert_not(password_matches("*0", "x", 0, "*0"));
	cr_assert_not(password_matches("$6$bad\nsalt$x", "x", 0, "*1"));
}

Test(password, empty_field)
{
	cr_assert(password_matches("", "", 1, fake));
	cr_assert_not(password_matches("", "", 0, fake));
	cr_assert_not(password_matches("", "x", 1, fake));
	cr_assert_not(password_matches("", "x", 0, fake));
}

Test(password, an_empty_password_needs_the_permission_even_when_it_is_right)
{
	char *h = hash_of("", "$5$rounds=1000$saltsalt$");

	cr_assert_not(password_matches(h, "", 0, fake));
	cr_assert(password_matches(h, "", 1, fake));
	free(h);
}

Test(password, ages)
{
	cr_assert(password_aged(0, -1, 100));
	cr_assert_not(password_aged(-1, 10, 100));
	cr_assert_not(password_aged(90, 10, 100));
	cr_assert(password_aged(89, 10, 100));
	cr_assert_not(password_aged(1, -1, 100));
}

/* ---- the child and the queue ---- */

static unsigned results;
static enum password_result last;

static void run_until(struct event_base *base, unsigned n)
{
	for (int i = 0; i < 3000 && results < n; i++) {
		struct timeval t = { 0, 20000 };

		event_base_loopexit(base, &t);
		event_base_dispatch(base);
	}
	cr_assert_eq(results, n);
}

static void on_counted(void *ctx, enum password_result r)
{
	(void)ctx;
	last = r;
	results++;
}

Test(password, nobody_and_impossible_ones_are_refused_by_the_child)
{
	struct event_base *base = event_base_new();
	struct password *p;
	char big[SSH_PASSWORD_MAX + 1];

	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_eq(proc_watch(base), SSH_OK);
	cr_assert_eq(password_start(&p, base, NULL, view_str("x"), 0, on_counted, NULL), SSH_OK);
	run_until(base, 1);
	cr_assert_eq(last, PASSWORD_NO);
	memset(big, 'x', sizeof big);
	cr_assert_eq(password_start(&p, base, "root", view_of(big, sizeof big), 1, on_counted, NULL), SSH_OK);
	run_until(base, 2);
	cr_assert_eq(last, PASSWORD_NO);
	cr_assert_eq(password_start(&p, base, "root", view_of("a\0b", 3), 1, on_counted, NULL), SSH_OK);
	run_until(base, 3);
	cr_assert_eq(last, PASSWORD_NO);
}

/* More than may run at once wait; cancelling some, running or waiting, holds nobody up. */
Test(password, queue)
{
	struct event_base *base = event_base_new();
	struct password *p[PASSWORDS_MAX * 3];
	unsigned n = sizeof p / sizeof p[0], cancelled = 0;

	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_eq(proc_watch(base), SSH_OK);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(password_start(&p[i], base, "no such user", view_str("x"), 0, on_counted, NULL), SSH_OK);
	for (unsigned i = 0; i < n; i += 3, cancelled++)
		password_cancel(p[i]);
	run_until(base, n - cancelled);
	cr_assert_eq(last, PASSWORD_NO);
}
