#include "conf/value.h"

#include <syslog.h>

#include "tests/unit/conf/help.h"

Test(conf_value, booleans)
{
	struct conf_values *v = values("StrictModes NO\nPasswordAuthentication no\nPermitEmptyPasswords Yes\n");

	cr_assert(!v->StrictModes && !v->PasswordAuthentication && v->PermitEmptyPasswords);
	conf_values_free(v);
	refused("StrictModes perhaps\n", "t line 1: unsupported option \"perhaps\".");
	refused("StrictModes true\n", "t line 1: unsupported option \"true\".");
}

Test(conf_value, integers)
{
	struct conf_values *v = values("MaxAuthTries 0\nMaxSessions 2147483647\nClientAliveCountMax 007\n");

	cr_assert(v->MaxAuthTries == 0 && v->MaxSessions == 2147483647 && v->ClientAliveCountMax == 7);
	conf_values_free(v);
	refused("MaxAuthTries x\n", "t line 1: MaxAuthTries integer value invalid.");
	refused("MaxAuthTries -1\n", "t line 1: MaxAuthTries integer value invalid.");
	refused("MaxAuthTries 3x\n", "t line 1: MaxAuthTries integer value invalid.");
	refused("MaxAuthTries 2147483648\n", "t line 1: MaxAuthTries integer value too large.");
	refused("MaxAuthTries 99999999999999999999999\n", "t line 1: MaxAuthTries integer value too large.");
}

Test(conf_value, times)
{
	static const struct { const char *text; uint32_t seconds; } good[] = {
		{ "0", 0 }, { "90", 90 }, { "10m", 600 }, { "1h30m", 5400 }, { "1W2d3H4m5S", 788645 }, { "1m30", 90 },
	};
	static const char *const wrong[] = { "q", "h", "1x", "1h-3", "-1", "1.5h", "2147483648", "9999999999w", "1 h" };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		char line[64];
		struct conf_values *v;

		snprintf(line, sizeof line, "LoginGraceTime %s\n", good[i].text);
		v = values(line);
		cr_assert_eq(v->LoginGraceTime, good[i].seconds, "%s", good[i].text);
		conf_values_free(v);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char line[64], sentence[128];

		snprintf(line, sizeof line, "LoginGraceTime \"%s\"\n", wrong[i]);
		snprintf(sentence, sizeof sentence, "t line 1: invalid time value '%s'.", wrong[i]);
		refused(line, sentence);
	}
}

Test(conf_value, startups)
{
	struct conf_values *v = values("MaxStartups 5\n");

	cr_assert(v->MaxStartups.begin == 5 && v->MaxStartups.full == 5 && v->MaxStartups.rate == 30);
	conf_values_free(v);
	v = values("MaxStartups 3:100:4\n");
	cr_assert(v->MaxStartups.begin == 3 && v->MaxStartups.rate == 100 && v->MaxStartups.full == 4);
	conf_values_free(v);
	static const char *const wrong[] = { "0", "1:2", "5:30:4", "1:0:2", "1:101:2", "1:2:3:4", "a", "1:2:", ":",
		"-1", "1:2:99999999999" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char line[64];

		snprintf(line, sizeof line, "MaxStartups %s\n", wrong[i]);
		refused(line, "t line 1: Invalid MaxStartups spec.");
	}
}

Test(conf_value, levels_facilities_families_root)
{
	static const struct { const char *word; enum log_level level; } levels[] = {
		{ "QUIET", LOGL_QUIET }, { "FATAL", LOGL_ERROR }, { "ERROR", LOGL_ERROR }, { "info", LOGL_INFO },
		{ "VERBOSE", LOGL_VERBOSE }, { "DEBUG", LOGL_DEBUG }, { "DEBUG1", LOGL_DEBUG }, { "DEBUG2", LOGL_TRACE },
		{ "DEBUG3", LOGL_TRACE },
	};
	struct conf_values *v;

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		char line[64];

		snprintf(line, sizeof line, "LogLevel %s\n", levels[i].word);
		v = values(line);
		cr_assert_eq(v->LogLevel, levels[i].level, "%s", levels[i].word);
		conf_values_free(v);
	}
	v = values("SyslogFacility local7\nAddressFamily INET6\nPermitRootLogin without-password\n");
	cr_assert_eq(v->SyslogFacility, LOG_LOCAL7);
	cr_assert_eq(v->AddressFamily, FAMILY_INET6);
	cr_assert_eq(v->PermitRootLogin, ROOT_PROHIBIT_PASSWORD);
	conf_values_free(v);
	v = values("PermitRootLogin forced-commands-only\nMatch all\nPermitRootLogin yes\n");
	cr_assert_eq(v->PermitRootLogin, ROOT_YES);
	conf_values_free(v);
	refused("LogLevel LOUD\n", "t line 1: unsupported log level 'LOUD'");
	refused("SyslogFacility KERN\n", "t line 1: unsupported log facility 'KERN'");
	refused("AddressFamily inet4\n", "t line 1: unsupported option \"inet4\".");
	refused("PermitRootLogin never\n", "t line 1: unsupported option \"never\".");
}

