#include "conf/parse.h"

#include "tests/unit/conf/help.h"

Test(conf_parse, empty_file_gives_defaults)
{
	struct conf_values *v = values("");
	uint64_t bytes;
	uint32_t seconds;

	list_is(&v->Port, "22");
	list_is(&v->ListenAddress, "");
	list_is(&v->HostKey, "");
	list_is(&v->AuthorizedKeysFile, ".ssh/authorized_keys|.ssh/authorized_keys2");
	list_is(&v->Subsystem, "sftp internal-sftp");
	cr_assert_eq(v->AddressFamily, FAMILY_ANY);
	cr_assert_eq(v->LogLevel, LOGL_INFO);
	cr_assert_eq(v->PermitRootLogin, ROOT_PROHIBIT_PASSWORD);
	cr_assert_eq(v->PasswordAuthentication, 1);
	cr_assert_eq(v->PermitEmptyPasswords, 0);
	cr_assert_eq(v->LoginGraceTime, 120);
	cr_assert_eq(v->MaxAuthTries, 6);
	cr_assert_eq(v->MaxStartups.begin, 10);
	cr_assert_eq(v->MaxStartups.rate, 30);
	cr_assert_eq(v->MaxStartups.full, 100);
	cr_assert_null(v->Banner);
	cr_assert_null(v->VersionAddendum);
	cr_assert_eq(conf_rekey_limit(v, &bytes, &seconds), SSH_OK);
	cr_assert(bytes == 0 && seconds == 0);
	conf_values_free(v);
}

Test(conf_parse, blanks_comments_equals_and_case)
{
	static const char *const ways[] = {
		"MaxSessions 7", "maxsessions 7", "MAXSESSIONS\t7", "  MaxSessions 7  ", "MaxSessions=7", "MaxSessions = 7",
		"MaxSessions =7", "MaxSessions= 7", "MaxSessions \"7\"", "MaxSessions '7'", "MaxSessions 7 # seven",
		"MaxSessions 7\r\n", "# no\n\n \t\nMaxSessions 7\n", "MaxSessions=\"7\"", "\fMaxSessions 7\f",
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct conf_values *v = values(ways[i]);

		cr_assert_eq(v->MaxSessions, 7, "%s", ways[i]);
		conf_values_free(v);
	}
}

Test(conf_parse, quotes_and_backslashes)
{
	struct conf_values *v = values("AllowUsers \"a b\" 'c\"d' e\\ f g\\\"h \"i\\\\j\" k\\l m#n o\"p q\"r # not this\n");

	list_is(&v->AllowUsers, "a b|c\"d|e f|g\"h|i\\j|k\\l|m#n|op qr");
	conf_values_free(v);
}

Test(conf_parse, first_value_wins_and_lists_append)
{
	struct conf_values *v = values("MaxSessions 3\nMaxSessions 4\nPort 1\nPort 2\nAcceptEnv A B\nAcceptEnv C\n"
	    "HostKey /a\nHostKey /b\nAllowUsers x\nAllowUsers y z\nAuthorizedKeysFile one two\nAuthorizedKeysFile three\n"
	    "Subsystem a x y\nSubsystem a other\nSubsystem b z\n");

	cr_assert_eq(v->MaxSessions, 3);
	list_is(&v->Port, "1|2");
	list_is(&v->AcceptEnv, "A|B|C");
	list_is(&v->HostKey, "/a|/b");
	list_is(&v->AllowUsers, "x|y|z");
	list_is(&v->AuthorizedKeysFile, "one|two");
	list_is(&v->Subsystem, "a x y|b z|sftp internal-sftp");
	conf_values_free(v);
}

Test(conf_parse, aliases)
{
	struct conf_values *v = values("ChallengeResponseAuthentication no\nPubkeyAcceptedKeyTypes ssh-ed25519\n"
	    "KbdInteractiveAuthentication yes\n");

	cr_assert_eq(v->KbdInteractiveAuthentication, 0);
	cr_assert_str_eq(v->PubkeyAcceptedAlgorithms, "ssh-ed25519");
	conf_values_free(v);
}

