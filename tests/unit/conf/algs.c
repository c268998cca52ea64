#include "conf/algs.h"

#include "tests/unit/conf/help.h"

#define CIPHERS "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"

static void ciphers(const char *edit, const char *expected)
{
	char line[256];
	struct conf_values *v;

	snprintf(line, sizeof line, "Ciphers %s\n", edit);
	v = values(line);
	cr_assert_str_eq(v->Ciphers, expected);
	conf_values_free(v);
}

Test(conf_algs, default_lists)
{
	struct conf_values *v = values("");

	cr_assert_str_eq(v->Ciphers, CIPHERS);
	cr_assert_not_null(strstr(v->KexAlgorithms, "curve25519-sha256,curve25519-sha256@libssh.org"));
	cr_assert_not_null(strstr(v->MACs, "hmac-sha2-256-etm@openssh.com"));
	cr_assert_str_eq(strstr(v->HostKeyAlgorithms, "ssh-ed25519,"), v->PubkeyAcceptedAlgorithms, "certificates, and the same");
	cr_assert_null(strstr(v->PubkeyAcceptedAlgorithms, "-cert-"));
	cr_assert_null(strstr(v->HostKeyAlgorithms, "ssh-dss"));
	conf_values_free(v);
}

Test(conf_algs, edits)
{
	ciphers("aes256-ctr,aes128-ctr", "aes256-ctr,aes128-ctr");
	ciphers("aes256-ctr,aes256-ctr", "aes256-ctr");
	ciphers("*-ctr", "aes128-ctr,aes192-ctr,aes256-ctr");
	ciphers("+aes128-ctr", CIPHERS);
	ciphers("-aes*", "chacha20-poly1305@openssh.com");
	ciphers("-nothing", CIPHERS);
	ciphers("-aes1?8-ctr,aes19?-ctr,aes256-ctr,chacha*", "aes128-gcm@openssh.com,aes256-gcm@openssh.com");
	ciphers("^aes256-ctr,aes192-ctr", "aes256-ctr,aes192-ctr,chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,"
	    "aes256-gcm@openssh.com,aes128-ctr");
}

/* ---- the table of coppiced.conf.5, section ERLANG: each line, and the list it makes ------------------------------------- */

static const struct row { const char *line; enum conf_key key; const char *only, *front, *without, *with; } table[] = {
	{ "KexAlgorithms curve25519-sha256,ecdh-sha2-nistp256", KEY_KexAlgorithms, .only = "curve25519-sha256,ecdh-sha2-nistp256" },
	{ "HostKeyAlgorithms ssh-ed25519,rsa-sha2-512", KEY_HostKeyAlgorithms, .only = "ssh-ed25519,rsa-sha2-512" },
	{ "PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512", KEY_PubkeyAcceptedAlgorithms, .only = "ssh-ed25519,rsa-sha2-512" },
	{ "PubkeyAcceptedAlgorithms ssh-ed25519", KEY_PubkeyAcceptedAlgorithms, .only = "ssh-ed25519" },
	{ "Ciphers aes256-gcm@openssh.com,aes256-ctr", KEY_Ciphers, .only = "aes256-gcm@openssh.com,aes256-ctr" },
	{ "CiphersClientToServer aes128-ctr", KEY_CiphersClientToServer, .only = "aes128-ctr" },
	{ "CiphersServerToClient aes256-ctr,aes128-ctr", KEY_CiphersServerToClient, .only = "aes256-ctr,aes128-ctr" },
	{ "MACs hmac-sha2-512", KEY_MACs, .only = "hmac-sha2-512" },
	{ "MACsClientToServer hmac-sha2-256", KEY_MACsClientToServer, .only = "hmac-sha2-256" },
	{ "MACsServerToClient hmac-sha2-512", KEY_MACsServerToClient, .only = "hmac-sha2-512" },
	{ "CompressionAlgorithms none,zlib@openssh.com", KEY_CompressionAlgorithms, .only = "none,zlib@openssh.com" },
	{ "CompressionAlgorithmsClientToServer none", KEY_CompressionAlgorithmsClientToServer, .only = "none" },
	{ "CompressionAlgorithmsServerToClient zlib@openssh.com,none", KEY_CompressionAlgorithmsServerToClient, .only = "zlib@openssh.com,none" },
	{ "CompressionAlgorithmsServerToClient +zlib", KEY_CompressionAlgorithmsServerToClient, .with = "zlib" },
	{ "KexAlgorithms +diffie-hellman-group14-sha1", KEY_KexAlgorithms, .with = "diffie-hellman-group14-sha1" },
	{ "Ciphers ^aes256-ctr,aes192-ctr", KEY_Ciphers, .front = "aes256-ctr,aes192-ctr" },
	{ "MACs -hmac-sha2-256,hmac-sha2-512", KEY_MACs, .without = "hmac-sha2-256,hmac-sha2-512" },
	{ "CiphersClientToServer -aes192-ctr", KEY_CiphersClientToServer, .without = "aes192-ctr" },
	{ "HostKeyAlgorithms +ssh-rsa", KEY_HostKeyAlgorithms, .with = "ssh-rsa" },
	{ "PubkeyAcceptedAlgorithms +ssh-rsa", KEY_PubkeyAcceptedAlgorithms, .with = "ssh-rsa" },
};

