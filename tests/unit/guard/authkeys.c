#include "guard/authkeys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/permits.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

static struct buf blob[2];
static char text[2][200];	/* "ssh-ed25519 AAAA..." */
static char said[10][400];
static unsigned nsaid;

/* Two Ed25519 blobs; nothing here looks into the 32 bytes. */
static void make_keys(void)
{
	for (int i = 0; i < 2; i++) {
		uint8_t key[32];
		struct wr w;
		struct buf line;

		memset(key, 0x11 + i, sizeof key);
		buf_init(&blob[i], SSH_BLOB_MAX, NULL);
		w = wr_to(&blob[i]);
		wr_cstr(&w, "ssh-ed25519");
		wr_string(&w, key, sizeof key);
		cr_assert_eq(wr_done(&w), SSH_OK);
		buf_init(&line, 1000, NULL);
		cr_assert_eq(keyfile_write_public(&line, view_of(buf_head(&blob[i]), buf_len(&blob[i])), "c"), SSH_OK);
		snprintf(text[i], sizeof text[i], "%.*s", (int)buf_len(&line) - 3, (const char *)buf_head(&line));
		buf_drop(&line);
	}
}

TestSuite(authkeys, .init = make_keys);

static void say(void *ctx, unsigned line, const char *sentence)
{
	(void)ctx;
	if (nsaid < 10)
		snprintf(said[nsaid++], sizeof said[0], "%u: %s", line, sentence);
}

static struct authopts opts;
static unsigned at_line;

static int search(struct view file, int key, int64_t now)
{
	struct authkeys_query q = { .blob = view_of(buf_head(&blob[key]), buf_len(&blob[key])), .now = now };

	addr_parse_ip(&q.peer, "10.1.2.3");
	authopts_drop(&opts);
	nsaid = 0;
	return authkeys_search(file, &q, &opts, &at_line, say, NULL);
}

/* fmt holds %1 and %2 for the two keys' text. */
static int find(const char *fmt)
{
	char file[4000];
	size_t n = 0;

	for (const char *p = fmt; *p != '\0'; p++)
		if (*p == '%')
			n += (size_t)snprintf(file + n, sizeof file - n, "%s", text[*++p - '1']);
		else
			file[n++] = *p;
	return search(view_of(file, n), 0, 1000);
}

