#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/unit/ssh/crypto/hex.h"
#include "tests/unit/ssh/crypto/rsa.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(pubkey, .init = setup);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static const struct sig_alg *row(const char *name)
{
	return sig_alg_find(view_str(name));
}

static int parse_result(struct view blob)
{
	struct pubkey *k;
	int r = pubkey_parse(&k, blob, NULL);

	cr_assert_eq(r == SSH_OK, k != NULL);
	pubkey_free(k);
	return r;
}

static struct pubkey *parse(struct view blob)
{
	struct pubkey *k;

	cr_assert_eq(pubkey_parse(&k, blob, NULL), SSH_OK);
	return k;
}

/* name and one string */
static void blob2(struct buf *b, const char *name, struct view v)
{
	struct wr w = wr_to(b);

	buf_drop(b);
	wr_cstr(&w, name);
	wr_view(&w, v);
	cr_assert_eq(wr_done(&w), SSH_OK);
}

static void p256_blob(struct buf *b, const char *curve, const char *point)
{
	uint8_t q[80];
	struct wr w = wr_to(b);

	buf_drop(b);
	wr_cstr(&w, "ecdsa-sha2-nistp256");
	wr_cstr(&w, curve);
	wr_string(&w, q, hex(q, point));
	cr_assert_eq(wr_done(&w), SSH_OK);
}

/* RFC 6979 A.2.5 */
#define P256_Q "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" \
	"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define P256_R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define P256_S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
#define P256_N "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

static void p256_sig(struct buf *b, const char *r, const char *s)
{
	uint8_t v[80];
	struct wr w = wr_to(b);
	size_t mark;

	buf_drop(b);
	wr_cstr(&w, "ecdsa-sha2-nistp256");
	mark = wr_string_begin(&w);
	wr_mpint(&w, v, hex(v, r));
	wr_mpint(&w, v, hex(v, s));
	wr_string_end(&w, mark);
	cr_assert_eq(wr_done(&w), SSH_OK);
}

/* ---- Ed25519 ---- */

