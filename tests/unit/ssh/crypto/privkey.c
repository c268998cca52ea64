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

TestSuite(privkey, .init = setup);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static const struct sig_alg *row(const char *name)
{
	return sig_alg_find(view_str(name));
}

static int read_result(struct view bytes)
{
	struct rd in = rd_view(bytes);
	struct privkey *k;
	int r = privkey_read_private(&k, &in);

	cr_assert_eq(r == SSH_OK, k != NULL);
	privkey_free(k);
	return r;
}

static struct privkey *read_key(struct view bytes)
{
	struct rd in = rd_view(bytes);
	struct privkey *k;

	cr_assert_eq(privkey_read_private(&k, &in), SSH_OK);
	cr_assert_eq(rd_done(&in), SSH_OK);
	return k;
}

static void sign(struct buf *b, const struct privkey *k, const char *name, struct view data)
{
	struct wr w = wr_to(b);

	buf_drop(b);
	cr_assert_eq(privkey_sign(k, row(name), data, &w), SSH_OK);
}

static void sign_and_verify(enum key_kind kind, unsigned bits, const char *const *names)
{
	struct privkey *k, *again;
	struct pubkey *pub;
	struct buf sig, twice, priv;
	struct wr w;

	buf_init(&sig, SSH_SIG_MAX, NULL);
	buf_init(&twice, SSH_SIG_MAX, NULL);
	buf_init(&priv, SSH_BLOB_MAX, NULL);
	cr_assert_eq(privkey_generate(&k, kind, bits), SSH_OK);
	cr_assert_eq(privkey_kind(k), kind);
	cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
	cr_assert_eq(pubkey_bits(pub), bits);
	w = wr_to(&priv);
	cr_assert_eq(privkey_write_private(k, &w), SSH_OK);
	again = read_key(whole(&priv));
	cr_assert(view_same(privkey_blob(k), privkey_blob(again)));
	for (; *names != NULL; names++)
		for (size_t n = 0; n < 300; n += 99) {
			static const uint8_t zeros[300];
			struct view data = view_of(zeros, n), other = view_of(zeros, n + 1);

			sign(&sig, k, *names, data);
			cr_assert_eq(pubkey_verify(pub, row(*names), data, whole(&sig)), VERIFY_ACCEPT);
			cr_assert_eq(pubkey_verify(pub, row(*names), other, whole(&sig)), VERIFY_REJECT);
			sign(&twice, again, *names, data);
			cr_assert(view_same(whole(&sig), whole(&twice)), "%s is deterministic", *names);
		}
	w = wr_to(&sig);
	cr_assert_eq(privkey_sign(k, row(kind == KEY_RSA ? "ssh-ed25519" : "rsa-sha2-256"), view_str("x"), &w), SSH_E_BUG);
	cr_assert_eq(privkey_sign(k, NULL, view_str("x"), &w), SSH_E_BUG);
	privkey_free(k);
	privkey_free(again);
	pubkey_free(pub);
	buf_drop(&sig);
	buf_drop(&twice);
	buf_drop(&priv);
}

Test(privkey, ed25519)
{
	sign_and_verify(KEY_ED25519, 256, (const char *const[]){ "ssh-ed25519", NULL });
}

Test(privkey, p256)
{
	sign_and_verify(KEY_P256, 256, (const char *const[]){ "ecdsa-sha2-nistp256", NULL });
}

Test(privkey, rsa)
{
	sign_and_verify(KEY_RSA, 2048, (const char *const[]){ "rsa-sha2-256", "rsa-sha2-512", NULL });
}

Test(privkey, refuses_to_make_weak_keys)
{
	struct privkey *k;

	cr_assert_eq(privkey_generate(&k, KEY_RSA, 1024), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_generate(&k, KEY_RSA, 2047), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_generate(&k, KEY_RSA, 16385), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_generate(&k, KEY_NONE, 0), SSH_E_BUG);
	cr_assert_null(k);
	privkey_free(NULL);
}

Test(privkey, keys_differ)
{
	struct privkey *a, *b;

	for (enum key_kind kind = KEY_ED25519; kind <= KEY_P256; kind++) {
		cr_assert_eq(privkey_generate(&a, kind, 0), SSH_OK);
		cr_assert_eq(privkey_generate(&b, kind, 0), SSH_OK);
		cr_assert(!view_same(privkey_blob(a), privkey_blob(b)));
		privkey_free(a);
		privkey_free(b);
	}
}