static const struct limit { const char *line; uint64_t bytes; uint32_t seconds; } limits[] = {
	{ "RekeyLimit 1024000000 60m", 1024000000, 3600 }, { "RekeyLimit 5000000 10m", 5000000, 600 }, { "RekeyLimit 5000000 none", 5000000, 0 },
	{ "RekeyLimit default 10m", 0, 600 }, { "RekeyLimit default 60m", 0, 3600 },
};

static int in_list(const char *list, const char *name, size_t n)
{
	for (const char *p = list; p != NULL && *p != '\0'; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return 1;
	return 0;
}

/* The default list less some names, made here from the table of algorithms itself. */
static char *expected(const struct row *row, const char *defaults)
{
	static char list[2048];
	size_t n;

	list[0] = '\0';
	if (row->only != NULL)
		return strcpy(list, row->only);
	if (row->front != NULL)
		strcpy(list, row->front);
	for (const char *p = defaults; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if ((row->front && in_list(row->front, p, n)) || (row->without && in_list(row->without, p, n)))
			continue;
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.*s", list[0] ? "," : "", (int)n, p);
	}
	if (row->with != NULL) {
		cr_assert_not(in_list(defaults, row->with, strlen(row->with)), "%s is on by default", row->with);
		snprintf(list + strlen(list), sizeof list - strlen(list), ",%s", row->with);
	}
	return list;
}

static const char *list_of(const struct conf_values *v, enum conf_key key)
{
	return *(char *const *)((const char *)v + keyword_at(key)->offset);
}

Test(conf_algs, the_table_of_the_manual)
{
	struct conf_values *d = values(""), *v;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		v = values(table[i].line);
		cr_assert_str_eq(list_of(v, table[i].key), expected(&table[i], list_of(d, table[i].key)), "%s", table[i].line);
		conf_values_free(v);
	}
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		uint64_t bytes;
		uint32_t seconds;

		v = values(limits[i].line);
		cr_assert_eq(conf_rekey_limit(v, &bytes, &seconds), SSH_OK);
		cr_assert(bytes == limits[i].bytes && seconds == limits[i].seconds, "%s", limits[i].line);
		conf_values_free(v);
	}
	conf_values_free(d);
}

