#include "ssh/keyfile.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "tests/unit/ssh/keys.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(keyfile, .init = setup);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static int read_result(struct view file)
{
	struct privkey *k;
	char comment[256];
	int r = keyfile_read_private(&k, file, NULL, comment, NULL);

	cr_assert_eq(r == SSH_OK, k != NULL);
	privkey_free(k);
	return r;
}

/* The base64 word of a public key line. */
static struct view middle(const char *line)
{
	const char *from = strchr(line, ' ') + 1;

	return view_of(from, (size_t)(strchr(from, ' ') - from));
}

static void reads(const char *name, enum key_kind kind, unsigned bits)
{
	const struct test_key *t = test_key(name);
	struct privkey *k;
	struct pubkey *pub;
	char comment[256], print[64];
	struct buf b;

	cr_assert_eq(keyfile_read_private(&k, view_str(t->file), NULL, comment, NULL), SSH_OK, "%s", name);
	cr_assert_eq(privkey_kind(k), kind);
	cr_assert(strncmp(comment, "test ", 5) == 0);
	cr_assert_str_eq(comment + 5, name);
	key_fingerprint(privkey_blob(k), print);
	cr_assert_str_eq(print, t->fingerprint);
	cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
	cr_assert_eq(pubkey_bits(pub), bits);
	pubkey_free(pub);
	buf_init(&b, 1 << 16, NULL);
	cr_assert_eq(keyfile_write_public(&b, privkey_blob(k), comment), SSH_OK);
	cr_assert(view_is(whole(&b), t->pub), "the line ssh-keygen wrote");
	buf_drop(&b);
	cr_assert_eq(keyfile_decode_base64(&b, middle(t->pub)), SSH_OK);
	cr_assert(view_same(whole(&b), privkey_blob(k)));
	buf_drop(&b);
	privkey_free(k);
}

Test(keyfile, reads_what_ssh_keygen_writes)
{
	reads("ed25519", KEY_ED25519, 256);
	reads("p256", KEY_P256, 256);
	reads("rsa2048", KEY_RSA, 2048);
	reads("rsa3072", KEY_RSA, 3072);
	reads("rsa4096", KEY_RSA, 4096);
}

Test(keyfile, says_why_it_cannot_read)
{
	cr_assert_eq(read_result(view_str(test_key("encrypted")->file)), SSH_E_PASSPHRASE);
	cr_assert_eq(read_result(view_str(test_key("encrypted_aead")->file)), SSH_E_PASSPHRASE);
	cr_assert_eq(read_result(view_str(test_key("p384")->file)), SSH_OK);
	cr_assert_eq(read_result(view_str(test_key("dsa")->file)), SSH_OK);
	cr_assert_eq(read_result(view_str(test_key("rsa1024")->file)), SSH_E_KEYFILE, "too short a key");
	cr_assert_eq(read_result(view_str(test_key("pem")->file)), SSH_OK);
	cr_assert_eq(read_result(view_str(test_key("ed25519")->pub)), SSH_E_KEYFILE);
	cr_assert_eq(read_result(view_str("")), SSH_E_KEYFILE);
	cr_assert_eq(read_result(view_of(NULL, 0)), SSH_E_KEYFILE);
}

Test(keyfile, comment_may_be_left_out)
{
	struct privkey *k;

	cr_assert_eq(keyfile_read_private(&k, view_str(test_key("ed25519")->file), NULL, NULL, NULL), SSH_OK);
	privkey_free(k);
}

static void writes(enum key_kind kind, const char *comment)
{
	struct privkey *k, *again;
	char got[256];
	struct buf b;

	buf_init(&b, 1 << 16, NULL);
	cr_assert_eq(privkey_generate(&k, kind, kind == KEY_RSA ? 2048 : 0), SSH_OK);
	cr_assert_eq(keyfile_write_private(&b, k, comment), SSH_OK);
	cr_assert_eq(keyfile_read_private(&again, whole(&b), NULL, got, NULL), SSH_OK);
	cr_assert(view_same(privkey_blob(k), privkey_blob(again)));
	cr_assert(strncmp(got, comment, 255) == 0);
	cr_assert_eq(strlen(got), strlen(comment) < 255 ? strlen(comment) : 255);
	for (size_t i = 0, column = 0; i < buf_len(&b); i++) {
		column = buf_head(&b)[i] == '\n' ? 0 : column + 1;
		cr_assert_leq(column, 70);
	}
	buf_drop(&b);
	privkey_free(k);
	privkey_free(again);
}

