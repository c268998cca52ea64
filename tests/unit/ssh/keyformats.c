/* Keys made on the spot by ssh-keygen, openssl and puttygen, in every format they write; and what happens when such a file is harmed. */
#include "ssh/keyfile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/bcrypt_pbkdf.h"
#include "ssh/crypto/crypto.h"

static char base[] = "/tmp/coppice-formats.XXXXXX";

static void make(void)
{
	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chdir(base), 0);
}

static void clean(void)
{
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(system(strcat(strcpy((char[80]){ 0 }, "rm -rf "), base)), 0);
}

TestSuite(keyformats, .init = make, .fini = clean, .timeout = 120);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static void load(struct buf *b, const char *name)
{
	FILE *f = fopen(name, "rb");
	uint8_t *to;
	size_t n;

	cr_assert_not_null(f, "%s", name);
	buf_init(b, 1 << 16, NULL);
	to = buf_reserve(b, 1 << 15);
	n = fread(to, 1, 1 << 15, f);
	buf_commit(b, n);
	fclose(f);
}

/* PASS and the like are shell variables; k is the private key, k.pub its line, k.raw the last bytes of its public half. */
#define SHELL "set -e; rm -f k k.* p; "
#define KEYGEN(args) SHELL "ssh-keygen -q -C 'a comment' " args " -f k"
#define PEM_OF SHELL "openssl "
#define LINE "; chmod 600 k; ssh-keygen -y -P \"$PASS\" -f k >k.pub"
#define RAW(n) "; openssl pkey -in k -passin pass:\"$PASS\" -pubout -outform DER | tail -c " #n " >k.raw"
#define PUTTY SHELL "printf secret >p; : >e; puttygen -q --random-device /dev/urandom -C 'a comment' -o k "

