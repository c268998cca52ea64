#include <criterion/criterion.h>
#include <gcrypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "ssh/crypto/curve.h"
#include "ssh/crypto/gcry.h"
#include "tests/unit/ssh/crypto/hex.h"

/*
 * hostile - signatures made from good ones by every transformation that verifiers have fallen for: other representatives of a
 * number, other encodings, other paddings. Wycheproof's families, for the formats of SSH; nothing of it passes, the good one does.
 */

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(hostile, .init = setup);

static const struct view data = { (const uint8_t *)"an exchange hash", 16 };

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

struct subject { struct privkey *priv; struct pubkey *pub; const struct sig_alg *row; struct buf sig; };

static void subject_init(struct subject *t, const char *name, unsigned bits)
{
	struct wr w = wr_to(&t->sig);

	t->row = sig_alg_find(view_str(name));
	buf_init(&t->sig, 2 * SSH_SIG_MAX, NULL);
	cr_assert_eq(privkey_generate(&t->priv, t->row->kind, bits), SSH_OK);
	cr_assert_eq(pubkey_parse(&t->pub, privkey_blob(t->priv), NULL), SSH_OK);
	cr_assert_eq(privkey_sign(t->priv, t->row, data, &w), SSH_OK);
}

static void subject_drop(struct subject *t)
{
	privkey_free(t->priv);
	pubkey_free(t->pub);
	buf_drop(&t->sig);
}

/* The bytes behind the name in the signature blob. */
static struct view raw_of(const struct subject *t)
{
	struct rd in = rd_view(whole(&t->sig));

	cr_assert(view_is(rd_string(&in, 64), t->row->sig_name));
	return rd_string(&in, SSH_SIG_MAX);
}

/* The verdict on those bytes in a blob. */
static enum verdict with_raw(const struct subject *t, struct view raw)
{
	enum verdict v;
	struct buf b;
	struct wr w = wr_to(&b);

	buf_init(&b, 2 * SSH_SIG_MAX, NULL);
	wr_cstr(&w, t->row->sig_name);
	wr_view(&w, raw);
	cr_assert_eq(wr_done(&w), SSH_OK);
	v = pubkey_verify(t->pub, t->row, data, whole(&b));
	buf_drop(&b);
	return v;
}

/* ---- ECDSA -------------------------------------------------------------------------------- */

static gcry_mpi_t number(struct view v)
{
	gcry_mpi_t n;

	cr_assert_eq(gcry_number(&n, v), SSH_OK);
	return n;
}

/* Two's complement, zeros in front: whatever the writer of mpints would not do. */
static void put_raw_number(struct wr *w, gcry_mpi_t v, int zeros, int no_sign_byte)
{
	uint8_t bytes[80] = { 0 };
	size_t n = 0, pad = (size_t)zeros;

	gcry_mpi_print(GCRYMPI_FMT_USG, bytes, sizeof bytes, &n, v);
	pad += !no_sign_byte && n > 0 && (bytes[0] & 0x80);
	wr_u32(w, (uint32_t)(pad + n));
	while (pad-- > 0)
		wr_u8(w, 0);
	wr_raw(w, bytes, n);
}

static enum verdict ecdsa_with(const struct subject *t, gcry_mpi_t r, gcry_mpi_t s, int zeros, int no_sign_byte, int tail)
{
	enum verdict v;
	struct buf b;
	struct wr w = wr_to(&b);

	buf_init(&b, SSH_SIG_MAX, NULL);
	put_raw_number(&w, r, zeros, no_sign_byte);
	put_raw_number(&w, s, zeros, no_sign_byte);
	while (tail-- > 0)
		wr_u8(&w, 0);
	v = with_raw(t, whole(&b));
	buf_drop(&b);
	return v;
}

/* Every pair of numbers that stand for r and s, or are 0 or near the order. */
static void ecdsa_numbers(const struct subject *t, gcry_mpi_t r, gcry_mpi_t s, gcry_mpi_t n, gcry_mpi_t p)
{
	gcry_mpi_t v[12];

	for (int i = 0; i < 12; i++)
		v[i] = gcry_mpi_new(0);
	gcry_mpi_set(v[0], r);
	gcry_mpi_set(v[1], s);
	gcry_mpi_add(v[2], r, n);
	gcry_mpi_add(v[3], s, n);
	gcry_mpi_sub(v[4], n, r);
	gcry_mpi_sub(v[5], n, s);
	gcry_mpi_set(v[7], n);
	gcry_mpi_add_ui(v[8], n, 1);
	gcry_mpi_sub_ui(v[9], n, 1);
	gcry_mpi_set(v[10], p);
	gcry_mpi_set_ui(v[11], 1);		/* and v[6] is 0 */
	for (int i = 0; i < 12; i++)
		for (int k = 0; k < 12; k++) {
			/* (r, s) and (r, n - s) are both signatures: FIPS 186 makes no difference, nor does anything in SSH hang on it */
			int good = i == 0 && (k == 1 || k == 5);

			cr_expect_eq(ecdsa_with(t, v[i], v[k], 0, 0, 0) == VERIFY_ACCEPT, good, "%s: %d, %d", t->row->name, i, k);
		}
	for (int i = 0; i < 12; i++)
		gcry_mpi_release(v[i]);
}