Test(keyfile, reads_what_it_writes)
{
	char longest[300];

	memset(longest, 'x', sizeof longest - 1);
	longest[299] = '\0';
	for (enum key_kind kind = KEY_ED25519; kind <= KEY_RSA; kind++)
		writes(kind, "me@here");
	for (size_t n = 0; n < 9; n++)		/* every length of padding */
		writes(KEY_ED25519, longest + 299 - n);
	writes(KEY_ED25519, longest);
}

Test(keyfile, every_cut_is_damage)
{
	for (size_t i = 0; i < 2; i++) {
		const char *file = test_keys[i].file;

		for (size_t n = 0; n < strlen(file) - 1; n++) {	/* the last newline may be missing */
			char *copy = malloc(n + 1);

			memcpy(copy, file, n);
			cr_assert_eq(read_result(view_of(copy, n)), SSH_E_KEYFILE, "cut to %zu", n);
			free(copy);
		}
		cr_assert_eq(read_result(view_of(file, strlen(file) - 1)), SSH_OK);
	}
}

Test(keyfile, every_damaged_character_is_seen_or_harmless)
{
	const char *file = test_key("ed25519")->file;
	size_t len = strlen(file);
	char *copy = malloc(len);
	unsigned accepted = 0;

	for (size_t i = 0; i < len; i++)
		for (const char *c = "A/b=-\n \x80"; *c; c++) {
			int r;

			memcpy(copy, file, len);
			if (copy[i] == *c)
				continue;
			copy[i] = *c;
			r = read_result(view_of(copy, len));
			cr_assert(r == SSH_OK || r == SSH_E_KEYFILE || r == SSH_E_PASSPHRASE || r == SSH_E_UNKNOWN_KEY,
			    "%zu: %s", i, err_name(r));
			accepted += r == SSH_OK;
		}
	/* Only the comment, what follows the END line and line ends are not protected by something. */
	cr_assert_lt(accepted, 200, "%u", accepted);
	free(copy);
}

/* A key file around raw bytes. */
static void wrap(struct buf *out, struct view raw)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n", end[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
	struct wr w = wr_to(out);
	uint32_t bits = 0, have = 0, chars = 0;

	buf_drop(out);
	wr_raw(&w, begin, sizeof begin - 1);
	for (size_t i = 0; i < raw.len; i++)
		for (bits = bits << 8 | raw.p[i], have += 8; have >= 6; have -= 6, chars++)
			wr_u8(&w, (uint8_t)alphabet[bits >> (have - 6) & 63]);
	if (have > 0) {
		wr_u8(&w, (uint8_t)alphabet[bits << (6 - have) & 63]);
		for (chars++; chars % 4 != 0; chars++)
			wr_u8(&w, '=');
	}
	wr_raw(&w, end, sizeof end - 1);
	cr_assert_eq(wr_done(&w), SSH_OK);
}

/* What a key file holds, without base64 and its lines. */
static void unwrap(struct buf *out, const char *file)
{
	char flat[4096];
	size_t n = 0;

	for (const char *p = strchr(file, '\n'); *p != '-'; p++)
		if (*p != '\n')
			flat[n++] = *p;
	cr_assert_eq(keyfile_decode_base64(out, view_of(flat, n)), SSH_OK);
}

