/* libssh. What a driver is: run. */
#include <errno.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "word.h"

static const struct { const char *kind; enum ssh_options_e option, other; } kinds[] = {
	{ "kex", SSH_OPTIONS_KEY_EXCHANGE, SSH_OPTIONS_KEY_EXCHANGE },
	{ "hostkey", SSH_OPTIONS_HOSTKEYS, SSH_OPTIONS_HOSTKEYS },
	{ "userkey", SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES },
	{ "cipher", SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C },
	{ "mac", SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C },
	{ "comp", SSH_OPTIONS_COMPRESSION_C_S, SSH_OPTIONS_COMPRESSION_S_C },
};

static int known(void)
{
	char kind[32], name[128];

	printf("version libssh %s\n", ssh_version(0));
	while (scanf("%31s %127s", kind, name) == 2) {
		ssh_session s = ssh_new();	/* one each: a name that is refused leaves the option as it was */

		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
			if (strcmp(kinds[i].kind, kind) == 0 && strstr(name, "-cert-") == NULL && ssh_options_set(s, kinds[i].option, name) == 0)
				printf("%s %s\n", kind, name);
		ssh_free(s);
	}
	return 0;
}

static int fail(ssh_session s, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, ssh_get_error(s));
	return 255;
}

static int same_host(ssh_session s, const char *path)
{
	ssh_key want = NULL, got = NULL;
	int same = ssh_pki_import_pubkey_file(path, &want) == SSH_OK && ssh_get_server_publickey(s, &got) == SSH_OK &&
	    ssh_key_cmp(want, got, SSH_KEY_CMP_PUBLIC) == 0;

	ssh_key_free(want);
	ssh_key_free(got);
	return same;
}

static int login(ssh_session s, int argc, char **argv)
{
	int port = atoi(word(argc, argv, "port")), no = 0;
	const char *name;
	ssh_key key = NULL;

	ssh_options_set(s, SSH_OPTIONS_HOST, word(argc, argv, "host"));
	ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	ssh_options_set(s, SSH_OPTIONS_USER, word(argc, argv, "user"));
	ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if ((name = word(argc, argv, kinds[i].kind)) != NULL &&
		    (ssh_options_set(s, kinds[i].option, name) != 0 || ssh_options_set(s, kinds[i].other, name) != 0))
			return fail(s, name);
	if (ssh_connect(s) != SSH_OK)
		return fail(s, "connect");
	if (!same_host(s, word(argc, argv, "hostpub")))
		return fail(s, "another host key");
	if (ssh_pki_import_privkey_file(word(argc, argv, "key"), NULL, NULL, NULL, &key) != SSH_OK)
		return fail(s, "the key cannot be read");
	if (ssh_userauth_publickey(s, NULL, key) != SSH_AUTH_SUCCESS)
		return fail(s, "login");
	ssh_key_free(key);
	return 0;
}

static int run(ssh_session s, const char *command)
{
	ssh_channel c = ssh_channel_new(s);
	static char block[32768];
	ssize_t n;
	int got, status;

	if (c == NULL || ssh_channel_open_session(c) != SSH_OK || ssh_channel_request_exec(c, command) != SSH_OK)
		return fail(s, "exec");
	while ((n = read(0, block, sizeof block)) > 0)
		if (ssh_channel_write(c, block, (uint32_t)n) != n)
			return fail(s, "write");
	if (ssh_channel_send_eof(c) != SSH_OK)
		return fail(s, "eof");
	while ((got = ssh_channel_read(c, block, sizeof block, 0)) > 0)
		if (fwrite(block, 1, (size_t)got, stdout) != (size_t)got)
			return fail(s, "stdout");
	if (got < 0)
		return fail(s, "read");
	status = ssh_channel_get_exit_status(c);
	ssh_channel_close(c);
	ssh_channel_free(c);
	return status;
}

int main(int argc, char **argv)
{
	ssh_session s;
	int status;

	if (argc == 2 && strcmp(argv[1], "known") == 0)
		return known();
	s = ssh_new();
	if ((status = login(s, argc, argv)) == 0)
		status = run(s, word(argc, argv, "command"));
	ssh_disconnect(s);
	ssh_free(s);
	return status;
}