static void der_number(struct wr *w, gcry_mpi_t v)
{
	uint8_t bytes[80];
	size_t n = 0;

	gcry_mpi_print(GCRYMPI_FMT_STD, bytes, sizeof bytes, &n, v);
	wr_u8(w, 2);
	wr_u8(w, (uint8_t)n);
	wr_raw(w, bytes, n);
}

static void ecdsa_encodings(const struct subject *t, gcry_mpi_t r, gcry_mpi_t s, size_t len)
{
	struct buf b;
	struct wr w = wr_to(&b);
	uint8_t flat[200];

	cr_expect_eq(ecdsa_with(t, r, s, 0, 0, 0), VERIFY_ACCEPT);
	cr_expect_eq(ecdsa_with(t, r, s, 1, 0, 0), VERIFY_REJECT, "a zero in front");
	cr_expect_eq(ecdsa_with(t, r, s, 70, 0, 0), VERIFY_REJECT, "many of them");
	cr_expect_eq(ecdsa_with(t, r, s, 0, 0, 1), VERIFY_REJECT, "a byte behind");
	if (gcry_mpi_get_nbits(r) % 8 == 0 || gcry_mpi_get_nbits(s) % 8 == 0)
		cr_expect_eq(ecdsa_with(t, r, s, 0, 1, 0), VERIFY_REJECT, "negative numbers");
	buf_init(&b, SSH_SIG_MAX, NULL);
	wr_u8(&w, 0x30);
	wr_u8(&w, (uint8_t)(2 * len + 6));
	der_number(&w, r);
	der_number(&w, s);
	cr_expect_eq(with_raw(t, whole(&b)), VERIFY_REJECT, "as X.509 has it");
	cr_assert(gcry_bytes(flat, len, r) == SSH_OK && gcry_bytes(flat + len, len, s) == SSH_OK);
	cr_expect_eq(with_raw(t, view_of(flat, 2 * len)), VERIFY_REJECT, "r and s side by side");
	buf_drop(&b);
}

Test(hostile, ecdsa)
{
	static const char *const names[] = { "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct subject t;
		const struct curve *c;
		gcry_mpi_t r, s, n = NULL, p = NULL;
		struct rd in;

		subject_init(&t, names[i], 0);
		c = curve_of(t.row->kind);
		in = rd_view(raw_of(&t));
		r = number(rd_mpint(&in, 70));
		s = number(rd_mpint(&in, 70));
		cr_assert(gcry_hex(&n, c->n) == SSH_OK && gcry_hex(&p, c->p) == SSH_OK);
		ecdsa_numbers(&t, r, s, n, p);
		ecdsa_encodings(&t, r, s, c->len);
		gcry_mpi_release(r);
		gcry_mpi_release(s);
		gcry_mpi_release(n);
		gcry_mpi_release(p);
		subject_drop(&t);
	}
}

/* ---- EdDSA ---------------------------------------------------------------------------------- */

