/* libssh2. What a driver is: run. */
#include <arpa/inet.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "word.h"

static const struct { const char *kind; int method, other; } kinds[] = {
	{ "kex", LIBSSH2_METHOD_KEX, -1 },
	{ "hostkey", LIBSSH2_METHOD_HOSTKEY, -1 },
	{ "cipher", LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC },
	{ "mac", LIBSSH2_METHOD_MAC_CS, LIBSSH2_METHOD_MAC_SC },
	{ "comp", LIBSSH2_METHOD_COMP_CS, LIBSSH2_METHOD_COMP_SC },
};

static int known(void)
{
	LIBSSH2_SESSION *s = libssh2_session_init();
	const char **names;
	int n;

	libssh2_session_flag(s, LIBSSH2_FLAG_COMPRESS, 1);
	printf("version libssh2 %s\n", libssh2_version(0));
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		n = libssh2_session_supported_algs(s, kinds[i].method, &names);
		for (int j = 0; j < n; j++) {
			if (strstr(names[j], "-cert-") != NULL)
				continue;	/* listed among host keys, but there is no function that would verify one */
			printf("%s %s\n", kinds[i].kind, names[j]);
			/* it signs with what it verifies, but for RSA before 1.11, where it knows SHA-1 only */
			if (strcmp(kinds[i].kind, "hostkey") == 0 && (LIBSSH2_VERSION_NUM >= 0x010b00 || strncmp(names[j], "rsa-sha2-", 9) != 0))
				printf("userkey %s\n", names[j]);
		}
		if (n > 0)
			libssh2_free(s, names);
	}
	libssh2_session_free(s);
	return 0;
}

static int fail(LIBSSH2_SESSION *s, const char *what)
{
	char *text = NULL;

	libssh2_session_last_error(s, &text, NULL, 0);
	fprintf(stderr, "%s: %s\n", what, text != NULL ? text : "");
	return 255;
}

static int dial(const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return -1;
	return fd;
}

/* The key of the host as its .pub file spells it. */
static int same_host(LIBSSH2_SESSION *s, const char *path)
{
	char type[64], text[4096], *blob = NULL;
	unsigned blob_len = 0;
	size_t len;
	int kind, same;
	const char *got = libssh2_session_hostkey(s, &len, &kind);
	FILE *f = fopen(path, "r");

	if (f == NULL || fscanf(f, "%63s %4095s", type, text) != 2 || libssh2_base64_decode(s, &blob, &blob_len, text, (unsigned)strlen(text)) != 0)
		return 0;
	fclose(f);
	same = got != NULL && len == blob_len && memcmp(got, blob, len) == 0;
	libssh2_free(s, blob);
	return same;
}

static int login(LIBSSH2_SESSION *s, int argc, char **argv)
{
	const char *key = word(argc, argv, "key"), *user = word(argc, argv, "user"), *name;
	char pub[4096];
	int fd = dial(word(argc, argv, "host"), word(argc, argv, "port"));

	libssh2_session_flag(s, LIBSSH2_FLAG_COMPRESS, word(argc, argv, "comp") != NULL);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if ((name = word(argc, argv, kinds[i].kind)) != NULL && (libssh2_session_method_pref(s, kinds[i].method, name) != 0 ||
		    (kinds[i].other >= 0 && libssh2_session_method_pref(s, kinds[i].other, name) != 0)))
			return fail(s, name);
	if (fd < 0 || libssh2_session_handshake(s, fd) != 0)
		return fail(s, "handshake");
	if (!same_host(s, word(argc, argv, "hostpub")))
		return fail(s, "another host key");
	snprintf(pub, sizeof pub, "%s.pub", key);
	if (libssh2_userauth_publickey_fromfile_ex(s, user, (unsigned)strlen(user), pub, key, NULL) != 0)
		return fail(s, "login");
	return 0;
}

static int run(LIBSSH2_SESSION *s, const char *command)
{
	LIBSSH2_CHANNEL *c = libssh2_channel_open_session(s);
	static char block[32768];
	ssize_t n, done, r;
	int status;

	if (c == NULL || libssh2_channel_exec(c, command) != 0)
		return fail(s, "exec");
	while ((n = read(0, block, sizeof block)) > 0)
		for (done = 0; done < n; done += r)
			if ((r = libssh2_channel_write(c, block + done, (size_t)(n - done))) < 0)
				return fail(s, "write");
	if (libssh2_channel_send_eof(c) != 0)
		return fail(s, "eof");
	while ((n = libssh2_channel_read(c, block, sizeof block)) > 0)
		if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
			return fail(s, "stdout");
	if (n < 0 || libssh2_channel_close(c) != 0 || libssh2_channel_wait_closed(c) != 0)
		return fail(s, "read");
	status = libssh2_channel_get_exit_status(c);
	libssh2_channel_free(c);
	return status;
}

int main(int argc, char **argv)
{
	LIBSSH2_SESSION *s;
	int status;

	if (libssh2_init(0) != 0)
		return 255;
	if (argc == 2 && strcmp(argv[1], "known") == 0)
		return known();
	s = libssh2_session_init();
	if ((status = login(s, argc, argv)) == 0)
		status = run(s, word(argc, argv, "command"));
	libssh2_session_disconnect(s, "done");
	libssh2_session_free(s);
	libssh2_exit();
	return status;
}