/* RFC 8032 7.1: public key, message, signature */
static const struct { const char *key, *message, *sig; } ed25519[] = {
	{ "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
	  "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
	{ "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	  "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
	  "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
};

static void add_order(uint8_t s[32])
{
	uint8_t order[32];
	unsigned carry = 0;

	hex(order, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
	for (int i = 0; i < 32; i++) {
		carry += s[i] + order[i];
		s[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

Test(pubkey, ed25519_rfc8032)
{
	struct buf blob, sig;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	for (size_t i = 0; i < sizeof ed25519 / sizeof ed25519[0]; i++) {
		uint8_t key[32], message[64], s[64];
		struct view data = view_of(message, hex(message, ed25519[i].message));
		struct pubkey *k;

		hex(key, ed25519[i].key);
		hex(s, ed25519[i].sig);
		blob2(&blob, "ssh-ed25519", view_of(key, 32));
		k = parse(whole(&blob));
		cr_assert_eq(pubkey_kind(k), KEY_ED25519);
		cr_assert_str_eq(pubkey_name(k), "ssh-ed25519");
		cr_assert_eq(pubkey_bits(k), 256);
		blob2(&sig, "ssh-ed25519", view_of(s, 64));
		cr_assert_eq(pubkey_verify(k, row("ssh-ed25519"), data, whole(&sig)), VERIFY_ACCEPT);
		for (int bit = 0; bit < 512; bit++) {
			s[bit / 8] ^= (uint8_t)(1 << bit % 8);
			blob2(&sig, "ssh-ed25519", view_of(s, 64));
			cr_assert_eq(pubkey_verify(k, row("ssh-ed25519"), data, whole(&sig)), VERIFY_REJECT, "%d", bit);
			s[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		add_order(s + 32);	/* the same equation holds; RFC 8032 5.1.7 forbids it */
		blob2(&sig, "ssh-ed25519", view_of(s, 64));
		cr_assert_eq(pubkey_verify(k, row("ssh-ed25519"), data, whole(&sig)), VERIFY_REJECT, "S + L");
		pubkey_free(k);
	}
	buf_drop(&blob);
	buf_drop(&sig);
}

Test(pubkey, ed25519_lengths)
{
	static const uint8_t bytes[80] = { [0] = 0xd7, [1] = 0x5a, [31] = 0x1a, [40] = 1 };
	struct buf blob, sig;
	struct pubkey *k;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		blob2(&blob, "ssh-ed25519", view_of(bytes, n));
		cr_assert_eq(parse_result(whole(&blob)), n == 32 ? SSH_OK : SSH_E_BAD_VALUE, "%zu", n);
	}
	blob2(&blob, "ssh-ed25519", view_of(bytes, 32));
	k = parse(whole(&blob));
	for (size_t n = 0; n <= sizeof bytes; n++) {
		blob2(&sig, "ssh-ed25519", view_of(bytes, n));
		cr_assert_eq(pubkey_verify(k, row("ssh-ed25519"), view_str("x"), whole(&sig)), VERIFY_REJECT);
	}
	pubkey_free(k);
	buf_drop(&blob);
	buf_drop(&sig);
}

/* libgcrypt 1.10 aborts on these; every signature of (any R, S = 0) may pass for them */
Test(pubkey, ed25519_degenerate_keys)
{
	static const uint8_t starts[][2] = { { 0, 0 }, { 1, 0 }, { 0xec, 0xff }, { 0xed, 0xff }, { 0xee, 0xff } };
	struct buf blob;

	buf_init(&blob, 4096, NULL);
	for (size_t i = 0; i < 2 * sizeof starts / sizeof starts[0]; i++) {
		uint8_t key[32];

		memset(key, starts[i / 2][1], sizeof key);
		key[0] = starts[i / 2][0];
		if (starts[i / 2][1] == 0xff)
			key[31] = 0x7f;
		key[31] |= i % 2 ? 0x80 : 0;
		blob2(&blob, "ssh-ed25519", view_of(key, 32));
		cr_assert_eq(parse_result(whole(&blob)), SSH_E_BAD_VALUE, "%zu", i);
	}
	buf_drop(&blob);
}

Test(pubkey, ed25519_keys_off_the_curve_verify_nothing)
{
	uint8_t key[32] = { 2 }, s[64] = { 0 };	/* libgcrypt 1.10 aborts on y = 2 */
	struct buf blob, sig;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	blob2(&sig, "ssh-ed25519", view_of(s, 64));
	for (int y = 2; y < 256; y++) {
		struct pubkey *k = NULL;

		key[0] = (uint8_t)y;
		blob2(&blob, "ssh-ed25519", view_of(key, 32));
		if (pubkey_parse(&k, whole(&blob), NULL) == SSH_OK)
			cr_assert_eq(pubkey_verify(k, row("ssh-ed25519"), view_str("x"), whole(&sig)), VERIFY_REJECT);
		pubkey_free(k);
	}
	buf_drop(&blob);
	buf_drop(&sig);
}

/* ---- ECDSA ---- */

Test(pubkey, p256_rfc6979)
{
	struct buf blob, sig;
	struct pubkey *k;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	p256_blob(&blob, "nistp256", P256_Q);
	k = parse(whole(&blob));
	cr_assert_eq(pubkey_kind(k), KEY_P256);
	cr_assert_eq(pubkey_bits(k), 256);
	p256_sig(&sig, P256_R, P256_S);
	cr_assert_eq(pubkey_verify(k, row("ecdsa-sha2-nistp256"), view_str("sample"), whole(&sig)), VERIFY_ACCEPT);
	cr_assert_eq(pubkey_verify(k, row("ecdsa-sha2-nistp256"), view_str("sampld"), whole(&sig)), VERIFY_REJECT);
	for (size_t i = 0; i < buf_len(&sig); i++) {
		buf_head(&sig)[i] ^= 1;
		cr_assert_eq(pubkey_verify(k, row("ecdsa-sha2-nistp256"), view_str("sample"), whole(&sig)), VERIFY_REJECT);
		buf_head(&sig)[i] ^= 1;
	}
	pubkey_free(k);
	buf_drop(&blob);
	buf_drop(&sig);
}

Test(pubkey, p256_hostile_r_and_s)
{
	static const char *const values[] = { "", "01", P256_N, ("01" P256_N), P256_R, P256_S,
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550" };
	struct buf blob, sig;
	struct pubkey *k;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	p256_blob(&blob, "nistp256", P256_Q);
	k = parse(whole(&blob));
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < 8; j++) {
			enum verdict want = i == 4 && j == 5 ? VERIFY_ACCEPT : VERIFY_REJECT;

			p256_sig(&sig, values[i], values[j]);
			cr_assert_eq(pubkey_verify(k, row("ecdsa-sha2-nistp256"), view_str("sample"), whole(&sig)), want,
			    "%zu %zu", i, j);
		}
	pubkey_free(k);
	buf_drop(&blob);
	buf_drop(&sig);
}

/* RFC 4251 5: no zero too many, no negative number */
Test(pubkey, p256_only_canonical_numbers)
{
	uint8_t r[40] = { 0 }, s[40] = { 0 };
	struct buf blob, sig;
	struct pubkey *k;

	buf_init(&blob, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	p256_blob(&blob, "nistp256", P256_Q);
	k = parse(whole(&blob));
	hex(r + 2, P256_R);
	hex(s + 2, P256_S);
	for (size_t cut = 0; cut < 3; cut++) {	/* two zeros, one (right), none: negative */
		struct wr w = wr_to(&sig);
		size_t mark;

		buf_drop(&sig);
		wr_cstr(&w, "ecdsa-sha2-nistp256");
		mark = wr_string_begin(&w);
		wr_string(&w, r + cut, 34 - cut);
		wr_string(&w, s + cut, 34 - cut);
		wr_string_end(&w, mark);
		cr_assert_eq(pubkey_verify(k, row("ecdsa-sha2-nistp256"), view_str("sample"), whole(&sig)),
		    cut == 1 ? VERIFY_ACCEPT : VERIFY_REJECT, "%zu", cut);
	}
	pubkey_free(k);
	buf_drop(&blob);
	buf_drop(&sig);
}

Test(pubkey, p256_hostile_points)
{
	static const char *const bad[] = { "", "00", "04",
		"0260fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6", P256_Q "00",
		"0260fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"	/* over-long compressed */
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
		"0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462298" };
	struct buf blob;

	buf_init(&blob, 4096, NULL);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		p256_blob(&blob, "nistp256", bad[i]);
		cr_assert_eq(parse_result(whole(&blob)), SSH_E_BAD_VALUE, "%zu", i);
	}
	p256_blob(&blob, "nistp384", P256_Q);
	cr_assert_eq(parse_result(whole(&blob)), SSH_E_BAD_VALUE);
	p256_blob(&blob, "", P256_Q);
	cr_assert_eq(parse_result(whole(&blob)), SSH_E_BAD_VALUE);
	buf_drop(&blob);
}

/* ---- RSA ---- */

static struct pubkey *rsa_key(void)
{
	static uint8_t v[512];

	return parse(view_of(v, hex(v, rsa_blob)));
}

Test(pubkey, rsa_signatures_of_openssl)
{
	struct pubkey *k = rsa_key();
	struct view data = view_str("coppice");
	uint8_t s[257] = { 0 };
	struct buf sig;

	buf_init(&sig, 4096, NULL);
	cr_assert_eq(pubkey_kind(k), KEY_RSA);
	cr_assert_eq(pubkey_bits(k), 2048);
	cr_assert_eq(hex(s + 1, rsa_sha256), 256);
	blob2(&sig, "rsa-sha2-256", view_of(s + 1, 256));
	cr_assert_eq(pubkey_verify(k, row("rsa-sha2-256"), data, whole(&sig)), VERIFY_ACCEPT);
	cr_assert_eq(pubkey_verify(k, row("rsa-sha2-256"), view_str("coppicf"), whole(&sig)), VERIFY_REJECT);
	for (size_t i = 0; i < buf_len(&sig); i++) {
		buf_head(&sig)[i] ^= 0x10;
		cr_assert_eq(pubkey_verify(k, row("rsa-sha2-256"), data, whole(&sig)), VERIFY_REJECT, "%zu", i);
		buf_head(&sig)[i] ^= 0x10;
	}
	blob2(&sig, "rsa-sha2-256", view_of(s, 257));	/* one zero in front: longer than the modulus */
	cr_assert_eq(pubkey_verify(k, row("rsa-sha2-256"), data, whole(&sig)), VERIFY_REJECT);
	hex(s, rsa_sha512);
	blob2(&sig, "rsa-sha2-512", view_of(s, 256));
	cr_assert_eq(pubkey_verify(k, row("rsa-sha2-512"), data, whole(&sig)), VERIFY_ACCEPT);
	blob2(&sig, "rsa-sha2-256", view_of(s, 256));
	cr_assert_eq(pubkey_verify(k, row("rsa-sha2-256"), data, whole(&sig)), VERIFY_REJECT, "other hash");
	buf_drop(&sig);
	pubkey_free(k);
}

static void rsa_blob_of(struct buf *b, size_t e_len, size_t n_len, uint8_t low)
{
	struct wr w = wr_to(b);
	static uint8_t v[8192];

	memset(v, 0x5b, sizeof v);
	v[0] = 0xb1;
	v[n_len > 0 ? n_len - 1 : 0] = low;
	buf_drop(b);
	wr_cstr(&w, "ssh-rsa");
	wr_mpint(&w, (const uint8_t *)"\x01\x00\x01\x00\x01\x00\x01", e_len);
	wr_mpint(&w, v, n_len);
	cr_assert_eq(wr_done(&w), SSH_OK);
}

Test(pubkey, rsa_hostile_keys)
{
	struct buf b, sig;
	struct pubkey *k;
	static uint8_t s[4096];

	buf_init(&b, 16384, NULL);
	buf_init(&sig, 16384, NULL);
	memset(s, 0x77, sizeof s);
	for (size_t n = 0; n < 4200; n += n < 300 ? 1 : 61)
		for (size_t e = 0; e < 6; e++)
			for (uint8_t low = 0; low < 2; low++) {
				int good = n >= 256 && n <= 2048 && low == 1 && e == 3;

				rsa_blob_of(&b, e, n, low);
				if (!good) {
					cr_assert_eq(parse_result(whole(&b)), SSH_E_BAD_VALUE, "%zu %zu %u", n, e, low);
					continue;
				}
				k = parse(whole(&b));
				blob2(&sig, "rsa-sha2-512", view_of(s, n));
				cr_assert_eq(pubkey_verify(k, row("rsa-sha2-512"), view_str("x"), whole(&sig)), VERIFY_REJECT);
				pubkey_free(k);
			}
	buf_drop(&b);
	buf_drop(&sig);
}

Test(pubkey, rsa_numbers_are_canonical)
{
	uint8_t v[258] = { 0 };
	struct buf b;

	buf_init(&b, 4096, NULL);
	memset(v + 2, 0xb5, 256);
	for (size_t cut = 0; cut < 3; cut++) {
		struct wr w = wr_to(&b);

		buf_drop(&b);
		wr_cstr(&w, "ssh-rsa");
		wr_mpint(&w, (const uint8_t *)"\x01\x00\x01", 3);
		wr_string(&w, v + cut, 258 - cut);
		cr_assert_eq(parse_result(whole(&b)), cut == 1 ? SSH_OK : SSH_E_FORMAT);
	}
	buf_drop(&b);
}

/* ---- any key ---- */

Test(pubkey, unknown_types)
{
	static const char *const names[] = { "", "ssh-dsa", "ssh-rsa ", "rsa-sha2-256", "rsa-sha2-512", "ecdsa-sha2-nistp224",
		"sk-ssh-ed25519@openssh.com", "ssh-ed25519-cert-v01@openssh.com", "SSH-RSA" };
	struct buf b;

	buf_init(&b, 4096, NULL);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		blob2(&b, names[i], view_str("something"));
		cr_assert_eq(parse_result(whole(&b)), SSH_E_UNKNOWN_KEY, "%s", names[i]);
	}
	buf_drop(&b);
	cr_assert_eq(parse_result(view_of(NULL, 0)), SSH_E_FORMAT);
	cr_assert_eq(parse_result(view_of("\0\0\0", 3)), SSH_E_FORMAT);
	cr_assert_eq(parse_result(view_of("\xff\xff\xff\xff", 4)), SSH_E_FORMAT);
}

static void sweep(struct view blob)
{
	for (size_t n = 0; n < blob.len; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, blob.p, n);
		cr_assert_eq(parse_result(view_of(copy, n)), SSH_E_FORMAT, "cut to %zu of %zu", n, blob.len);
		free(copy);
	}
	uint8_t *longer = malloc(blob.len + 1);

	memcpy(longer, blob.p, blob.len);
	longer[blob.len] = 0;
	cr_assert_eq(parse_result(view_of(longer, blob.len + 1)), SSH_E_FORMAT, "a byte left over");
	free(longer);
}

Test(pubkey, every_cut_is_malformed)
{
	uint8_t v[512];
	struct buf b;

	buf_init(&b, 4096, NULL);
	sweep(view_of(v, hex(v, rsa_blob)));
	p256_blob(&b, "nistp256", P256_Q);
	sweep(whole(&b));
	blob2(&b, "ssh-ed25519", view_of(v, hex(v, ed25519[0].key)));
	sweep(whole(&b));
	buf_drop(&b);
}

Test(pubkey, too_long_a_blob)
{
	struct buf b;
	static uint8_t v[SSH_BLOB_MAX];

	buf_init(&b, 2 * SSH_BLOB_MAX, NULL);
	blob2(&b, "ssh-ed25519", view_of(v, SSH_BLOB_MAX));
	cr_assert_eq(parse_result(whole(&b)), SSH_E_FORMAT);
	buf_drop(&b);
}

Test(pubkey, fingerprint_as_ssh_keygen)
{
	uint8_t v[512];
	char out[64];

	key_fingerprint(view_of(v, hex(v, rsa_blob)), out);
	cr_assert_str_eq(out, rsa_fingerprint);
	cr_assert_eq(strlen(out), 50);
	key_fingerprint(view_of(NULL, 0), out);
	cr_assert_str_eq(out, "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
	cr_assert_str_eq(key_kind_word(KEY_P256), "ECDSA");
	cr_assert_str_eq(key_kind_word(KEY_RSA), "RSA");
	cr_assert_str_eq(key_kind_word(KEY_ED25519), "ED25519");
}

/*
 * Algorithm confusion: genuine signatures of all keys under all rows, shown with every name to
 * every key under every row; only the one true combination may pass.
 */
Test(pubkey, key_row_and_signature_must_be_one_algorithm)
{
	static const char *const names[] = { "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256" };
	static const enum key_kind kinds[] = { KEY_ED25519, KEY_P256, KEY_RSA, KEY_RSA };
	struct view data = view_str("data");
	struct privkey *priv[4];
	struct pubkey *pub[4];
	struct buf raw[4], b;
	unsigned accepted = 0;

	buf_init(&b, SSH_SIG_MAX, NULL);
	for (int i = 0; i < 4; i++) {
		struct wr w;
		struct rd in;

		if (i < 3) {
			cr_assert_eq(privkey_generate(&priv[i], kinds[i], i == 2 ? 2048 : 0), SSH_OK);
			pub[i] = parse(privkey_blob(priv[i]));
		}
		buf_init(&raw[i], SSH_SIG_MAX, NULL);
		w = wr_to(&raw[i]);
		cr_assert_eq(privkey_sign(priv[i < 3 ? i : 2], row(names[i]), data, &w), SSH_OK);
		in = rd_view(whole(&raw[i]));
		buf_consume(&raw[i], 4 + rd_string(&in, 64).len + 4);	/* only the bytes */
	}
	for (int key = 0; key < 3; key++)
		for (int r = 0; r < 4; r++)
			for (int name = 0; name < 4; name++)
				for (int sig = 0; sig < 4; sig++) {
					int right = kinds[key] == kinds[r] && r == name && name == sig;
					enum verdict v;

					blob2(&b, names[name], whole(&raw[sig]));
					v = pubkey_verify(pub[key], row(names[r]), data, whole(&b));
					cr_assert_eq(v, right ? VERIFY_ACCEPT : VERIFY_REJECT, "%d %d %d %d", key, r, name, sig);
					accepted += v == VERIFY_ACCEPT;
				}
	cr_assert_eq(accepted, 4);
	blob2(&b, "ssh-rsa", whole(&raw[3]));
	cr_assert_eq(pubkey_verify(pub[2], row("rsa-sha2-256"), data, whole(&b)), VERIFY_REJECT, "SHA-1's name");
	cr_assert_eq(pubkey_verify(pub[2], NULL, data, whole(&b)), VERIFY_REJECT);
	for (int i = 0; i < 4; i++)
		buf_drop(&raw[i]);
	for (int i = 0; i < 3; i++) {
		privkey_free(priv[i]);
		pubkey_free(pub[i]);
	}
	buf_drop(&b);
}
