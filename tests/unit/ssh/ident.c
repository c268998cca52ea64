#include "ssh/ident.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "tests/unit/ssh/pair.h"

static int parse(enum ssh_role role, const char *text, size_t n, size_t *used, struct view *line)
{
	return ident_parse(role, view_of(text, n), line, used);
}

#define LITERAL(s) (s), sizeof(s) - 1

Test(ident, what_is_one)
{
	static const struct { const char *text; size_t n; int server, client; } rows[] = {
		{ LITERAL("SSH-2.0-x\r\n"), IDENT_FOUND, IDENT_FOUND },
		{ LITERAL("SSH-2.0-x\n"), IDENT_FOUND, IDENT_FOUND },
		{ LITERAL("SSH-2.0-x y z\r\n"), IDENT_FOUND, IDENT_FOUND },
		{ LITERAL("SSH-1.99-x\r\n"), IDENT_FOUND, IDENT_FOUND },
		{ LITERAL("SSH-1.5-x\r\n"), SSH_E_VERSION, SSH_E_VERSION },
		{ LITERAL("SSH-2.1-x\r\n"), SSH_E_VERSION, SSH_E_VERSION },
		{ LITERAL("SSH-3-x\r\n"), SSH_E_VERSION, SSH_E_VERSION },
		{ LITERAL("SSH-10.0-x\r\n"), SSH_E_VERSION, SSH_E_VERSION },
		{ LITERAL("SSH-\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-x-y\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-1.99-\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x\033[2J\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x\x7f\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x\ty \xc3\xa4\r\n"), IDENT_FOUND, IDENT_FOUND },
		{ LITERAL("SSH-2.0-\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("ssh-2.0-x\r\n"), SSH_E_IDENT, IDENT_OTHER_LINE },
		{ LITERAL("\r\n"), SSH_E_IDENT, IDENT_OTHER_LINE },
		{ LITERAL("\n"), SSH_E_IDENT, IDENT_OTHER_LINE },
		{ LITERAL("GET / HTTP/1.1\r\n"), SSH_E_IDENT, IDENT_OTHER_LINE },
		{ LITERAL("SSH-2.0-x\ry\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x\0y\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x\r\r\n"), SSH_E_IDENT, SSH_E_IDENT },
		{ LITERAL("SSH-2.0-x"), IDENT_SHORT, IDENT_SHORT },
		{ LITERAL(""), IDENT_SHORT, IDENT_SHORT },
	};
	struct view line;
	size_t used;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(parse(SSH_SERVER, rows[i].text, rows[i].n, &used, &line), rows[i].server, "row %zu", i);
		cr_assert_eq(parse(SSH_CLIENT, rows[i].text, rows[i].n, &used, &line), rows[i].client, "row %zu", i);
	}
	cr_assert_eq(parse(SSH_SERVER, LITERAL("SSH-2.0-x y\r\nrest"), &used, &line), IDENT_FOUND);
	cr_assert_eq(used, 13u);
	cr_assert(view_is(line, "SSH-2.0-x y"));
}

Test(ident, length_limit_is_255_with_line_end)
{
	char text[300];
	struct view line;
	size_t used;

	memset(text, 'x', sizeof text);
	memcpy(text, "SSH-2.0-", 8);
	cr_assert_eq(parse(SSH_SERVER, text, 254, &used, &line), IDENT_SHORT);
	cr_assert_eq(parse(SSH_SERVER, text, 255, &used, &line), SSH_E_IDENT, "no end in sight");
	text[254] = '\n';
	cr_assert_eq(parse(SSH_SERVER, text, 255, &used, &line), IDENT_FOUND);
	text[254] = 'x';
	text[255] = '\n';
	cr_assert_eq(parse(SSH_SERVER, text, 256, &used, &line), SSH_E_IDENT);
	cr_assert_eq(parse(SSH_CLIENT, text, 256, &used, &line), SSH_E_IDENT);
}

Test(ident, own_version)
{
	cr_assert_eq(ident_check_own("SSH-2.0-Coppice_0.1"), SSH_OK);
	cr_assert_eq(ident_check_own("SSH-2.0-"), SSH_E_CONFIG);
	cr_assert_eq(ident_check_own("SSH-1.99-x"), SSH_E_CONFIG);
	cr_assert_eq(ident_check_own("SSH-2.0-x\n"), SSH_E_CONFIG);
}

/* ---- through the whole object ------------------------------------------------------------ */

static void refused_with(const char *text, size_t n, int error, const char *farewell)
{
	struct pair p;
	const uint8_t *out;
	size_t len;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_feed(&p, SSH_SERVER, text, n);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), error);
	cr_assert_eq(buf_len(&p.events[SSH_SERVER]), 0u);
	out = ssh_output(p.side[SSH_SERVER], &len);
	cr_assert_geq(len, strlen(farewell));
	cr_assert_arr_eq(out + len - strlen(farewell), farewell, strlen(farewell));
	cr_assert_not(ssh_want_read(p.side[SSH_SERVER]));
	cr_assert_eq(ssh_deadline(p.side[SSH_SERVER]), UINT64_MAX);
	pair_free(&p);
}

