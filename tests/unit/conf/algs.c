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

Test(conf_algs, sentences)
{
	refused("Ciphers foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	refused("Ciphers aes128-ctr,foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	refused("Ciphers +foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	refused("Ciphers ^foo\n", "t line 1: Bad SSH2 cipher spec 'foo'.");
	refused("Ciphers aes128-ctr,,aes256-ctr\n", "t line 1: Bad SSH2 cipher spec ',aes256-ctr'.");
	refused("Ciphers AES128-CTR\n", "t line 1: Bad SSH2 cipher spec 'AES128-CTR'.");
	refused("Ciphers +\n", "t line 1: Bad SSH2 cipher spec ''.");
	refused("Ciphers -*\n", "t line 1: '-*' leaves no algorithm");
	refused("MACs umac\n", "t line 1: Bad SSH2 mac spec 'umac'.");
	refused("KexAlgorithms diffie\n", "t line 1: Bad SSH2 KexAlgorithms 'diffie'.");
	refused("HostKeyAlgorithms ssh-dsa\n", "t line 1: Bad key types 'ssh-dsa'.");
	refused("PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com\n", "t line 1: 'ssh-ed25519-cert-v01@openssh.com' leaves no algorithm");
	refused("PubkeyAcceptedAlgorithms aes128-ctr\n", "t line 1: Bad key types 'aes128-ctr'.");
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
	refused("CompressionAlgorithms lzma\n", "t line 1: Bad compression method 'lzma'.");
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