/* Adds a little-endian number of the same length; what is carried out at the end is lost. */
static void add_le(uint8_t *to, const uint8_t *v, size_t n)
{
	unsigned carry = 0;

	for (size_t i = 0; i < n; i++) {
		carry += (unsigned)to[i] + v[i];
		to[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

static void eddsa(const char *name, size_t half, const char *order_text, const char *const *small, size_t nsmall)
{
	struct subject t;
	uint8_t good[114], sig[116], order[57];
	struct view raw;

	subject_init(&t, name, 0);
	raw = raw_of(&t);
	cr_assert_eq(raw.len, 2 * half);
	memcpy(good, raw.p, raw.len);
	hex(order, order_text);
	cr_expect_eq(with_raw(&t, raw), VERIFY_ACCEPT);
	memcpy(sig, good, raw.len);
	for (int i = 1; i < 16; i++) {		/* S + L, S + 2 L, ...: equal to S, and refused (RFC 8032 5.1.7, 5.2.7) */
		add_le(sig + half, order, half);
		cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT, "%s: S + %d L", name, i);
	}
	memcpy(sig, good, raw.len);
	memset(sig + half, 0, half);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT, "S = 0");
	for (size_t i = 0; i < nsmall; i++)
		for (int s = 0; s < 2; s++) {	/* R of small order, with the S of the good one and with 0 */
			memcpy(sig, good, raw.len);
			hex(sig, small[i]);
			if (s == 0)
				memset(sig + half, 0, half);
			cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT, "%s: R %zu", name, i);
		}
	memcpy(sig, good + half, half);		/* S before R, R twice, zeros, ones, a byte more, a byte less */
	memcpy(sig + half, good, half);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT);
	memcpy(sig, good, half);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT);
	memset(sig, 0, sizeof sig);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT);
	memset(sig, 0xff, sizeof sig);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT);
	memset(sig, 0, sizeof sig);
	memcpy(sig, good, raw.len);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len + 1)), VERIFY_REJECT);
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len - 1)), VERIFY_REJECT);
	sig[half - 1] ^= 0x80;			/* -R */
	cr_expect_eq(with_raw(&t, view_of(sig, raw.len)), VERIFY_REJECT);
	subject_drop(&t);
}

Test(hostile, ed25519)
{
	static const char *const small[] = {
		"0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	};

	eddsa("ssh-ed25519", 32, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", small, sizeof small / sizeof small[0]);
}

#define Z26 "0000000000000000000000000000000000000000000000000000"

Test(hostile, ed448)
{
	static const char *const small[] = {
		"000000000000" Z26 Z26 "00" "0000000000" "00", "010000000000" Z26 Z26 "00" "0000000000" "00",
		"feffffffffffffffffffffffffffffffffffffffffffffffffffffff" "feffffffffffffffffffffffffffffffffffffffffffffffffffffff" "00",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffff" "feffffffffffffffffffffffffffffffffffffffffffffffffffffff" "00",
	};

	eddsa("ssh-ed448", 57, "f34458ab92c27823558fc58d72c26c219036d6ae49db4ec4e923ca7cffffffffffffffffffffffffffffffffffffffffffffffffffffff3f" "00",
	    small, sizeof small / sizeof small[0]);
}

/* ---- RSA: PKCS #1 v1.5 ------------------------------------------------------------------------- */

struct rsa { struct subject t; gcry_mpi_t n, e, d; size_t len; };

static void rsa_init(struct rsa *k)
{
	struct buf b;
	struct wr w = wr_to(&b);
	struct rd in;

	subject_init(&k->t, "rsa-sha2-512", 2048);
	buf_init(&b, SSH_BLOB_MAX, NULL);
	cr_assert_eq(privkey_write_private(k->t.priv, &w), SSH_OK);
	in = rd_view(whole(&b));
	rd_string(&in, 64);
	k->n = number(rd_mpint(&in, 2048));
	k->e = number(rd_mpint(&in, 2048));
	k->d = number(rd_mpint(&in, 2048));
	k->len = 256;
	buf_drop(&b);
}

/* Whoever has the key signs this block: what does the verifier say to it? */
static enum verdict rsa_block(const struct rsa *k, const uint8_t *block)
{
	gcry_mpi_t m = number(view_of(block, k->len)), s = gcry_mpi_new(0);
	uint8_t sig[256];

	gcry_mpi_powm(s, m, k->d, k->n);
	cr_assert_eq(gcry_bytes(sig, k->len, s), SSH_OK);
	gcry_mpi_release(m);
	gcry_mpi_release(s);
	return with_raw(&k->t, view_of(sig, sizeof sig));
}

/* 0 first, FF up to a zero, then this text: RFC 8017 9.2. */
static void rsa_pad(uint8_t *out, size_t n, uint8_t type, uint8_t fill, const uint8_t *text, size_t len)
{
	out[0] = 0;
	out[1] = type;
	memset(out + 2, fill, n - len - 3);
	out[n - len - 1] = 0;
	memcpy(out + n - len, text, len);
}

#define SHA512_HEAD "3051300d060960864801650304020305000440"
#define SHA256_HEAD "3031300d060960864801650304020105000420"

Test(hostile, rsa_blocks)
{
	struct rsa k;
	uint8_t digest[SSH_HASH_MAX], info[120], block[256], text[256];
	size_t head = hex(info, SHA512_HEAD), len = head + 64;

	rsa_init(&k);
	cr_assert_eq(hash_parts(HASH_SHA512, &data, 1, digest), SSH_OK);
	memcpy(info + head, digest, 64);
	rsa_pad(block, 256, 1, 0xff, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_ACCEPT, "the right one");
	rsa_pad(block, 256, 2, 0xff, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "type 2");
	rsa_pad(block, 256, 0, 0xff, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "type 0");
	rsa_pad(block, 256, 0, 0, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "zeros");
	rsa_pad(block, 256, 1, 0xfe, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "another filling");
	for (size_t at = 2; at < 256 - len - 1; at += 7) {
		rsa_pad(block, 256, 1, 0xff, info, len);
		block[at] = 0;
		cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "a zero in the filling at %zu", at);
	}
	/* Bleichenbacher 2006: little filling, the rest behind the digest */
	for (size_t fill = 0; fill <= 100; fill += 20) {
		memset(block, 0x5a, sizeof block);
		rsa_pad(block, fill + 3 + len, 1, 0xff, info, len);
		cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "bytes behind, %zu before", fill);
	}
	/* DigestInfo: without parameters, another hash's name, a digest of another hash, a byte too many in it, the digest alone */
	head = hex(text, "304f300b0609608648016503040203" "0440");
	memcpy(text + head, digest, 64);
	rsa_pad(block, 256, 1, 0xff, text, head + 64);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "no NULL");
	head = hex(text, SHA256_HEAD);
	memcpy(text + head, digest, 64);
	rsa_pad(block, 256, 1, 0xff, text, head + 32);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "another hash");
	cr_assert_eq(hash_parts(HASH_SHA256, &data, 1, text + head), SSH_OK);
	rsa_pad(block, 256, 1, 0xff, text, head + 32);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "rsa-sha2-256 under the name of rsa-sha2-512");
	head = hex(text, "3081513081" "0d060960864801650304020305000440");
	memcpy(text + head, digest, 64);
	rsa_pad(block, 256, 1, 0xff, text, head + 64);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "lengths in BER");
	rsa_pad(block, 256, 1, 0xff, digest, 64);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "no DigestInfo");
	info[len - 1] ^= 1;
	rsa_pad(block, 256, 1, 0xff, info, len);
	cr_expect_eq(rsa_block(&k, block), VERIFY_REJECT, "another digest");
	gcry_mpi_release(k.n);
	gcry_mpi_release(k.e);
	gcry_mpi_release(k.d);
	subject_drop(&k.t);
}