Test(authkeys, lines_that_let_in)
{
	static const struct { const char *file; unsigned line; } rows[] = {
		{ "%1", 1 }, { "%1\n", 1 }, { "%1 comment here\n", 1 }, { "  \t%1\n", 1 }, { "%1\r\n", 1 },
		{ "\n\n# x\n%2\n%1\n", 5 }, { "restrict %1", 1 }, { "restrict   %1", 1 }, { "command=\"a b\" %1 c", 1 },
		{ "%2\nrestrict,pty\t%1", 2 }, { "nonsense %1\n%1\n", 2 }, { "from=\"10.0.0.0/8\" %1", 1 },
		{ "from=\"*.example.com,10.1.*\" %1", 1 }, { "expiry-time=\"20300101Z\" %1", 1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(find(rows[i].file), AUTHKEYS_YES, "%s", rows[i].file);
		cr_assert_eq(at_line, rows[i].line, "%s", rows[i].file);
	}
}

Test(authkeys, lines_that_do_not)
{
	static const char *const rows[] = {
		"", "\n", "#%1", " # %1", "%2", "ssh-ed25519", "ssh-ed25519 ", "AAAA", "x%1",
		"%2 %1", "ssh-rsa AAAA %1", "a comment with %1 inside", "# a comment\r%1",	/* the key stands in the middle */
		"command=\"%1", "command=\"x\" \"%1", "nonsense %1", "restrict,nonsense %1", "restrict, %1", "restrict ,pty %1",
		"cert-authority %1", "principals=\"a\",cert-authority %1", "from=\"192.0.2.0/24\" %1", "from=\"!10.1.2.3,10.*\" %1",
		"from=\"10.0.0.0/33\" %1", "from=\"\" %1", "expiry-time=\"19700101Z\" %1", "restrict restrict %1",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(find(rows[i]), AUTHKEYS_NO, "%s", rows[i]);
}

/* A type that is not the blob's own: never a match, whatever the base64 says. */
Test(authkeys, type_word_must_be_the_keys)
{
	char line[500];

	snprintf(line, sizeof line, "ssh-rsa %s", text[0] + strlen("ssh-ed25519 "));
	cr_assert_eq(search(view_str(line), 0, 0), AUTHKEYS_NO);
	snprintf(line, sizeof line, "ssh-ed25519 %s", text[0] + strlen("ssh-ed25519 "));
	cr_assert_eq(search(view_str(line), 0, 0), AUTHKEYS_YES);
}

/* No case folding, no prefix: the whole blob (CVE-2026-103059 class). */
Test(authkeys, damaged_base64)
{
	char line[300];
	size_t n = strlen(text[0]);

	for (size_t i = strlen("ssh-ed25519 "); i < n; i++) {
		snprintf(line, sizeof line, "%s", text[0]);
		line[i] = line[i] == 'B' ? 'C' : 'B';
		cr_assert_eq(search(view_str(line), 0, 0), AUTHKEYS_NO, "byte %zu", i);
		snprintf(line, sizeof line, "%s", text[0]);
		line[i] = '\0';
		cr_assert_eq(search(view_of(line, n), 0, 0), AUTHKEYS_NO, "NUL at %zu", i);
		cr_assert_eq(search(view_of(line, i), 0, 0), AUTHKEYS_NO, "cut at %zu", i);
	}
}

Test(authkeys, nul_anywhere_spoils_its_line_only)
{
	char file[600];
	size_t n = (size_t)snprintf(file, sizeof file, "%s x\nrestrict %s\n", text[0], text[0]);

	file[strlen(text[0]) + 1] = '\0';
	cr_assert_eq(search(view_of(file, n), 0, 0), AUTHKEYS_YES);
	cr_assert_eq(at_line, 2);
	cr_assert_eq(opts.permits, 0);
}

/* A line of a mebibyte is one line: its middle is never taken for a new one without its options. */
Test(authkeys, long_lines_are_whole)
{
	static const size_t places[] = { 1, 8190, 8191, 8192, 65536, 1000000 };
	size_t n = 1u << 20, key = strlen(text[0]);
	char *file = malloc(n + 400);

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		memset(file, ' ', n);
		memcpy(file, "#", 1);
		memcpy(file + places[i], text[0], key);
		cr_assert_eq(search(view_of(file, n), 0, 0), AUTHKEYS_NO, "in a comment at %zu", places[i]);
		memset(file, 'x', n);
		memcpy(file, "command=\"", 9);
		memcpy(file + 10 + places[i] / 2, " ", 1);
		memcpy(file + 11 + places[i] / 2, text[0], key);
		cr_assert_eq(search(view_of(file, n), 0, 0), AUTHKEYS_NO, "in an open quote at %zu", places[i]);
	}
	memset(file, ' ', n);
	memcpy(file, "restrict", 8);
	memcpy(file + n - key, text[0], key);
	cr_assert_eq(search(view_of(file, n), 0, 0), AUTHKEYS_YES);
	cr_assert_eq(opts.permits, 0, "the options at its start hold");
	free(file);
}

Test(authkeys, options_of_the_line_that_decides)
{
	cr_assert_eq(find("command=\"no\",from=\"192.0.2.1\" %1\ncommand=\"yes\",restrict,pty %1\n%1\n"), AUTHKEYS_YES);
	cr_assert_eq(at_line, 2);
	cr_assert_str_eq(opts.command, "yes");
	cr_assert_eq(opts.permits, PERMIT_PTY);
	cr_assert_eq(nsaid, 1);
	cr_assert_not_null(strstr(said[0], "1: Authentication tried with correct key but not from a permitted host (host=10.1.2.3"));
	cr_assert_eq(find("restrict,nonsense %1"), AUTHKEYS_NO);
	cr_assert_str_eq(said[0], "1: bad key options: unknown key option");
	cr_assert_eq(find("nonsense %2"), AUTHKEYS_NO);
	cr_assert_eq(nsaid, 0, "nothing is said about other keys' lines");
}

Test(authkeys, expiry_is_exact)
{
	char line[300];

	snprintf(line, sizeof line, "expiry-time=\"19700102Z\" %s", text[0]);
	cr_assert_eq(search(view_str(line), 0, 86399), AUTHKEYS_YES);
	cr_assert_eq(search(view_str(line), 0, 86400), AUTHKEYS_NO);
	cr_assert_str_eq(said[0], "1: key expired");
}

Test(authkeys, thousands_of_lines)
{
	struct buf b;

	buf_init(&b, 4u << 20, NULL);
	for (int i = 0; i < 5000; i++)
		cr_assert_eq(buf_append(&b, text[1], strlen(text[1])) + buf_append(&b, "\n", 1), SSH_OK);
	cr_assert_eq(buf_append(&b, text[0], strlen(text[0])), SSH_OK);
	cr_assert_eq(search(view_of(buf_head(&b), buf_len(&b)), 0, 0), AUTHKEYS_YES);
	cr_assert_eq(at_line, 5001);
	buf_drop(&b);
}