static const struct made { const char *name, *command, *pass; enum key_kind kind; } made[] = {
	{ "ed25519", KEYGEN("-t ed25519 -N ''"), "", KEY_ED25519 },
	{ "ecdsa 384", KEYGEN("-t ecdsa -b 384 -N ''"), "", KEY_P384 },
	{ "ecdsa 521", KEYGEN("-t ecdsa -b 521 -N ''"), "", KEY_P521 },
	{ "dsa", KEYGEN("-t dsa -N ''"), "", KEY_DSA },
	{ "rsa 2048", KEYGEN("-t rsa -b 2048 -N ''"), "", KEY_RSA },
	{ "v1 default cipher", KEYGEN("-t ed25519 -a 2 -N secret"), "secret", KEY_ED25519 },
	{ "v1 16 rounds", KEYGEN("-t ed25519 -a 16 -N secret"), "secret", KEY_ED25519 },
	{ "v1 aes128-ctr", KEYGEN("-t ecdsa -b 256 -a 2 -N secret -Z aes128-ctr"), "secret", KEY_P256 },
	{ "v1 aes192-ctr", KEYGEN("-t ecdsa -b 521 -a 2 -N secret -Z aes192-ctr"), "secret", KEY_P521 },
	{ "v1 aes256-gcm", KEYGEN("-t ecdsa -b 384 -a 2 -N secret -Z aes256-gcm@openssh.com"), "secret", KEY_P384 },
	{ "v1 aes128-gcm", KEYGEN("-t rsa -b 2048 -a 2 -N secret -Z aes128-gcm@openssh.com"), "secret", KEY_RSA },
	{ "v1 chacha", KEYGEN("-t ed25519 -a 2 -N secret -Z chacha20-poly1305@openssh.com"), "secret", KEY_ED25519 },
	{ "v1 aes256-cbc", KEYGEN("-t dsa -a 2 -N secret -Z aes256-cbc"), "secret", KEY_DSA },
	{ "v1 3des-cbc", KEYGEN("-t ed25519 -a 2 -N secret -Z 3des-cbc"), "secret", KEY_ED25519 },
	{ "PEM rsa", KEYGEN("-m PEM -t rsa -b 2048 -N ''"), "", KEY_RSA },
	{ "PEM dsa", KEYGEN("-m PEM -t dsa -N ''"), "", KEY_DSA },
	{ "PEM ecdsa", KEYGEN("-m PEM -t ecdsa -b 521 -N ''"), "", KEY_P521 },
	{ "PEM rsa, passphrase", KEYGEN("-m PEM -t rsa -b 2048 -N secret"), "secret", KEY_RSA },
	{ "PEM ecdsa, passphrase", KEYGEN("-m PEM -t ecdsa -b 384 -N secret"), "secret", KEY_P384 },
	{ "PKCS8 rsa", KEYGEN("-m PKCS8 -t rsa -b 2048 -N ''"), "", KEY_RSA },
	{ "PKCS8 ecdsa", KEYGEN("-m PKCS8 -t ecdsa -b 256 -N ''"), "", KEY_P256 },
	{ "PKCS8 dsa", KEYGEN("-m PKCS8 -t dsa -N ''"), "", KEY_DSA },
	{ "PKCS8 rsa, passphrase", KEYGEN("-m PKCS8 -t rsa -b 2048 -N secret"), "secret", KEY_RSA },
	{ "openssl genrsa", PEM_OF "genrsa -traditional -out k 3072 2>/dev/null" LINE, "", KEY_RSA },
	{ "openssl aes-256 DEK", PEM_OF "genrsa -traditional -aes256 -passout pass:secret -out k 2048 2>/dev/null" LINE, "secret", KEY_RSA },
	{ "openssl aes-192 DEK", PEM_OF "genrsa -traditional -aes192 -passout pass:secret -out k 2048 2>/dev/null" LINE, "secret", KEY_RSA },
	{ "openssl 3des DEK", PEM_OF "genrsa -traditional -des3 -passout pass:secret -out k 2048 2>/dev/null" LINE, "secret", KEY_RSA },
	{ "openssl ecparam", PEM_OF "ecparam -genkey -name secp384r1 -out k" LINE, "", KEY_P384 },
	{ "openssl ed25519", PEM_OF "genpkey -algorithm ed25519 -out k" RAW(32), "", KEY_ED25519 },
	{ "openssl ed448", PEM_OF "genpkey -algorithm ed448 -out k" RAW(57), "", KEY_ED448 },
	{ "openssl ed448, aes-256", PEM_OF "genpkey -algorithm ed448 -aes-256-cbc -pass pass:secret -out k" RAW(57), "secret", KEY_ED448 },
	{ "openssl rsa, scrypt", PEM_OF "genpkey -algorithm rsa 2>/dev/null | openssl pkcs8 -topk8 -scrypt -passout pass:secret -out k" LINE, "secret", KEY_RSA },
	{ "openssl rsa, sha512, aes-128", PEM_OF "genpkey -algorithm rsa 2>/dev/null | openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512 -passout pass:secret -out k" LINE,
	    "secret", KEY_RSA },
	{ "openssl ec, sha1, 3des", PEM_OF "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521 | openssl pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA1 -iter 5000 "
	    "-passout pass:secret -out k" LINE, "secret", KEY_P521 },
	{ "openssl ed25519, sha384, aes-192", PEM_OF "genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -v2 aes192 -v2prf hmacWithSHA384 -passout pass:secret -out k" RAW(32),
	    "secret", KEY_ED25519 },
	{ "puttygen ed25519", PUTTY "-t ed25519 -O private-openssh-new --new-passphrase e; puttygen k -O public-openssh >k.pub", "", KEY_ED25519 },
	{ "puttygen ed448", PUTTY "-t ed448 -O private-openssh-new --new-passphrase e; puttygen k -O public-openssh >k.pub", "", KEY_ED448 },
	{ "puttygen ed448, passphrase", PUTTY "-t ed448 -O private-openssh-new --new-passphrase p; puttygen k --old-passphrase p -O public-openssh >k.pub", "secret", KEY_ED448 },
	{ "puttygen rsa PEM, passphrase", PUTTY "-t rsa -b 2048 -O private-openssh --new-passphrase p; puttygen k --old-passphrase p -O public-openssh >k.pub", "secret", KEY_RSA },
	{ "puttygen ecdsa PEM", PUTTY "-t ecdsa -b 521 -O private-openssh --new-passphrase e; puttygen k -O public-openssh >k.pub", "", KEY_P521 },
};
#define MADE (sizeof made / sizeof made[0])

static const struct made *find(const char *name)
{
	for (size_t i = 0; i < MADE; i++)
		if (strcmp(made[i].name, name) == 0)
			return &made[i];
	cr_assert_fail("%s", name);
	return NULL;
}