static void refused(const char *text, size_t n)
{
	refused_with(text, n, SSH_E_IDENT, "Invalid SSH identification string.\r\n");
}

Test(ident, server_refuses_strangers_in_plain_text)
{
	static char long_line[70000];

	refused(LITERAL("GET / HTTP/1.1\r\n"));
	refused_with(LITERAL("SSH-1.5-old\r\n"), SSH_E_VERSION, "Protocol major versions differ.\r\n");
	refused(LITERAL("\x16\x03\x01\n"));
	memset(long_line, 'A', sizeof long_line);
	refused(long_line, sizeof long_line);
	refused(long_line, 255);
	refused(LITERAL("hello\r\nSSH-2.0-x\r\n"));	/* only a server may send lines before */
}

Test(ident, client_takes_lines_before_the_identification)
{
	struct pair p;
	struct buf b;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	buf_init(&b, 1 << 20, NULL);
	for (unsigned i = 0; i < SSH_IDENT_LINES; i++)
		cr_assert_eq(buf_append(&b, "hello\r\n", 7), SSH_OK);
	cr_assert_eq(buf_append(&b, "SSH-2.0-x\r\n", 11), SSH_OK);
	raw_feed(&p, SSH_CLIENT, &b);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_OK);
	cr_assert(memmem(buf_head(&p.events[SSH_CLIENT]), buf_len(&p.events[SSH_CLIENT]), "SSH-2.0-x", 9));
	pair_free(&p);
}

Test(ident, client_takes_no_endless_talk)
{
	struct pair p;
	struct buf b;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	buf_init(&b, 1 << 20, NULL);
	for (unsigned i = 0; i <= SSH_IDENT_LINES; i++)
		cr_assert_eq(buf_append(&b, "hello\r\n", 7), SSH_OK);
	raw_feed(&p, SSH_CLIENT, &b);
	cr_assert_eq(ssh_error(p.side[SSH_CLIENT]), SSH_E_IDENT);
	pair_free(&p);
}

Test(ident, both_speak_at_once)
{
	struct pair p;
	struct ssh_event e;
	const uint8_t *out;
	size_t n;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	for (int i = 0; i < 2; i++) {
		out = ssh_output(p.side[i], &n);
		cr_assert_eq(n, strlen("SSH-2.0-Coppice_0.1\r\n"));
		cr_assert_arr_eq(out, "SSH-2.0-Coppice_0.1\r\n", n);
		cr_assert_not(ssh_next(p.side[i], &e));
		cr_assert_gt(ssh_output_len(p.side[i]), n + 500, "KEXINIT waits for nobody");
	}
	pair_free(&p);
}

Test(ident, who_talks_in_a_rekey)
{
	cr_assert(ident_talks_in_rekey("SSH-2.0-AsyncSSH_2.10.1"));
	cr_assert(ident_talks_in_rekey("SSH-2.0-AsyncSSH_2.14.2"));
	cr_assert_not(ident_talks_in_rekey("SSH-2.0-AsyncSSH_2.15.0"));
	cr_assert_not(ident_talks_in_rekey("SSH-2.0-AsyncSSH_2.10.10"));
	cr_assert_not(ident_talks_in_rekey("SSH-2.0-OpenSSH_9.2p1 AsyncSSH_2.10.1"));
	cr_assert_not(ident_talks_in_rekey(NULL));
}