Test(keyfile, every_changed_bit_of_the_structure)
{
	const struct test_key *t = test_key("ed25519");
	struct buf raw, text;

	buf_init(&raw, 4096, NULL);
	buf_init(&text, 8192, NULL);
	unwrap(&raw, t->file);
	wrap(&text, whole(&raw));
	cr_assert_eq(read_result(whole(&text)), SSH_OK);
	for (size_t i = 0; i < buf_len(&raw); i++) {
		/* "test ed25519" and one byte of padding end the file; nothing protects the comment's bytes */
		int comment = i >= buf_len(&raw) - 13 && i < buf_len(&raw) - 1;

		for (int bit = 0; bit < 8; bit++) {
			buf_head(&raw)[i] ^= (uint8_t)(1 << bit);
			wrap(&text, whole(&raw));
			if (i == buf_len(&raw) - 14 && bit == 0)	/* a comment that takes the padding in */
				cr_assert_eq(read_result(whole(&text)), SSH_OK);
			else
				cr_assert_eq(read_result(whole(&text)) == SSH_OK, comment, "byte %zu bit %d", i, bit);
			buf_head(&raw)[i] ^= (uint8_t)(1 << bit);
		}
	}
	buf_drop(&raw);
	buf_drop(&text);
}

Test(keyfile, every_cut_of_the_structure)
{
	struct buf raw, text;

	buf_init(&raw, 4096, NULL);
	buf_init(&text, 8192, NULL);
	for (size_t i = 0; i < 3; i++) {
		unwrap(&raw, test_keys[i].file);
		for (size_t n = 0; n < buf_len(&raw); n++) {
			wrap(&text, view_of(buf_head(&raw), n));
			cr_assert_eq(read_result(whole(&text)), SSH_E_KEYFILE, "cut to %zu", n);
		}
		cr_assert_eq(buf_append(&raw, "", 1), SSH_OK);
		wrap(&text, whole(&raw));
		cr_assert_eq(read_result(whole(&text)), SSH_E_KEYFILE, "a byte left over");
		buf_drop(&raw);
	}
	buf_drop(&text);
}

Test(keyfile, too_long_a_file)
{
	char *file = malloc(1 << 20);

	memset(file, 'A', 1 << 20);
	memcpy(file, test_key("ed25519")->file, 36);
	cr_assert_eq(read_result(view_of(file, 1 << 20)), SSH_E_KEYFILE);
	free(file);
}

Test(keyfile, base64)
{
	static const struct { const char *text; const char *want; } good[] = {
		{ "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zm9vYmFy", "foobar" },
	};
	static const char *const bad[] = { "", "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v=", "Zm9v====", "Zm9v\n", " Zm9v",
		"Zm 9v", "=m9v", "Z=9v", "Zm=v", "Zm9_", "Zm9-", "Z===", "====", "Zm9v\x80mFy" };
	struct buf b;

	buf_init(&b, 100, NULL);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		cr_assert_eq(keyfile_decode_base64(&b, view_str(good[i].text)), SSH_OK);
		cr_assert(view_is(whole(&b), good[i].want));
		buf_drop(&b);
	}
	cr_assert_eq(buf_append(&b, "kept", 4), SSH_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_eq(keyfile_decode_base64(&b, view_str(bad[i])), SSH_E_FORMAT, "%s", bad[i]);
		cr_assert(view_is(whole(&b), "kept"));
	}
	cr_assert_eq(keyfile_decode_base64(&b, view_of("Zm9\0", 4)), SSH_E_FORMAT);
	buf_drop(&b);
}

Test(keyfile, public_line_has_one_line)
{
	struct buf b;

	buf_init(&b, 1000, NULL);
	cr_assert_eq(keyfile_write_public(&b, view_of("\0\0\0\3a b", 7), ""), SSH_E_FORMAT);
	cr_assert_eq(keyfile_write_public(&b, view_of("\0\0\0\3a\nb", 7), ""), SSH_E_FORMAT);
	cr_assert_eq(keyfile_write_public(&b, view_of("\0\0\0\1a", 5), "two\nlines"), SSH_E_FORMAT);
	cr_assert_eq(keyfile_write_public(&b, view_of("\0\0\0\4a", 5), ""), SSH_E_FORMAT);
	cr_assert_eq(buf_len(&b), 0);
	cr_assert_eq(keyfile_write_public(&b, view_of("\0\0\0\1a", 5), NULL), SSH_OK);
	cr_assert(view_is(whole(&b), "a AAAAAWE=\n"));
	buf_drop(&b);
}