/* Makes it; the file's text is to be dropped. */
static void create(const struct made *m, struct buf *text)
{
	setenv("PASS", m->pass, 1);
	cr_assert_eq(system(m->command), 0, "%s", m->name);
	load(text, "k");
}

static int read_as(struct view file, const char *pass, uint32_t effort, struct keyfile_fault *f)
{
	struct keyfile_secret secret = { view_str(pass), effort };
	struct privkey *k;
	int r = keyfile_read_private(&k, file, pass[0] != '\0' ? &secret : NULL, NULL, f);

	cr_assert_eq(r == SSH_OK, k != NULL);
	cr_assert_eq(r == SSH_OK, f->why == NULL);
	privkey_free(k);
	return r;
}

static void same_public(const struct made *m, const struct privkey *k)
{
	struct view blob = privkey_blob(k);
	struct keyfile_fault f;
	struct buf file, pub;

	if (access("k.raw", F_OK) == 0) {
		load(&file, "k.raw");
		cr_assert_gt(blob.len, buf_len(&file));
		cr_assert_arr_eq(blob.p + blob.len - buf_len(&file), buf_head(&file), buf_len(&file), "%s", m->name);
	} else {
		load(&file, "k.pub");
		buf_init(&pub, SSH_BLOB_MAX, NULL);
		cr_assert_eq(keyfile_read_public(&pub, whole(&file), NULL, &f), SSH_OK, "%s: %s", m->name, f.why);
		cr_assert(view_same(whole(&pub), blob), "%s", m->name);
		buf_drop(&pub);
	}
	buf_drop(&file);
}

Test(keyformats, every_one_is_read_as_the_key_it_is)
{
	for (size_t i = 0; i < MADE; i++) {
		struct keyfile_secret secret = { view_str(made[i].pass), 0 };
		struct keyfile_fault f;
		struct privkey *k;
		struct buf text;

		create(&made[i], &text);
		cr_assert_eq(keyfile_read_private(&k, whole(&text), &secret, NULL, &f), SSH_OK, "%s: line %u: %s", made[i].name, f.line, f.why);
		cr_assert_eq(privkey_kind(k), made[i].kind, "%s", made[i].name);
		same_public(&made[i], k);
		if (made[i].pass[0] != '\0') {
			cr_assert_eq(read_as(whole(&text), "", 0, &f), SSH_E_PASSPHRASE, "%s", made[i].name);
			cr_assert_str_eq(f.why, "it needs a passphrase");
			cr_assert_eq(read_as(whole(&text), "other", 0, &f), SSH_E_PASSPHRASE, "%s", made[i].name);
			cr_assert_str_eq(f.why, "wrong passphrase");
		}
		privkey_free(k);
		buf_drop(&text);
	}
}

/* The formats' two ends of complexity, cut after every byte; nothing but the line end may be missing. */
Test(keyformats, every_cut)
{
	static const char *const names[] = { "v1 chacha", "PEM ecdsa, passphrase", "PKCS8 ecdsa", "openssl ed448", "openssl ecparam" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct made *m = find(names[i]);
		struct keyfile_fault f;
		struct buf text;

		create(m, &text);
		for (size_t n = 0; n < buf_len(&text) - 1; n++) {
			uint8_t *copy = malloc(n + 1);
			int r;

			memcpy(copy, buf_head(&text), n);
			r = read_as(view_of(copy, n), m->pass, 4, &f);
			cr_assert(r == SSH_E_KEYFILE || r == SSH_E_PASSPHRASE, "%s cut to %zu: %s", m->name, n, err_name(r));
			free(copy);
		}
		cr_assert_eq(read_as(view_of(buf_head(&text), buf_len(&text) - 1), m->pass, 4, &f), SSH_OK);
		buf_drop(&text);
	}
}

