#include "conf/match.h"

#include <time.h>

#include "tests/unit/conf/help.h"

/* MaxSessions tells which block spoke. */
static int sessions(const char *text, const struct conf_client *who)
{
	struct conf *c = parsed(text);
	struct conf_values *v = resolved(c, who);
	int n = (int)v->MaxSessions;

	conf_values_free(v);
	conf_free(c);
	return n;
}

Test(conf_match, blocks_override_the_global_section)
{
	struct conf_client bob = client("bob", "192.0.2.7", "198.51.100.1", 22);
	struct conf_client ann = client("ann", "192.0.2.7", "198.51.100.1", 22);
	const char *text = "MaxSessions 1\nMatch User bob\nMaxSessions 2\nMatch User b*\nMaxSessions 3\n";

	cr_assert_eq(sessions(text, &bob), 2);	/* among blocks the first wins */
	cr_assert_eq(sessions(text, &ann), 1);
	cr_assert_eq(sessions(text, NULL), 1);
}

Test(conf_match, lists_of_blocks_replace_global_lists)
{
	struct conf_client bob = client("bob", NULL, NULL, 0);
	struct conf *c = parsed("AcceptEnv A\nSubsystem sftp /x\nSubsystem g one\nMatch User bob\nAcceptEnv B\n"
	    "Subsystem g two\nMatch User b*\nAcceptEnv C\n");
	struct conf_values *v = resolved(c, &bob);

	list_is(&v->AcceptEnv, "B|C");
	list_is(&v->Subsystem, "g two|sftp /x");
	conf_values_free(v);
	v = resolved(c, NULL);
	list_is(&v->AcceptEnv, "A");
	list_is(&v->Subsystem, "sftp /x|g one");
	conf_values_free(v);
	conf_free(c);
}

Test(conf_match, criteria)
{
	const char *groups[] = { "users", "wheel" };
	struct conf_client bob = client("bob", "192.0.2.7", "198.51.100.1", 2222);
	static const struct { const char *conditions; int match; } t[] = {
		{ "User bob", 1 }, { "user=bob", 1 }, { "User ann,bob", 1 }, { "User ann", 0 }, { "User !bob,*", 0 },
		{ "User !ann,*", 1 }, { "User !ann", 0 }, { "User Bob", 0 }, { "User \"bob\"", 1 },
		{ "Group wheel", 1 }, { "Group wh*", 1 }, { "Group admins", 0 }, { "Group users,!wheel", 0 },
		{ "Address 192.0.2.0/24", 1 }, { "ADDRESS=192.0.2.7", 1 }, { "Address 192.0.2.*", 1 },
		{ "Address !192.0.2.7,192.0.2.0/24", 0 }, { "Address 10.0.0.0/8", 0 },
		{ "LocalAddress 198.51.100.1", 1 }, { "LocalAddress 192.0.2.7", 0 },
		{ "LocalPort 2222", 1 }, { "LocalPort=22", 0 },
		{ "User bob Address 192.0.2.7 LocalPort 2222", 1 }, { "User bob Address 192.0.2.8", 0 },
		{ "User b* User *b", 1 }, { "User b* User c*", 0 }, { "All", 1 }, { "all # for all", 1 },
	};
	char text[256];

	bob.groups = groups;
	bob.ngroups = 2;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		snprintf(text, sizeof text, "Match %s\nMaxSessions 99\n", t[i].conditions);
		cr_assert_eq(sessions(text, &bob) == 99, t[i].match, "%s", t[i].conditions);
	}
}

Test(conf_match, what_is_unknown_matches_nothing)
{
	struct conf_client nobody = { .user = NULL };
	static const char *const t[] = { "User *", "User !x,*", "Group *", "Address *", "Address 0.0.0.0/0", "Address ::/0",
		"LocalAddress *", "LocalPort 22" };
	char text[256];

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		snprintf(text, sizeof text, "Match %s\nMaxSessions 99\n", t[i]);
		cr_assert_eq(sessions(text, &nobody), 10, "%s", t[i]);
		cr_assert_eq(sessions(text, NULL), 10, "%s", t[i]);
	}
	cr_assert_eq(sessions("Match all\nMaxSessions 99\n", &nobody), 99);
	cr_assert_eq(sessions("Match all\nMaxSessions 99\n", NULL), 99);
}

