/* keyfind: real files, real signatures; the names of algorithm, blob and signature in every combination. */
#include "guard/keyfind.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "guard/helper.h"
#include "ipc/permits.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"
#include "ssh/ssh.h"

static char base[] = "/tmp/coppice-find.XXXXXX", file[100];
static struct privkey *key[3];
static const char *const alg[3] = { "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512" };
static const char *const files[] = { "%h/keys", "none", ".missing" };
static struct keyfind k;
static struct helper_answer a;
static struct buf texts;

static struct view all(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static void add_line(const char *options, const struct privkey *p)
{
	struct buf line;
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);

	buf_init(&line, 10000, NULL);
	cr_assert_eq(buf_append(&line, options, strlen(options)), SSH_OK);
	cr_assert_eq(keyfile_write_public(&line, privkey_blob(p), "c"), SSH_OK);
	cr_assert_eq(write(fd, buf_head(&line), buf_len(&line)), (ssize_t)buf_len(&line));
	close(fd);
	buf_drop(&line);
}

static void make(void)
{
	static const enum key_kind kinds[3] = { KEY_ED25519, KEY_P256, KEY_RSA };

	cr_assert_eq(crypto_init(), SSH_OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(privkey_generate(&key[i], kinds[i], i == 2 ? 2048 : 0), SSH_OK);
	cr_assert_not_null(mkdtemp(base));
	snprintf(file, sizeof file, "%s/keys", base);
	k = (struct keyfind){ .user = "ada", .home = base, .uid = geteuid(), .files = files, .nfiles = 3, .strict = 1 };
	buf_init(&texts, AUTHOPTS_TEXT_MAX + HELPER_LINES * HELPER_LINE_MAX, NULL);
}

static void clean(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(keyfind, .init = make, .fini = clean);

static struct view bound_text, bound_ask;	/* the host key that the signature covers, and the one that is asked about */

/* Signed by s with sig_alg, for session id and user; asked with ask_alg and b's blob. */
static int ask(const char *ask_alg, const struct privkey *b, const struct privkey *s, const char *sig_alg, const char *id,
    const char *user)
{
	struct helper_ask q = { .what = HELPER_VERIFY, .alg = view_str(ask_alg), .blob = privkey_blob(b),
		.session_id = view_str("session id"), .service = view_str("ssh-connection"), .hostkey = bound_ask };
	struct buf text, sig;
	struct wr w;

	buf_init(&text, 40000, NULL);
	buf_init(&sig, SSH_SIG_MAX, NULL);
	w = wr_to(&sig);
	cr_assert_eq(ssh_auth_key_text(&text, view_str(id), view_str(user), q.service, q.alg, q.blob, bound_text), SSH_OK);
	cr_assert_eq(privkey_sign(s, sig_alg_find(view_str(sig_alg)), all(&text), &w), SSH_OK);
	q.sig = all(&sig);
	keyfind_answer(&k, &q, &a, &texts);
	buf_drop(&text);
	buf_drop(&sig);
	return a.verdict;
}

static int query(const char *name, struct view blob)
{
	struct helper_ask q = { .what = HELPER_QUERY, .alg = view_str(name), .blob = blob };

	keyfind_answer(&k, &q, &a, &texts);
	return a.verdict;
}

Test(keyfind, signatures_that_verify)
{
	for (int i = 0; i < 3; i++)
		add_line(i == 1 ? "command=\"only this\",restrict " : "", key[i]);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(query(alg[i], privkey_blob(key[i])), HELPER_YES, "%s", alg[i]);
		cr_assert_eq(ask(alg[i], key[i], key[i], alg[i], "session id", "ada"), HELPER_YES, "%s", alg[i]);
		cr_assert_eq(a.has_command, i == 1);
		cr_assert_eq(a.permits, i == 1 ? 0 : PERMIT_ALL);
		if (i == 1)
			cr_assert(view_is(a.command, "only this"));
	}
}

Test(keyfind, signatures_of_something_else)
{
	add_line("", key[0]);
	cr_assert_eq(ask(alg[0], key[0], key[0], alg[0], "another id", "ada"), HELPER_NO, "another session");
	cr_assert_eq(ask(alg[0], key[0], key[0], alg[0], "session id", "bob"), HELPER_NO, "another user");
	cr_assert_eq(ask(alg[0], key[1], key[0], alg[0], "session id", "ada"), HELPER_NO, "a key that is not listed");
	cr_assert_eq(ask(alg[1], key[1], key[1], alg[1], "session id", "ada"), HELPER_NO, "a key that is not listed, its own signature");
}

/* A signature over a host key is one over that host key, and none over none. */
Test(keyfind, signatures_over_a_host_key)
{
	struct view hosts[] = { view_of(NULL, 0), view_str("this host"), view_str("that host") };

	add_line("", key[0]);
	for (int text = 0; text < 3; text++)
		for (int asked = 0; asked < 3; asked++) {
			bound_text = hosts[text], bound_ask = hosts[asked];
			cr_assert_eq(ask(alg[0], key[0], key[0], alg[0], "session id", "ada"), text == asked ? HELPER_YES : HELPER_NO, "%d %d", text, asked);
		}
}

/* Name asked for, blob, signature: only one value will do, 27 combinations (security.md K3). */
Test(keyfind, names_must_agree)
{
	for (int i = 0; i < 3; i++)
		add_line("", key[i]);
	for (int n = 0; n < 3; n++)
		for (int b = 0; b < 3; b++)
			for (int s = 0; s < 3; s++)
				cr_assert_eq(ask(alg[n], key[b], key[s], alg[s], "session id", "ada"), n == b && b == s ? HELPER_YES : HELPER_NO,
				    "%d %d %d", n, b, s);
	cr_assert_eq(ask("rsa-sha2-512", key[2], key[2], "rsa-sha2-256", "session id", "ada"), HELPER_NO);
	cr_assert_eq(ask("rsa-sha2-256", key[2], key[2], "rsa-sha2-256", "session id", "ada"), HELPER_YES);
	cr_assert_eq(query("rsa-sha2-1", privkey_blob(key[2])), HELPER_NO, "no algorithm");
	cr_assert_eq(query("rsa-sha2-512-cert-v01@openssh.com", privkey_blob(key[2])), HELPER_NO, "a key is no certificate");
	cr_assert_eq(query("", privkey_blob(key[0])), HELPER_NO);
}

Test(keyfind, no_session_id_no_signature)
{
	struct helper_ask q = { .what = HELPER_VERIFY, .alg = view_str(alg[0]), .blob = privkey_blob(key[0]), .sig = view_str("x") };

	add_line("", key[0]);
	keyfind_answer(&k, &q, &a, &texts);
	cr_assert_eq(a.verdict, HELPER_NO);
	q.session_id = view_str("id");
	keyfind_answer(&k, &q, &a, &texts);
	cr_assert_eq(a.verdict, HELPER_NO, "junk for a signature");
}

/* A key that is not listed is never parsed, however it looks. */
Test(keyfind, hostile_blobs)
{
	static const char junk[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20"; /* and nothing */

	add_line("", key[0]);
	cr_assert_eq(query(alg[0], view_of(junk, sizeof junk - 1)), HELPER_NO);
	cr_assert_eq(query(alg[0], view_of("", 0)), HELPER_NO);
	cr_assert_eq(query(alg[0], view_of("\xff\xff\xff\xff", 4)), HELPER_NO);
}

Test(keyfind, bad_modes_are_told)
{
	add_line("", key[0]);
	cr_assert_eq(chmod(file, 0666), 0);
	cr_assert_eq(query(alg[0], privkey_blob(key[0])), HELPER_NO);
	cr_assert_eq(a.nlines, 1);
	cr_assert_eq(memcmp(a.lines[0].text.p, "Authentication refused: bad ownership or modes for file /tmp/", 61), 0);
	k.strict = 0;
	cr_assert_eq(query(alg[0], privkey_blob(key[0])), HELPER_YES);
}

Test(keyfind, answers_are_bounded)
{
	char options[8100] = "command=\"";

	memset(options + 9, 'x', 8000);
	memcpy(options + 8009, "\" ", 3);
	for (int i = 0; i < 20; i++)
		add_line("nonsense ", key[0]);
	add_line(options, key[0]);
	cr_assert_eq(query(alg[0], privkey_blob(key[0])), HELPER_YES);
	cr_assert_eq(a.nlines, HELPER_LINES);
	cr_assert_eq(a.command.len, 8000);
	cr_assert_eq(a.command.p[7999], 'x');
	cr_assert(view_is(view_of(a.lines[7].text.p + a.lines[7].text.len - 18, 18), "unknown key option"));
}
