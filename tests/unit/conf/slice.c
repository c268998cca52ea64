/* What a process gets is what it may see, and means the same. */
#include "conf/keyword.h"

#include "tests/unit/conf/help.h"

static const char whole[] =
    "Port 2200\nListenAddress [::1]:5\nHostKey \"/a b\"\nHostKey /c\nPidFile /p\nLogLevel VERBOSE\nSyslogFacility LOCAL1\n"
    "PermitRootLogin no\nAuthorizedKeysFile \"/keys/%u file\" two\nAllowUsers \"a b\" c@10.0.0.0/8\nLoginGraceTime 1m\n"
    "MaxStartups 3:4:5\nAcceptEnv LANG LC_*\nSubsystem sftp /x \"y z\"  w\nSubsystem t =u\nCiphers ^aes256-ctr\nMACs -*etm*\n"
    "RekeyLimit 1G\nBanner \"/etc/issue net\"\nVersionAddendum = =x \"y\" # z\n"
    "Match User \"bo b,!x\" Address 10.0.0.0/8\nBanner none\nMaxAuthTries 2\nRekeyLimit 2M\nAcceptEnv X\n"
    "Match Group wheel LocalPort 22 LocalAddress 1.2.3.4\nPasswordAuthentication no\nMatch all\nMaxSessions 4\n";

static const enum conf_reader readers[] = { CONF_SUP, CONF_ACC, CONF_KEY, CONF_AUTH, CONF_CONN, CONF_REP, CONF_KEEP };

Test(conf_slice, holds_only_the_readers_keywords)
{
	struct conf *c = parsed(whole);

	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		char *s = sliced(c, readers[i]), *save = NULL;

		for (char *l = strtok_r(s, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
			char *end = l + strcspn(l, " ");

			if (strncmp(l, "Match ", 6) == 0)
				continue;
			*end = '\0';
			cr_assert_not_null(keyword_find(l), "%s", l);
			cr_assert(keyword_find(l)->readers & readers[i], "%s for %d", l, (int)readers[i]);
		}
		free(s);
	}
	conf_free(c);
}

Test(conf_slice, text)
{
	struct conf *c = parsed(whole);
	char *s = sliced(c, CONF_KEY);

	cr_assert_str_eq(s, "HostKey \"/a b\"\nHostKey /c\nLogLevel VERBOSE\n");
	free(s);
	s = sliced(c, CONF_ACC);
	cr_assert_str_eq(s, "LogLevel VERBOSE\nMaxStartups 3:4:5\n");	/* no Match line without a keyword */
	free(s);
	s = sliced(c, CONF_CONN);
	cr_assert_str_eq(s, "LogLevel VERBOSE\nCiphers ^aes256-ctr\nMACs -*etm*\n"
	    "VersionAddendum = =x \"y\" # z\n");
	free(s);
	s = sliced(c, CONF_AUTH);
	cr_assert_not_null(strstr(s, "Match User \"bo b,!x\" Address 10.0.0.0/8\nBanner none\nMaxAuthTries 2\nRekeyLimit 2M\nAcceptEnv X\n"
	    "Match Group wheel LocalPort 22 LocalAddress 1.2.3.4\nPasswordAuthentication no\nMatch all\nMaxSessions 4\n"));
	cr_assert_null(strstr(s, "HostKey"));
	cr_assert_null(strstr(s, "2200"));
	free(s);
	conf_free(c);
}