/* DER has one length for everything: every changed byte of an unencrypted structure is seen, or changes nothing that counts. */
Test(keyformats, every_changed_character)
{
	static const char *const names[] = { "PKCS8 ecdsa", "openssl ed25519", "PEM ecdsa" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct made *m = find(names[i]);
		struct keyfile_fault f;
		struct buf text;

		create(m, &text);
		for (size_t n = 0; n < buf_len(&text); n++)
			for (const char *c = "A/=-\n"; *c != '\0'; c++) {
				uint8_t was = buf_head(&text)[n];
				int r;

				buf_head(&text)[n] = (uint8_t)*c;
				r = read_as(whole(&text), "", 4, &f);
				cr_assert(r == SSH_OK || r == SSH_E_KEYFILE || r == SSH_E_PASSPHRASE || r == SSH_E_UNKNOWN_KEY, "%s: %s", m->name, err_name(r));
				buf_head(&text)[n] = was;
			}
		buf_drop(&text);
	}
}

static int cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* A file chooses its rounds; we choose how many we do. */
Test(keyformats, effort_is_bounded)
{
	static const struct { const char *command, *sentence; } cases[] = {
		{ KEYGEN("-t ed25519 -a 9 -N secret"), "it asks for more rounds of bcrypt than we are willing to compute" },
		{ PEM_OF "genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -v2 aes256 -iter 40000 -passout pass:secret -out k",
		  "it asks for more work from a passphrase than we are willing to do" },
		{ PEM_OF "genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -scrypt -scrypt_N 16384 -scrypt_r 8 -scrypt_p 1 -passout pass:secret -out k",
		  "it asks for more work from a passphrase than we are willing to do" },
	};
	struct keyfile_fault f;
	struct buf text;
	int before;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(system(cases[i].command), 0);
		load(&text, "k");
		before = cpu_ms();
		cr_assert_eq(read_as(whole(&text), "secret", 8, &f), SSH_E_KEYFILE);
		cr_assert_lt(cpu_ms() - before, 1000, "nothing was computed");
		cr_assert_str_eq(f.why, cases[i].sentence);
		cr_assert_eq(read_as(whole(&text), "secret", 0, &f), SSH_OK);
		buf_drop(&text);
	}
}

static void fault(const char *text, unsigned line, const char *why)
{
	struct keyfile_fault f;

	cr_assert_lt(read_as(view_str(text), "", 0, &f), 0);
	cr_assert_eq(f.line, line, "%s: line %u", why, f.line);
	cr_assert_str_eq(f.why, why);
}

Test(keyformats, a_bad_file_says_where_and_why)
{
	fault("", 0, "no private key in it: there is no line -----BEGIN ...-----");
	fault("ssh-ed25519 AAAA\n", 0, "no private key in it: there is no line -----BEGIN ...-----");
	fault("-----BEGIN PRIVATE KEY-----\nMC4C\n", 2, "the END line is missing");
	fault("text\n-----BEGIN PRIVATE KEY-----\nMC4C\nM?4C\n-----END PRIVATE KEY-----\n", 4, "not base64");
	fault("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END RSA PRIVATE KEY-----\n", 3, "the END line is another one's than the BEGIN line");
	fault("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", 1, "the key in it is damaged");
	fault("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", 2, "there is nothing between BEGIN and END");
	fault("-----BEGIN CERTIFICATE-----\nMC4C\n-----END CERTIFICATE-----\n", 1, "this is no private key");
	fault("-----BEGIN OPENSSH PRIVATE KEY-----\nMC4C\n-----END OPENSSH PRIVATE KEY-----\n", 1, "it does not begin with openssh-key-v1");
	fault("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,12\nMC4C\n-----END RSA PRIVATE KEY-----\n", 4,
	    "no empty line behind the headers");
	fault("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: IDEA-CBC,12\n\nMC4C\n-----END RSA PRIVATE KEY-----\n", 1,
	    "it is encrypted with a cipher that we do not have");
	fault("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC,12x4\n\nMC4C\n-----END RSA PRIVATE KEY-----\n", 1,
	    "the DEK-Info line is damaged");
}

Test(keyformats, a_key_of_a_forbidden_length)
{
	struct keyfile_fault f;
	struct buf text;

	cr_assert_eq(system(SHELL "openssl genrsa -traditional -out k 1024 2>/dev/null"), 0);
	load(&text, "k");
	cr_assert_eq(read_as(whole(&text), "", 0, &f), SSH_E_KEYFILE);
	cr_assert_str_eq(f.why, "its numbers make no key, or one of a length that is not allowed");
	buf_drop(&text);
	cr_assert_eq(system(SHELL "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:secp256k1 -out k"), 0);
	load(&text, "k");
	cr_assert_eq(read_as(whole(&text), "", 0, &f), SSH_E_UNKNOWN_KEY);
	cr_assert_str_eq(f.why, "a type of key that we do not have");
	buf_drop(&text);
}