Test(conf_algs, every_line_of_the_manual_is_in_the_table)
{
	FILE *f = conf_file("coppiced.conf.5");
	char line[1000];
	unsigned found = 0;
	int inside = 0;

	while (fgets(line, sizeof line, f) != NULL) {
		int known = strncmp(line, ".Dl VersionString ", 18) == 0;

		if (strncmp(line, ".Sh ", 4) == 0)
			inside = strcmp(line, ".Sh ERLANG\n") == 0;
		if (!inside || strncmp(line, ".Dl ", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < sizeof table / sizeof *table; i++)
			known |= strcmp(table[i].line, line + 4) == 0;
		for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
			known |= strcmp(limits[i].line, line + 4) == 0;
		cr_assert(known, "not tested: %s", line);
		conf_values_free(values(line + 4));
		found++;
	}
	fclose(f);
	cr_assert_geq(found, sizeof table / sizeof *table + sizeof limits / sizeof *limits);
}

/* Each keyword with a list: + - ^, wildcards, unknown names, nothing left; and names that are off by default. */
Test(conf_algs, every_list_takes_every_edit)
{
	static const enum conf_key keys[] = { KEY_Ciphers, KEY_CiphersClientToServer, KEY_CiphersServerToClient, KEY_MACs, KEY_MACsClientToServer,
		KEY_MACsServerToClient, KEY_KexAlgorithms, KEY_CompressionAlgorithms, KEY_CompressionAlgorithmsClientToServer,
		KEY_CompressionAlgorithmsServerToClient, KEY_HostKeyAlgorithms, KEY_PubkeyAcceptedAlgorithms };
	const struct keyword *k;
	unsigned lists = 0;

	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		lists += k->type == TYPE_ALGS;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct conf_values *d = values(""), *v;
		char line[200], first[80], why[1000];
		const char *name = keyword_at(keys[i])->name, *all = list_of(d, keys[i]);
		size_t n = strcspn(all, ",");

		snprintf(first, sizeof first, "%.*s", (int)n, all);
		snprintf(line, sizeof line, "%s -%s", name, first);
		v = values(line);
		cr_assert_str_eq(list_of(v, keys[i]), all + n + 1, "%s", line);
		conf_values_free(v);
		snprintf(line, sizeof line, "%s ^%s", name, strrchr(all, ',') + 1);
		v = values(line);
		cr_assert(in_list(list_of(v, keys[i]), strrchr(all, ',') + 1, strlen(strrchr(all, ',') + 1)) && strncmp(list_of(v, keys[i]), all, n) != 0, "%s", line);
		conf_values_free(v);
		snprintf(line, sizeof line, "%s +*", name);
		v = values(line);
		cr_assert_eq(strncmp(list_of(v, keys[i]), all, strlen(all)), 0, "%s", line);
		conf_values_free(v);
		snprintf(line, sizeof line, "%s -*\n", name);
		refused(line, "t line 1: '-*' leaves no algorithm");
		cr_assert_eq(algs_expand(keys[i], "+no-such", &(char *){ NULL }, why, sizeof why), SSH_E_CONFIG);
		cr_assert(strstr(why, "'no-such'") && strstr(why, "Known: ") && strstr(why, first), "%s", why);
		conf_values_free(d);
	}
	cr_assert_geq(lists, sizeof keys / sizeof *keys);
}

Test(conf_algs, a_direction_is_as_both_unless_it_says_so)
{
	struct conf_values *v = values("CiphersServerToClient aes256-ctr\nCiphers aes128-ctr\nMACs hmac-sha2-512\n"
	    "CompressionAlgorithms +zlib\nCompressionAlgorithmsClientToServer none\n");

	cr_assert_str_eq(v->CiphersClientToServer, "aes128-ctr");
	cr_assert_str_eq(v->CiphersServerToClient, "aes256-ctr");
	cr_assert_str_eq(v->MACsClientToServer, "hmac-sha2-512");
	cr_assert_str_eq(v->MACsServerToClient, "hmac-sha2-512");
	cr_assert_str_eq(v->CompressionAlgorithmsClientToServer, "none");
	cr_assert_str_eq(v->CompressionAlgorithmsServerToClient, "none,zlib@openssh.com,zlib");
	conf_values_free(v);
}

