#include "supervisor/options.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

static struct options o;
static char why[200];

static int parse(int argc, const char *const *argv)
{
	return options_parse(&o, argc, (char **)(uintptr_t)argv, why, sizeof why);
}

#define PARSE(...) parse(sizeof((const char *[]){ "coppiced", __VA_ARGS__ }) / sizeof(char *), \
    (const char *[]){ "coppiced", __VA_ARGS__, NULL })

Test(options, letters_set_what_they_say)
{
	cr_assert_eq(PARSE("-D", "-e", "-f", "file", "-E", "log"), 0);
	cr_assert(o.foreground && o.to_stderr && !o.test && !o.inetd && !o.debug);
	cr_assert_str_eq(o.conf, "file");
	cr_assert_str_eq(o.log_file, "log");
	cr_assert_eq(o.keywords, 0);
	options_drop(&o);
}

Test(options, letters_that_mean_a_keyword)
{
	cr_assert_eq(PARSE("-p", "2222", "-h", "/a key", "-o", "Banner=none", "-4", "-g", "30", "-q"), 0);
	cr_assert_eq(o.keywords, 6);
	cr_assert_str_eq(o.keyword[0], "Port 2222");
	cr_assert_str_eq(o.keyword[1], "HostKey \"/a key\"");
	cr_assert_str_eq(o.keyword[2], "Banner=none");
	cr_assert_str_eq(o.keyword[3], "AddressFamily inet");
	cr_assert_str_eq(o.keyword[4], "LoginGraceTime 30");
	cr_assert_str_eq(o.keyword[5], "LogLevel QUIET");
	options_drop(&o);
}

Test(options, debug_up_to_three)
{
	cr_assert_eq(PARSE("-ddddd"), 0);
	cr_assert_eq(o.debug, 3);
	cr_assert(o.foreground && o.to_stderr);
	cr_assert_str_eq(o.keyword[0], "LogLevel DEBUG3");
	options_drop(&o);
}

Test(options, test_modes)
{
	cr_assert_eq(PARSE("-t"), 0);
	cr_assert(o.test && !o.dump);
	cr_assert_eq(PARSE("-T", "-C", "user=ada,addr=192.0.2.1"), 0);
	cr_assert(o.dump && !o.test);
	cr_assert_str_eq(o.client, "user=ada,addr=192.0.2.1");
	cr_assert_eq(PARSE("-i"), 0);
	cr_assert(o.inetd && o.foreground);
	cr_assert_eq(PARSE("-V"), 0);
	cr_assert(o.version);
	options_drop(&o);
}

Test(options, bad_usage_is_said)
{
	cr_assert_lt(PARSE("-x"), 0);
	cr_assert_str_eq(why, "unknown option -x");
	cr_assert_lt(PARSE("-p"), 0);
	cr_assert_str_eq(why, "option -p needs an argument");
	cr_assert_lt(PARSE("-D", "left", "over"), 0);
	cr_assert_str_eq(why, "extra argument left");
	cr_assert_lt(PARSE("-C", "user=ada"), 0);
	cr_assert_str_eq(why, "-C needs -T");
	options_drop(&o);
}

Test(options, more_options_than_there_is_room_for)
{
	static const char *argv[2 * OPTIONS_MAX + 4] = { "coppiced" };
	int argc = 1;

	for (unsigned i = 0; i <= OPTIONS_MAX; i++)
		argv[argc++] = "-o", argv[argc++] = "Port=1";
	cr_assert_lt(parse(argc, argv), 0);
	cr_assert_str_eq(why, "too many options");
	options_drop(&o);
}