/* RFC 8032 7.1 TEST 3 */
Test(privkey, ed25519_known_answer)
{
	uint8_t sk[64], data[2], want[64];
	struct buf b, sig;
	struct wr w;
	struct privkey *k;

	buf_init(&b, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	hex(sk, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
	    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	hex(data, "af82");
	hex(want, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
	w = wr_to(&b);
	wr_cstr(&w, "ssh-ed25519");
	wr_string(&w, sk + 32, 32);
	wr_string(&w, sk, 64);
	k = read_key(whole(&b));
	sign(&sig, k, "ssh-ed25519", view_of(data, 2));
	cr_assert_eq(buf_len(&sig), 4 + 11 + 4 + 64);
	cr_assert_arr_eq(buf_head(&sig) + 19, want, 64);
	privkey_free(k);
	buf_drop(&b);
	buf_drop(&sig);
}

/* A private half under another public half would sign, and the pair of signatures gives the seed away. */
Test(privkey, ed25519_halves_must_match)
{
	uint8_t sk[64];
	struct buf b;

	buf_init(&b, 4096, NULL);
	hex(sk, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
	    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	for (size_t i = 0; i < 4 + 11 + 4 + 32 + 4 + 64; i++) {
		struct wr w = wr_to(&b);

		buf_drop(&b);
		wr_cstr(&w, "ssh-ed25519");
		wr_string(&w, sk + 32, 32);
		wr_string(&w, sk, 64);
		buf_head(&b)[i] ^= 4;
		cr_assert_lt(read_result(whole(&b)), 0, "%zu", i);
	}
	buf_drop(&b);
}

static void p256_private(struct buf *b, const char *d_text)
{
	uint8_t q[65], d[40];
	struct wr w = wr_to(b);

	buf_drop(b);
	hex(q, "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
	    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
	wr_cstr(&w, "ecdsa-sha2-nistp256");
	wr_cstr(&w, "nistp256");
	wr_string(&w, q, 65);
	wr_mpint(&w, d, hex(d, d_text));
	cr_assert_eq(wr_done(&w), SSH_OK);
}

/* RFC 6979 A.2.5, SHA-256 */
Test(privkey, p256_known_answer)
{
	struct buf b, sig, want;
	struct privkey *k;
	uint8_t v[32];
	struct wr w;
	size_t mark;

	buf_init(&b, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	buf_init(&want, 4096, NULL);
	p256_private(&b, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
	k = read_key(whole(&b));
	sign(&sig, k, "ecdsa-sha2-nistp256", view_str("sample"));
	w = wr_to(&want);
	wr_cstr(&w, "ecdsa-sha2-nistp256");
	mark = wr_string_begin(&w);
	wr_mpint(&w, v, hex(v, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"));
	wr_mpint(&w, v, hex(v, "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"));
	wr_string_end(&w, mark);
	cr_assert(view_same(whole(&sig), whole(&want)));
	privkey_free(k);
	buf_drop(&b);
	buf_drop(&sig);
	buf_drop(&want);
}

Test(privkey, p256_hostile_scalars)
{
	static const struct { const char *d; int want; } cases[] = {
		{ "", SSH_E_BAD_VALUE },
		{ "01", SSH_E_BAD_VALUE },		/* in range, but not this point's */
		{ "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", SSH_E_BAD_VALUE },
		{ "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", SSH_E_BAD_VALUE },
		{ "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", SSH_E_BAD_VALUE },
		{ "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", SSH_E_FORMAT },
	};
	struct buf b;

	buf_init(&b, 4096, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		p256_private(&b, cases[i].d);
		cr_assert_eq(read_result(whole(&b)), cases[i].want, "%zu", i);
	}
	buf_drop(&b);
}

/* PKCS #1 v1.5 has one signature for each message: OpenSSL's must be ours. */
Test(privkey, rsa_known_answers)
{
	uint8_t v[2048], want[256];
	struct privkey *k = read_key(view_of(v, hex(v, rsa_private)));
	struct buf sig;

	buf_init(&sig, SSH_SIG_MAX, NULL);
	sign(&sig, k, "rsa-sha2-256", view_str("coppice"));
	hex(want, rsa_sha256);
	cr_assert_eq(buf_len(&sig), 4 + 12 + 4 + 256);
	cr_assert_arr_eq(buf_head(&sig) + 20, want, 256);
	sign(&sig, k, "rsa-sha2-512", view_str("coppice"));
	hex(want, rsa_sha512);
	cr_assert_arr_eq(buf_head(&sig) + 20, want, 256);
	privkey_free(k);
	buf_drop(&sig);
}

Test(privkey, rsa_signature_with_a_zero_in_front)
{
	uint8_t v[2048];
	struct privkey *k = read_key(view_of(v, hex(v, rsa_private)));
	struct view data = view_str(RSA_SHORT_MESSAGE);
	struct pubkey *pub;
	struct buf sig, cut;
	struct wr w;

	buf_init(&sig, SSH_SIG_MAX, NULL);
	buf_init(&cut, SSH_SIG_MAX, NULL);
	cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
	sign(&sig, k, "rsa-sha2-256", data);
	cr_assert_eq(buf_len(&sig), 20 + 256, "as long as the modulus");
	cr_assert_eq(buf_head(&sig)[20], 0);
	w = wr_to(&cut);		/* some signers drop the zero */
	wr_cstr(&w, "rsa-sha2-256");
	wr_string(&w, buf_head(&sig) + 21, 255);
	cr_assert_eq(pubkey_verify(pub, row("rsa-sha2-256"), data, whole(&cut)), VERIFY_ACCEPT);
	pubkey_free(pub);
	privkey_free(k);
	buf_drop(&sig);
	buf_drop(&cut);
}

/* Each of n, e, d, iqmp, p, q replaced by nonsense; libgcrypt would divide by zero on some. */
Test(privkey, rsa_hostile_parts)
{
	static const char *const nonsense[] = { "", "01", "02", "03", "0100", "ff" };
	uint8_t v[2048], bytes[8];
	struct view good = view_of(v, hex(v, rsa_private));
	struct buf b;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	for (int part = 0; part < 6; part++)
		for (size_t i = 0; i < 8; i++) {
			struct rd in = rd_view(good);
			struct wr w = wr_to(&b);

			buf_drop(&b);
			wr_view(&w, rd_string(&in, 64));
			for (int k = 0; k < 6; k++) {
				struct view m = rd_mpint(&in, 2048);
				uint8_t copy[256];

				memcpy(copy, m.p, m.len);
				if (k == part && i == 6)
					copy[m.len / 2] ^= 1;
				if (k == part && i == 7)
					copy[m.len - 1] ^= 1;
				if (k == part && i < 6)
					wr_mpint(&w, bytes, hex(bytes, nonsense[i]));
				else
					wr_mpint(&w, copy, m.len);
			}
			cr_assert_eq(wr_done(&w), SSH_OK);
			if (part == 3 && i > 0)		/* iqmp is not trusted but computed */
				cr_assert_eq(read_result(whole(&b)), SSH_OK);
			else
				cr_assert_lt(read_result(whole(&b)), 0, "part %d value %zu", part, i);
		}
	buf_drop(&b);
}

Test(privkey, rsa_factors_one_and_n)
{
	uint8_t v[2048];
	struct rd in = rd_of(v, hex(v, rsa_private));
	struct view name = rd_string(&in, 64), n = rd_mpint(&in, 512), e = rd_mpint(&in, 8), d = rd_mpint(&in, 512);
	struct buf b;
	struct wr w;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	for (int order = 0; order < 2; order++) {
		buf_drop(&b);
		w = wr_to(&b);
		wr_view(&w, name);
		wr_mpint(&w, n.p, n.len);
		wr_mpint(&w, e.p, e.len);
		wr_mpint(&w, d.p, d.len);
		wr_mpint(&w, (const uint8_t *)"\1", 1);
		wr_mpint(&w, order ? n.p : (const uint8_t *)"\1", order ? n.len : 1);
		wr_mpint(&w, order ? (const uint8_t *)"\1" : n.p, order ? 1 : n.len);
		cr_assert_eq(read_result(whole(&b)), SSH_E_BAD_VALUE);
	}
	buf_drop(&b);
}

Test(privkey, every_cut_is_refused)
{
	uint8_t v[2048];
	size_t len = hex(v, rsa_private);

	for (size_t n = 0; n < len; n++) {
		uint8_t *copy = malloc(n + 1);
		int r;

		memcpy(copy, v, n);
		r = read_result(view_of(copy, n));
		cr_assert(r == SSH_E_FORMAT || r == SSH_E_UNKNOWN_KEY, "cut to %zu: %s", n, err_name(r));
		free(copy);
	}
}

Test(privkey, output_buffer_too_small)
{
	struct privkey *k;
	struct buf b;
	struct wr w;

	cr_assert_eq(privkey_generate(&k, KEY_ED25519, 0), SSH_OK);
	buf_init(&b, 50, NULL);
	w = wr_to(&b);
	cr_assert_eq(privkey_sign(k, row("ssh-ed25519"), view_str("x"), &w), SSH_E_FULL);
	privkey_free(k);
	buf_drop(&b);
}