Test(conf_match, match_all_ends_a_block)
{
	struct conf_client bob = client("bob", NULL, NULL, 0), ann = client("ann", NULL, NULL, 0);
	const char *text = "Match User bob\nMaxSessions 2\nMatch all\nMaxSessions 3\nPort 77\n";
	struct conf_values *v = values(text);

	list_is(&v->Port, "77");	/* a global keyword may stand there, as in sshd */
	conf_values_free(v);
	cr_assert_eq(sessions(text, &bob), 2);
	cr_assert_eq(sessions(text, &ann), 3);
}

Test(conf_match, sentences)
{
	refused("Match\n", "t line 1: no argument after keyword \"Match\"");
	refused("Match User\n", "t line 1: Missing Match criteria for User");
	refused("Match User=\n", "t line 1: Missing Match criteria for User");
	refused("Match User a Address\n", "t line 1: Missing Match criteria for Address");
	refused("Match Foo x\n", "t line 1: Unsupported Match attribute Foo");
	refused("Match bob\n", "t line 1: Unsupported Match attribute bob");
	refused("Match Host a\n", "t line 1: Match criterion Host of OpenSSH is not implemented here");
	refused("Match rdomain a\n", "t line 1: Match criterion RDomain of OpenSSH is not implemented here");
	refused("Match User a all\n", "t line 1: 'all' cannot be combined with other Match attributes");
	refused("Match all User a\n", "t line 1: 'all' cannot be combined with other Match attributes");
	refused("Match Address 10.0.0.1/8\n", "t line 1: Invalid Match Address argument '10.0.0.1/8'");
	refused("Match LocalAddress 1.2.3.4/33\n", "t line 1: Invalid Match LocalAddress argument '1.2.3.4/33'");
	refused("Match LocalPort x\n", "t line 1: Invalid LocalPort 'x' on Match line");
	refused("Match LocalPort 65536\n", "t line 1: Invalid LocalPort '65536' on Match line");
	refused("Match User a\nPort 22\n", "t line 2: Directive 'Port' is not allowed within a Match block");
	refused("Match User a\nMaxSessions x\n", "t line 2: MaxSessions integer value invalid.");
}

Test(conf_match, every_global_keyword_is_refused_in_a_block)
{
	const struct keyword *k;
	char text[256], sentence[256];

	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++) {
		if (k->match)
			continue;
		snprintf(text, sizeof text, "Match User a\n%s x\n", k->name);
		snprintf(sentence, sizeof sentence, "t line 2: Directive '%s' is not allowed within a Match block", k->name);
		refused(text, sentence);
	}
}

Test(conf_match, ten_thousand_blocks)
{
	struct buf b;
	char line[160], *text;
	struct conf *c;
	struct conf_client last = client("user9999", "10.0.0.1", NULL, 0);
	struct conf_values *v;

	buf_init(&b, 16u << 20, NULL);
	for (int i = 0; i < 10000; i++) {
		int n = snprintf(line, sizeof line, "Match User user%d\n\tMaxSessions %d\n\tBanner /etc/banner%d\n", i, i, i);

		cr_assert_eq(buf_append(&b, line, (size_t)n), SSH_OK);
	}
	text = text_of(&b);
	c = parsed(text);
	v = resolved(c, &last);
	cr_assert_eq(v->MaxSessions, 9999);
	cr_assert_str_eq(v->Banner, "/etc/banner9999");
	conf_values_free(v);
	free(text);
	text = sliced(c, CONF_AUTH);
	conf_free(c);
	c = parsed(text);
	v = resolved(c, &last);
	cr_assert_eq(v->MaxSessions, 9999);
	conf_values_free(v);
	conf_free(c);
	free(text);
}