/* The sentence without the names that follow. */
static void bad(const char *text, const char *begins)
{
	struct conf_error e = { "" };
	struct conf *c = NULL;
	size_t n = strlen(begins);

	cr_assert_eq(conf_parse(&c, view_str(text), "t", &e), SSH_E_CONFIG, "accepted: %s", text);
	cr_assert(strncmp(e.text, begins, n) == 0 && strncmp(e.text + n, " Known: ", 8) == 0, "%s", e.text);
}

Test(conf_algs, sentences)
{
	bad("Ciphers foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	bad("Ciphers aes128-ctr,foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	bad("Ciphers +foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	bad("Ciphers ^foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	bad("Ciphers aes128-ctr,,aes256-ctr\n", "t line 1: Bad SSH2 cipher spec ',aes256-ctr'.");
	bad("Ciphers AES128-CTR\n", "t line 1: Bad SSH2 cipher spec 'AES128-CTR'.");
	bad("Ciphers +\n", "t line 1: Bad SSH2 cipher spec ''.");
	refused("Ciphers -*\n", "t line 1: '-*' leaves no algorithm");
	bad("MACs umac\n", "t line 1: Bad SSH2 mac spec 'umac'.");
	bad("KexAlgorithms diffie\n", "t line 1: Bad SSH2 KexAlgorithms 'diffie'.");
	bad("HostKeyAlgorithms ssh-dsa\n", "t line 1: Bad key types 'ssh-dsa'.");
	refused("PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com\n", "t line 1: 'ssh-ed25519-cert-v01@openssh.com' leaves no algorithm");
	bad("PubkeyAcceptedAlgorithms aes128-ctr\n", "t line 1: Bad key types 'aes128-ctr'.");
}

static void compression(const char *lines, int on, const char *list)
{
	struct conf_values *v = values(lines);

	cr_assert_eq(v->Compression, on, "%s", lines);
	cr_assert_str_eq(v->CompressionAlgorithms, list);
	conf_values_free(v);
}

Test(conf_algs, compression)
{
	compression("", 1, "none,zlib@openssh.com");
	compression("Compression delayed\n", 1, "none,zlib@openssh.com");
	compression("compression YES\nCompressionAlgorithms +zlib\n", 1, "none,zlib@openssh.com,zlib");
	compression("Compression no\nCompressionAlgorithms -none\n", 0, "zlib@openssh.com");
	refused("Compression zlib\n", "t line 1: unsupported option \"zlib\".");
	bad("CompressionAlgorithms lzma\n", "t line 1: Bad compression method 'lzma'.");
	refused("CompressionAlgorithms -*\n", "t line 1: '-*' leaves no algorithm");
}

/* Files for sshd name certificates everywhere; users have none here, hosts do. */
Test(conf_algs, certificates)
{
	struct conf_values *v = values("HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519\n"
	    "PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,ssh-dss\n");

	cr_assert_str_eq(v->HostKeyAlgorithms, "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519");
	cr_assert_str_eq(v->PubkeyAcceptedAlgorithms, "ssh-ed25519,ssh-dss");
	conf_values_free(v);
}

Test(conf_algs, rows)
{
	const char *name, *why, *key;
	unsigned off = 0, n = 0;

	for (; (name = algs_row(ALGS_SIG | ALGS_CERT, n, &why, &key)) != NULL; n++) {
		cr_assert_not_null(key);
		off += why != NULL;
		cr_assert(why == NULL || why[0] != '\0');
	}
	cr_assert_gt(off, 2u);
	cr_assert_gt(n, off);
	cr_assert_str_eq(algs_row(ALGS_COMP, 0, &why, &key), "none");
	cr_assert_null(why);
	cr_assert_str_eq(algs_row(ALGS_COMP, 2, &why, &key), "zlib");
	cr_assert_not_null(strstr(why, "before login"));
	cr_assert_not_null(algs_row(ALGS_COMP, 0, &why, &key));
	cr_assert_null(key);
	cr_assert_null(algs_row(0, 0, &why, &key));
}