/* ---- public keys ---- */

static int read_public(struct buf *blob, struct view file, char comment[256], struct keyfile_fault *f)
{
	int r = keyfile_read_public(blob, file, comment, f);

	cr_assert_eq(r == SSH_OK, f->why == NULL);
	return r;
}

Test(keyformats, public_keys_in_each_spelling)
{
	static const char *const commands[] = {
		"ssh-keygen -e -m RFC4716 -f k.pub >k.other", "puttygen k -O public -o k.other",
		"printf '\\n# a comment line\\n  ' >k.other; cat k.pub >>k.other", "cp k k.other",
	};
	struct buf line, want, file, got;
	struct keyfile_fault f;
	char comment[256];

	cr_assert_eq(system(KEYGEN("-t rsa -b 2048 -N ''")), 0);
	load(&line, "k.pub");
	buf_init(&want, SSH_BLOB_MAX, NULL);
	buf_init(&got, SSH_BLOB_MAX, NULL);
	cr_assert_eq(read_public(&want, whole(&line), comment, &f), SSH_OK);
	cr_assert_str_eq(comment, "a comment");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		cr_assert_eq(system(commands[i]), 0);
		load(&file, "k.other");
		cr_assert_eq(read_public(&got, whole(&file), comment, &f), SSH_OK, "%s: line %u: %s", commands[i], f.line, f.why);
		cr_assert(view_same(whole(&got), whole(&want)), "%s", commands[i]);
		buf_consume(&got, buf_len(&got));
		for (size_t n = 0; n + 2 < buf_len(&file); n++) {
			struct buf cut;

			buf_init(&cut, SSH_BLOB_MAX, NULL);
			/* a comment at the end may be cut */
			if (read_public(&cut, view_of(buf_head(&file), n), NULL, &f) == SSH_OK)
				cr_assert(i == 2 && view_same(whole(&cut), whole(&want)), "%s cut to %zu", commands[i], n);
			buf_drop(&cut);
		}
		buf_drop(&file);
	}
	buf_drop(&line);
	buf_drop(&want);
	buf_drop(&got);
}

Test(keyformats, rfc4716_headers)
{
#define H80 "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define H240 H80 H80 H80
	static const struct { const char *headers, *comment; } cases[] = {
		{ "Comment: \"two words\"\nx-long: goes on \\\nand on\n", "two words" },
		{ "Subject: me\nComment: me@example.com\n", "me@example.com" },
		{ "COMMENT: \"capitals\"\n", "capitals" }, { "comment:close\r\n", "close" },
		{ "Comment: \"a comment that goes \\\non and \\\non: yes\"\n", "a comment that goes on and on: yes" },
		{ "Comment: 'single'\n", "single" }, { "Comment: \"\n", "\"" }, { "Comment: \"a'\n", "\"a'" }, { "Comment: \"\"\n", "" },
		{ "Comment: \\\n\\\n\n", "" }, { "", "" }, { "x-comment: no\n", "" },
		{ "Comment: " H240 "\\\n" H240 "\\\n" H240 "\\\n" H240 "\\\n" H240 "\\\n" H240 "\n", H240 "012345678901234" },
	};
	char text[2500], comment[256];
	struct keyfile_fault f;
	struct buf b;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "---- BEGIN SSH2 PUBLIC KEY ----\n%sAAAAC3NzaC1lZDI1NTE5AAAAIBa8Ag1LXoZpOhLwQprkfbd3MtM7oXsgB35O\n"
		    "ldEohCrZ\n---- END SSH2 PUBLIC KEY ----\n", cases[i].headers);
		buf_init(&b, SSH_BLOB_MAX, NULL);
		cr_assert_eq(read_public(&b, view_str(text), comment, &f), SSH_OK, "%s: line %u: %s", cases[i].headers, f.line, f.why);
		cr_assert_str_eq(comment, cases[i].comment, "%s: %s", cases[i].headers, comment);
		cr_assert_eq(buf_len(&b), 51u);
		buf_drop(&b);
	}
}