Test(conf_parse, sentences_of_the_grammar)
{
	char nul[] = "Port 1\nBanner a\0b\n";
	struct conf_error e;
	struct conf *c = NULL;

	refused("\n\nFoo bar\n", "t line 3: Bad configuration option: Foo");
	refused("Port\n", "t line 1: no argument after keyword \"Port\"");
	refused("Port # 22\n", "t line 1: no argument after keyword \"Port\"");
	refused("Port 22 23\n", "t line 1: keyword Port extra arguments at end of line");
	refused("Banner /a b\n", "t line 1: keyword Banner extra arguments at end of line");
	refused("Banner \"/a\n", "t line 1: invalid quotes");
	refused("Banner \"\"\n", "t line 1: keyword Banner empty argument");
	refused("AllowUsers a \"\"\n", "t line 1: keyword AllowUsers empty argument");
	refused("Include x\n", "t line 1: Include is not allowed here");
	refused("= x\n", "t line 1: Bad configuration option: ");
	refused("P\x01rt 1\n", "t line 1: Bad configuration option: P?rt");
	cr_assert_eq(conf_parse(&c, view_of(nul, sizeof nul - 1), "t", &e), SSH_E_CONFIG);
	cr_assert_str_eq(e.text, "t line 2: NUL byte");
}

Test(conf_parse, keywords_of_openssh_we_lack)
{
	conf_values_free(values("UsePAM no\nProtocol 2\nUsePrivilegeSeparation sandbox\nPrintMotd no\nPrintLastLog no\n"
	    "X11Forwarding no\nusedns NO\nMatch User x\nX11Forwarding no\n"));
	/* lists for certificates and hosts, which nobody can log in with; the length that holds anyway */
	conf_values_free(values("CASignatureAlgorithms ^ssh-ed25519,rsa-sha2-512\nHostbasedAcceptedAlgorithms sk-ssh-ed25519@openssh.com\n"
	    "HostbasedAcceptedKeyTypes -ssh-rsa\nRequiredRSASize 2048\nMatch User x\nCASignatureAlgorithms *\nRequiredRSASize 2048\n"));
	refused("CASignatureAlgorithms\n", "t line 1: no argument after keyword \"CASignatureAlgorithms\"");
	refused("TrustedUserCAKeys /ca\n", "t line 1: option TrustedUserCAKeys of OpenSSH is not implemented here (except as 'TrustedUserCAKeys none')");
	refused("HostbasedAuthentication yes\n",
	    "t line 1: option HostbasedAuthentication of OpenSSH is not implemented here (except as 'HostbasedAuthentication no')");
	refused("RequiredRSASize 3072\n", "t line 1: option RequiredRSASize of OpenSSH is not implemented here (except as 'RequiredRSASize 2048')");
	refused("UsePAM yes\n", "t line 1: option UsePAM of OpenSSH is not implemented here (except as 'UsePAM no')");
	refused("x11forwarding yes\n",
	    "t line 1: option X11Forwarding of OpenSSH is not implemented here (except as 'X11Forwarding no')");
	refused("X11DisplayOffset 10\n", "t line 1: option X11DisplayOffset of OpenSSH is not implemented here");
	refused("PermitOpen none x\n",
	    "t line 1: option PermitOpen of OpenSSH is not implemented here (except as 'PermitOpen none')");
	refused("ForceCommand\n", "t line 1: no argument after keyword \"ForceCommand\"");
}

Test(conf_parse, no_keyword_is_both_ours_and_not_ours)
{
	const struct keyword *k;
	const char *accepted;

	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++) {
		cr_assert_null(keyword_other(k->name, &accepted), "%s", k->name);
		cr_assert_eq(keyword_find(k->name), k);
		cr_assert(k->readers != 0, "%s", k->name);
	}
}

Test(conf_parse, long_lines_and_no_newline_at_the_end)
{
	size_t n = 1 << 20;
	char *text = malloc(n + 32);
	struct conf_values *v;

	strcpy(text, "AllowUsers ");
	for (size_t i = 0; i < n; i++)
		text[11 + i] = i % 2 == 0 ? 'u' : ' ';
	text[11 + n] = '\0';
	v = values(text);
	cr_assert_eq(v->AllowUsers.n, n / 2);
	conf_values_free(v);
	memset(text + 11, 'x', n);
	v = values(text);
	cr_assert_eq(strlen(v->AllowUsers.v[0]), n);
	conf_values_free(v);
	free(text);
}