/* Same readers' values from the slice as from the whole, for several clients. */
Test(conf_slice, means_the_same)
{
	const char *wheel[] = { "wheel" };
	struct conf_client who[3] = { client("bo b", "10.1.1.1", "1.2.3.4", 22), client("c", "9.9.9.9", "1.2.3.4", 22), { 0 } };
	struct conf *c = parsed(whole);

	who[1].groups = wheel;
	who[1].ngroups = 1;
	for (size_t i = 0; i < 3; i++) {
		char *s = sliced(c, CONF_AUTH), *again;
		struct conf *part = parsed(s);
		struct conf_values *a = resolved(c, &who[i]), *b = resolved(part, &who[i]);

		cr_assert_eq(a->MaxAuthTries, b->MaxAuthTries);
		cr_assert_eq(a->MaxSessions, b->MaxSessions);
		cr_assert_eq(a->PasswordAuthentication, b->PasswordAuthentication);
		cr_assert_eq(a->Banner == NULL, b->Banner == NULL);
		cr_assert_eq(a->AllowUsers.n, b->AllowUsers.n);
		cr_assert_str_eq(a->Subsystem.v[0], b->Subsystem.v[0]);
		cr_assert_str_eq(a->Subsystem.v[1], b->Subsystem.v[1]);
		cr_assert_eq(a->AcceptEnv.n, b->AcceptEnv.n);
		again = sliced(part, CONF_AUTH);
		cr_assert_str_eq(s, again);
		free(again);
		free(s);
		conf_values_free(a);
		conf_values_free(b);
		conf_free(part);
	}
	conf_free(c);
}

Test(conf_dump, lines_as_sshd_prints_them)
{
	struct conf_values *v = values(whole);
	char *s = dumped(v);

	cr_assert_eq(strstr(s, "port 2200\nlistenaddress [::1]:5\naddressfamily any\nhostkey \"/a b\"\nhostkey /c\n"), s, "%s", s);
	cr_assert_not_null(strstr(s, "\nacceptenv LANG\nacceptenv LC_*\n"));
	cr_assert_not_null(strstr(s, "\nauthorizedkeysfile \"/keys/%u file\" two\n"));
	cr_assert_not_null(strstr(s, "\nsubsystem sftp /x \"y z\"  w\nsubsystem t =u\n"));
	cr_assert_not_null(strstr(s, "\nmaxstartups 3:4:5\n"));
	cr_assert_not_null(strstr(s, "\nlogingracetime 60\n"));
	cr_assert_not_null(strstr(s, "\nciphers aes256-ctr,chacha20-poly1305@openssh.com,"));
	cr_assert_not_null(strstr(s, "\nversionaddendum = =x \"y\" # z\n"));
	free(s);
	conf_values_free(v);
}

Test(conf_dump, reads_back_as_the_same_values)
{
	static const char *const texts[] = {
		"", whole, "Subsystem sftp none\nAuthorizedKeysFile none\nPidFile none\n", "MaxStartups 7\nLogLevel DEBUG3\nRekeyLimit 1G 1h\n",
		"Banner \"a\\\"b\\\\c 'd'\"\nAcceptEnv \"#x\" y a\\ b\n",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct conf_values *a = values(texts[i]), *b;
		char *s = dumped(a), *t;

		b = values(s);
		t = dumped(b);
		cr_assert_str_eq(s, t);
		cr_assert_eq(a->Subsystem.n, b->Subsystem.n);
		cr_assert_eq(a->AuthorizedKeysFile.n, b->AuthorizedKeysFile.n);
		cr_assert_eq(a->AcceptEnv.n, b->AcceptEnv.n);
		for (size_t k = 0; k < a->AcceptEnv.n; k++)
			cr_assert_str_eq(a->AcceptEnv.v[k], b->AcceptEnv.v[k]);
		cr_assert(a->Banner == NULL ? b->Banner == NULL : strcmp(a->Banner, b->Banner) == 0);
		cr_assert_eq(a->LogLevel, b->LogLevel);
		cr_assert_eq(a->MaxStartups.full, b->MaxStartups.full);
		free(s);
		free(t);
		conf_values_free(a);
		conf_values_free(b);
	}
}

Test(conf_slice, out_of_room_is_an_error)
{
	struct conf *c = parsed(whole);
	struct conf_values *v = resolved(c, NULL);
	struct buf b;

	buf_init(&b, 20, NULL);
	cr_assert_eq(conf_slice(c, CONF_AUTH, &b), SSH_E_FULL);
	buf_drop(&b);
	buf_init(&b, 20, NULL);
	cr_assert_eq(conf_dump(v, &b), SSH_E_FULL);
	buf_drop(&b);
	conf_values_free(v);
	conf_free(c);
}