Test(keyformats, public_files_that_are_none)
{
	static const struct { const char *text; unsigned line; const char *why; } cases[] = {
		{ "", 0, "no public key in it" },
		{ "# nothing\n\n", 0, "no public key in it" },
		{ "\nssh-ed25519\n", 2, "no public key: a line with the key's type and base64 is wanted" },
		{ "ssh-ed25519 AAA?\n", 1, "not base64" },
		{ "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBa8Ag1LXoZpOhLwQprkfbd3MtM7oXsgB35OldEohCrZ\n", 1, "the key is not of the type that its line names" },
		{ "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", 2, "the END line is missing" },
		{ "---- BEGIN SSH2 PUBLIC KEY ----\nComment: x\n!\n---- END SSH2 PUBLIC KEY ----\n", 3, "not base64" },
	};
	struct keyfile_fault f;
	struct buf b;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(read_public(&b, view_str(cases[i].text), NULL, &f), SSH_E_KEYFILE, "%zu", i);
		cr_assert_str_eq(f.why, cases[i].why);
		cr_assert_eq(f.line, cases[i].line, "%zu: %u", i, f.line);
		cr_assert_eq(buf_len(&b), 0u);
	}
	buf_drop(&b);
}

/* ---- bcrypt_pbkdf: OpenBSD's regress/lib/libutil/bcrypt_pbkdf; the longer key and the cut words by python3-bcrypt ---- */

Test(keyformats, bcrypt_known_answers)
{
	static const struct { const char *pass; size_t pass_len; const char *salt; size_t salt_len; uint32_t rounds; size_t n; const char *key; } cases[] = {
		{ "password", 8, "salt", 4, 4, 32, "\x5b\xbf\x0c\xc2\x93\x58\x7f\x1c\x36\x35\x55\x5c\x27\x79\x65\x98\xd4\x7e\x57\x90\x71\xbf\x42\x7e\x9d\x8f\xbe\x84\x2a\xba\x34\xd9" },
		{ "pass\0wor", 8, "sa\0l", 4, 4, 16, "\xc2\xbf\xfd\x9d\xb3\x8f\x65\x69\xef\xef\x43\x72\xf4\xde\x83\xc0" },
		{ "pass\0word", 9, "sa\0lt", 5, 4, 16, "\x4b\xa4\xac\x39\x25\xc0\xe8\xd7\xf0\xcd\xb6\xbb\x16\x84\xa5\x6f" },
		{ "password", 8, "salt", 4, 42, 16, "\x83\x3c\xf0\xdc\xf5\x6d\xb6\x56\x08\xe8\xf0\xdc\x0c\xe8\x82\xbd" },
		{ "password", 8, "salt", 4, 8, 64, "\xe1\x36\x7e\xc5\x15\x1a\x33\xfa\xac\x4c\xc1\xc1\x44\xcd\x23\xfa\x15\xd5\x54\x84\x93\xec\xc9\x9b\x9b\x5d\x9c\x0d\x3b\x27\xbe\xc7\x62\x27\xea\x66\x08\x8b\x84\x9b\x20\xab\x7a\xa4\x78\x01\x02\x46\xe7\x4b\xba\x51\x72\x3f\xef\xa9\xf9\x47\x4d\x65\x08\x84\x5e\x8d" },
	};
	uint8_t out[64];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(bcrypt_pbkdf(view_of(cases[i].pass, cases[i].pass_len), view_of(cases[i].salt, cases[i].salt_len), cases[i].rounds,
		    out, cases[i].n), SSH_OK);
		cr_assert_arr_eq(out, cases[i].key, cases[i].n, "%zu", i);
	}
	cr_assert_eq(bcrypt_pbkdf(view_str(""), view_str("salt"), 1, out, 16), SSH_E_BAD_VALUE);
	cr_assert_eq(bcrypt_pbkdf(view_str("x"), view_str(""), 1, out, 16), SSH_E_BAD_VALUE);
	cr_assert_eq(bcrypt_pbkdf(view_str("x"), view_str("salt"), 0, out, 16), SSH_E_BAD_VALUE);
	cr_assert_eq(bcrypt_pbkdf(view_str("x"), view_str("salt"), 1, out, 0), SSH_E_BAD_VALUE);
	cr_assert_eq(bcrypt_pbkdf(view_str("x"), view_str("salt"), 1, out, 1025), SSH_E_BAD_VALUE);
}