/* s + n, n - s, and lengths: the residue is right or nearly, the number is not. */
Test(hostile, rsa_numbers)
{
	struct rsa k;
	struct view raw;
	gcry_mpi_t s, v = gcry_mpi_new(0);
	uint8_t sig[300] = { 0 };

	rsa_init(&k);
	raw = raw_of(&k.t);
	s = number(raw);
	gcry_mpi_add(v, s, k.n);
	if (gcry_mpi_get_nbits(v) <= 2048) {
		cr_assert_eq(gcry_bytes(sig, 256, v), SSH_OK);
		cr_expect_eq(with_raw(&k.t, view_of(sig, 256)), VERIFY_REJECT, "s + n");
	}
	cr_assert_eq(gcry_bytes(sig, 257, v), SSH_OK);
	cr_expect_eq(with_raw(&k.t, view_of(sig, 257)), VERIFY_REJECT, "s + n, longer");
	gcry_mpi_sub(v, k.n, s);
	cr_assert_eq(gcry_bytes(sig, 256, v), SSH_OK);
	cr_expect_eq(with_raw(&k.t, view_of(sig, 256)), VERIFY_REJECT, "-s");
	sig[0] = 0;
	memcpy(sig + 1, raw.p, 256);
	cr_expect_eq(with_raw(&k.t, view_of(sig, 257)), VERIFY_REJECT, "a zero in front");
	sig[257] = 0;
	cr_expect_eq(with_raw(&k.t, view_of(sig + 1, 257)), VERIFY_REJECT, "a zero behind");
	cr_expect_eq(with_raw(&k.t, view_of(sig + 1, 255)), VERIFY_REJECT, "cut");
	cr_expect_eq(with_raw(&k.t, raw), VERIFY_ACCEPT);
	gcry_mpi_release(s);
	gcry_mpi_release(v);
	gcry_mpi_release(k.n);
	gcry_mpi_release(k.e);
	gcry_mpi_release(k.d);
	subject_drop(&k.t);
}
