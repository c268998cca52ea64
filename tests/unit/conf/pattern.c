#include "tests/unit/conf/help.h"

Test(conf_pattern, globs)
{
	static const struct { const char *text, *pattern; int match; } t[] = {
		{ "", "", 1 }, { "", "*", 1 }, { "", "?", 0 }, { "a", "", 0 }, { "abc", "abc", 1 }, { "abc", "ab", 0 },
		{ "abc", "a*", 1 }, { "abc", "*c", 1 }, { "abc", "*b*", 1 }, { "abc", "a?c", 1 }, { "abc", "a?", 0 },
		{ "abcabd", "*abd", 1 }, { "aaa", "*a*a*a*", 1 }, { "aaa", "*a*a*a*a*", 0 }, { "a*b", "a*b", 1 },
		{ "abc", "***", 1 }, { "abc", "A*", 0 }, { "abc", "a**?", 1 },
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		cr_assert_eq(conf_glob(t[i].text, t[i].pattern, 0), t[i].match, "%s %s", t[i].text, t[i].pattern);
	cr_assert_eq(conf_glob("ABC", "a*C", 1), 1);
}

Test(conf_pattern, many_stars_take_no_exponential_time)
{
	char text[2001], pattern[401];

	memset(text, 'a', 2000);
	text[2000] = '\0';
	for (int i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	pattern[400] = '\0';
	cr_assert_eq(conf_glob(text, pattern, 0), 1);
	pattern[399] = 'b';
	cr_assert_eq(conf_glob(text, pattern, 0), 0);
}

Test(conf_pattern, lists)
{
	cr_assert_eq(conf_pattern_list("bob", "alice,bob", 0), 1);
	cr_assert_eq(conf_pattern_list("bob", "alice", 0), 0);
	cr_assert_eq(conf_pattern_list("bob", "b*,!bob", 0), -1);
	cr_assert_eq(conf_pattern_list("bob", "!bob,b*", 0), -1);
	cr_assert_eq(conf_pattern_list("bob", "!alice", 0), 0);
	cr_assert_eq(conf_pattern_list("bob", "!alice,*", 0), 1);
	cr_assert_eq(conf_pattern_list("BOB", "bob", 0), 0);
	cr_assert_eq(conf_pattern_list("BOB", "bob", 1), 1);
	cr_assert_eq(conf_pattern_list("", ",", 0), 0);
}

static int in(const char *ip, const char *list)
{
	struct addr a = { 0 };

	if (ip != NULL)
		cr_assert_eq(addr_parse_ip(&a, ip), SSH_OK);
	return conf_address_list(&a, list);
}

Test(conf_pattern, addresses)
{
	cr_assert_eq(in("10.1.2.3", "10.0.0.0/8"), 1);
	cr_assert_eq(in("11.1.2.3", "10.0.0.0/8"), 0);
	cr_assert_eq(in("10.1.2.3", "!10.1.0.0/16,10.0.0.0/8"), -1);
	cr_assert_eq(in("10.2.2.3", "!10.1.0.0/16,10.0.0.0/8"), 1);
	cr_assert_eq(in("10.1.2.3", "10.0.0.0/8,!10.1.2.3"), -1);
	cr_assert_eq(in("10.1.2.3", "10.1.2.3"), 1);
	cr_assert_eq(in("10.1.2.3", "10.1.*"), 1);
	cr_assert_eq(in("10.1.2.3", "*"), 1);
	cr_assert_eq(in("::ffff:10.1.2.3", "10.0.0.0/8"), 1);
	cr_assert_eq(in("2001:db8::1", "2001:DB8::/32"), 1);
	cr_assert_eq(in("2001:db8::1", "2001:db8:0:0:0:0:0:1"), 1);
	cr_assert_eq(in("2001:db8::1", "10.0.0.0/8,::/0"), 1);
	cr_assert_eq(in("10.1.2.3", "0.0.0.0/0"), 1);
	cr_assert_eq(in("10.1.2.3", "example.org"), 0);
	cr_assert_eq(in(NULL, "*"), 0);
	cr_assert_eq(in(NULL, "0.0.0.0/0"), 0);
}

Test(conf_pattern, malformed_address_lists)
{
	static const char *const wrong[] = {
		"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "10.0.0.0/-1", "::/129", "2001:db8::1/32",
		"example.org/8", "", ",", "10.0.0.0/8,", "!", "*,10.0.0.1/8", "!*,10.0.0.1/8", "10.0.0.0/99999999999999999999",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		cr_assert_eq(in("10.1.2.3", wrong[i]), -2, "%s", wrong[i]);
		cr_assert_eq(in(NULL, wrong[i]), -2, "%s", wrong[i]);
	}
}

Test(conf_pattern, accept_env)
{
	static const char longest[] = { [0 ... 255] = 'x' };

	cr_assert(conf_accepts_env("LANG LC_*", view_str("LANG")));
	cr_assert(conf_accepts_env("LANG LC_*", view_str("LC_ALL")));
	cr_assert(conf_accepts_env("  LANG\t LC_? ", view_str("LC_X")));
	cr_assert_not(conf_accepts_env("LANG LC_*", view_str("LANGUAGE")));
	cr_assert_not(conf_accepts_env("LANG LC_*", view_str("lang")));
	cr_assert_not(conf_accepts_env("", view_str("LANG")));
	cr_assert_not(conf_accepts_env(NULL, view_str("LANG")));
	cr_assert(conf_accepts_env("*", view_str("ANY")));
	cr_assert_not(conf_accepts_env("*", view_str("")), "no name");
	cr_assert_not(conf_accepts_env("*", view_str("A=B")));
	cr_assert_not(conf_accepts_env("*", view_of("A\0B", 3)));
	cr_assert_not(conf_accepts_env("*", view_of(longest, 256)), "too long");
	cr_assert(conf_accepts_env("*", view_of(longest, 255)));
}