Test(conf_value, lists_check_their_items)
{
	refused("Port 65536\n", "t line 1: Badly formatted port number.");
	refused("Port ssh\n", "t line 1: Badly formatted port number.");
	refused("ListenAddress 1.2.3.4:x\n", "t line 1: bad address or port '1.2.3.4:x'");
	refused("ListenAddress [::1\n", "t line 1: bad address or port '[::1'");
	refused("ListenAddress 1.2.3.4 rdomain x\n", "t line 1: keyword ListenAddress extra arguments at end of line");
	refused("AcceptEnv LANG A=b\n", "t line 1: Invalid environment name.");
	refused("AllowUsers a@10.0.0.1/8\n", "t line 1: invalid AllowUsers pattern: \"a@10.0.0.1/8\"");
	refused("DenyUsers a@\n", "t line 1: invalid DenyUsers pattern: \"a@\"");
	conf_values_free(values("AllowUsers *@10.0.0.0/8 root@*.example.org bob\n"));
}

Test(conf_value, none_is_no_value)
{
	struct conf_values *v = values("PidFile none\nControlSocket None\nBanner none\nAuthorizedKeysFile none\n"
	    "VersionAddendum none\nSubsystem sftp none\n");

	cr_assert_null(v->PidFile);
	cr_assert_null(v->ControlSocket);
	cr_assert_null(v->Banner);
	cr_assert_null(v->VersionAddendum);
	list_is(&v->AuthorizedKeysFile, "");
	list_is(&v->Subsystem, "");
	conf_values_free(v);
}

Test(conf_value, subsystem_commands_keep_their_quotes)
{
	struct conf_values *v = values("Subsystem sftp \"/usr/lib/sftp-server\"\nSubsystem a /x \"b c\"  d # e\n"
	    "Subsystem b '/p q'\nSubsystem c echo  #no\n");

	list_is(&v->Subsystem, "sftp /usr/lib/sftp-server|a /x \"b c\"  d|b '/p q'|c echo");
	conf_values_free(v);
	refused("Subsystem sftp\n", "t line 1: Missing subsystem command for 'sftp'");
	refused("Subsystem \"a b\" x\n", "t line 1: bad subsystem name 'a b'");
}

Test(conf_value, addendum_is_the_rest_of_the_line)
{
	struct conf_values *v = values("VersionAddendum  site 4 \"x\" # and this  \r\n");

	cr_assert_str_eq(v->VersionAddendum, "site 4 \"x\" # and this");
	conf_values_free(v);
	v = values("VersionAddendum ==a");
	cr_assert_str_eq(v->VersionAddendum, "=a");
	conf_values_free(v);
	refused("VersionAddendum a\x7f\n", "t line 1: VersionAddendum must be printable ASCII");
	refused("VersionAddendum a\rb\n", "t line 1: VersionAddendum must be printable ASCII");
}

Test(conf_value, rekey_limit)
{
	static const struct { const char *text; uint64_t bytes; uint32_t seconds; } good[] = {
		{ "default none", 0, 0 }, { "default", 0, 0 }, { "1G 1h", 1u << 30, 3600 }, { "64k", 65536, 0 },
		{ "0 0", 0, 0 }, { "16", 16, 0 }, { "default 90", 0, 90 }, { "1.5G 1h30m", 1610612736, 5400 }, { "100.5", 100, 0 },
		{ "0.001m", 1048, 0 }, { "+20", 20, 0 }, { "16b", 16, 0 }, { "1t", UINT64_C(1) << 40, 0 }, { "1P", UINT64_C(1) << 50, 0 },
		{ "7E 2w", UINT64_C(7) << 60, 1209600 }, { "1.999999999999K", 2047, 0 },
	};
	uint64_t bytes;
	uint32_t seconds;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		char line[64];
		struct conf_values *v;

		snprintf(line, sizeof line, "RekeyLimit %s\n", good[i].text);
		v = values(line);
		cr_assert_eq(conf_rekey_limit(v, &bytes, &seconds), SSH_OK);
		cr_assert(bytes == good[i].bytes && seconds == good[i].seconds, "%s", good[i].text);
		conf_values_free(v);
	}
	struct conf_values *v = values("RekeyLimit 1G 1h\n");
	cr_assert_str_eq(v->RekeyLimit, "1073741824 3600");	/* one form for all readers */
	conf_values_free(v);
	v = values("RekeyLimit 0\n");
	cr_assert_str_eq(v->RekeyLimit, "default none");
	conf_values_free(v);
	refused("RekeyLimit 15\n", "t line 1: RekeyLimit too small");
	refused("RekeyLimit 0.01K\n", "t line 1: RekeyLimit too small");
	refused("RekeyLimit 1X\n", "t line 1: Bad RekeyLimit number '1X'");
	refused("RekeyLimit 1Gb\n", "t line 1: Bad RekeyLimit number '1Gb'");
	refused("RekeyLimit -1\n", "t line 1: Bad RekeyLimit number '-1'");
	refused("RekeyLimit 0x10\n", "t line 1: Bad RekeyLimit number '0x10'");
	refused("RekeyLimit none\n", "t line 1: Bad RekeyLimit number 'none'");
	refused("RekeyLimit 8E\n", "t line 1: Bad RekeyLimit number '8E'");
	refused("RekeyLimit 9999999999G\n", "t line 1: Bad RekeyLimit number '9999999999G'");
	refused("RekeyLimit 1G never\n", "t line 1: bad RekeyLimit time 'never'");
	refused("RekeyLimit 1G 1h x\n", "t line 1: keyword RekeyLimit extra arguments at end of line");
}
