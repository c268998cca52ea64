/* What every key type must do, and the published answers of those that have some; DSA keys are made by nobody, so theirs is here. */
#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/peer_input.h"
#include "tests/unit/ssh/crypto/hex.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(keykinds, .init = setup);

static struct view whole(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

static const struct sig_alg *row(const char *name)
{
	return sig_alg_find(view_str(name));
}

/* From the secret number alone, as key files of other formats have it. */
static struct privkey *completed(enum key_kind kind, struct view secret)
{
	struct buf b;
	struct wr w = wr_to(&b);
	struct rd in;
	struct privkey *k;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	cr_assert_eq(privkey_complete(kind, secret, &w), SSH_OK);
	in = rd_view(whole(&b));
	cr_assert_eq(privkey_read_private(&k, &in), SSH_OK);
	cr_assert_eq(rd_done(&in), SSH_OK);
	buf_drop(&b);
	return k;
}

static struct privkey *from_hex(enum key_kind kind, const char *secret)
{
	uint8_t v[600];

	return completed(kind, view_of(v, hex(v, secret)));
}

/* The bytes of a signature over data, behind its name. */
static void signed_bytes(struct buf *out, const struct privkey *k, const char *name, struct view data)
{
	struct wr w = wr_to(out);
	struct rd in;
	struct view raw;

	buf_init(out, SSH_SIG_MAX, NULL);
	cr_assert_eq(privkey_sign(k, row(name), data, &w), SSH_OK);
	in = rd_view(whole(out));
	cr_assert(view_is(rd_string(&in, 64), row(name)->sig_name));
	raw = rd_string(&in, SSH_SIG_MAX);
	cr_assert_eq(rd_done(&in), SSH_OK);
	buf_consume(out, (size_t)(raw.p - buf_head(out)));
}

static void ecdsa_answer(enum key_kind kind, const char *name, const char *d, const char *r_text, const char *s_text)
{
	struct privkey *k = from_hex(kind, d);
	uint8_t v[66];
	struct buf got, want;
	struct wr w = wr_to(&want);

	buf_init(&want, 500, NULL);
	wr_mpint(&w, v, hex(v, r_text));
	wr_mpint(&w, v, hex(v, s_text));
	signed_bytes(&got, k, name, view_str("sample"));
	cr_assert(view_same(whole(&got), whole(&want)), "%s", name);
	privkey_free(k);
	buf_drop(&got);
	buf_drop(&want);
}

/* RFC 6979 A.2.6 and A.2.7 with the hash RFC 5656 fixes */
Test(keykinds, ecdsa_known_answers)
{
	ecdsa_answer(KEY_P384, "ecdsa-sha2-nistp384",
	    "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
	    "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
	    "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8");
	ecdsa_answer(KEY_P521, "ecdsa-sha2-nistp521",
	    "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
	    "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
	    "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a");
}

/* RFC 8032 7.4: "Blank" and "1 octet" */
Test(keykinds, ed448_known_answers)
{
	static const struct { const char *seed, *data, *sig; } cases[] = {
		{ "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b", "",
		  "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980"
		  "ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600" },
		{ "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e", "03",
		  "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd77980"
		  "5e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct privkey *k = from_hex(KEY_ED448, cases[i].seed);
		uint8_t data[2], want[114];
		struct buf got;

		signed_bytes(&got, k, "ssh-ed448", view_of(data, hex(data, cases[i].data)));
		hex(want, cases[i].sig);
		cr_assert(view_same(whole(&got), view_of(want, sizeof want)), "%zu", i);
		privkey_free(k);
		buf_drop(&got);
	}
}

/* RFC 6979 A.2.1: p, q, g and x as mpints, with SHA-1 */
static const char dsa_secret[] =
    "00000081" "00"
    "86f5ca03dcfeb225063ff830a0c769b9dd9d6153ad91d7ce27f787c43278b447e6533b86b18bed6e8a48b784a14c252c5be0dbf60b86d6385bd2f12fb763ed88"
    "73abfd3f5ba2e0a8c0a59082eac056935e529daf7c610467899c77adedfc846c881870b7b19b2b58f9be0521a17002e3bdd6b86685ee90b3d9a1b02b782b1779"
    "00000015" "00" "996f967f6c8e388d9e28d01e205fba957a5698b1"
    "00000080"
    "07b0f92546150b62514bb771e2a0c0ce387f03bda6c56b505209ff25fd3c133d89bbcd97e904e09114d9a7defdeadfc9078ea544d2e401aeecc40bb9fbbf78fd"
    "87995a10a1c27cb7789b594ba7efb5c4326a9fe59a070e136db77175464adca417be5dce2f40d10a46a3a3943f26ab7fd9c0398ff8c76ee0a56826a8a88f1dbd"
    "00000014" "411602cb19a6ccc34494d79d98ef1e7ed5af25f7";

Test(keykinds, dsa_known_answer)
{
	struct privkey *k = from_hex(KEY_DSA, dsa_secret);
	struct pubkey *pub;
	uint8_t want[40];
	struct buf got;

	signed_bytes(&got, k, "ssh-dss", view_str("sample"));
	hex(want, "2e1a0c2562b2912caaf89186fb0f42001585da55" "29efb6b0aff2d7a68eb70ca313022253b9a88df5");
	cr_assert(view_same(whole(&got), view_of(want, sizeof want)));
	cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
	cr_assert_eq(pubkey_bits(pub), 1024u);
	cr_assert_str_eq(pubkey_name(pub), "ssh-dss");
	pubkey_free(pub);
	privkey_free(k);
	buf_drop(&got);
}

static struct privkey *any(enum key_kind kind)
{
	struct privkey *k;

	if (kind == KEY_DSA)
		return from_hex(KEY_DSA, dsa_secret);
	cr_assert_eq(privkey_generate(&k, kind, kind == KEY_RSA ? 2048 : 0), SSH_OK);
	return k;
}

/* Signing, reading back what was written, and every changed byte of key and signature. */
Test(keykinds, round_trip_and_every_changed_byte)
{
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_SIG, i, NULL)) != NULL; i++) {
		struct privkey *k = any(row(name)->kind), *again;
		struct view data = view_str("an exchange hash");
		struct buf sig, twice, priv;
		struct pubkey *pub, *other;
		struct wr w = wr_to(&sig), w2 = wr_to(&twice), w3 = wr_to(&priv);
		struct rd in;

		buf_init(&sig, SSH_SIG_MAX, NULL);
		buf_init(&twice, SSH_SIG_MAX, NULL);
		buf_init(&priv, SSH_BLOB_MAX, NULL);
		cr_assert_eq(privkey_write_private(k, &w3), SSH_OK);
		in = rd_view(whole(&priv));
		cr_assert_eq(privkey_read_private(&again, &in), SSH_OK);
		cr_assert_eq(privkey_sign(k, row(name), data, &w), SSH_OK);
		cr_assert_eq(privkey_sign(again, row(name), data, &w2), SSH_OK);
		cr_assert(view_same(whole(&sig), whole(&twice)), "%s is deterministic", name);
		cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
		cr_assert_eq(pubkey_verify(pub, row(name), data, whole(&sig)), VERIFY_ACCEPT);
		/* every byte of the short ones; of the slow ones all kinds of places */
		size_t step = row(name)->kind == KEY_ED25519 || row(name)->kind == KEY_P256 ? 1 : 5;
		for (size_t at = 0; at < buf_len(&sig); at += step) {
			buf_head(&sig)[at] ^= 1;
			cr_assert_eq(pubkey_verify(pub, row(name), data, whole(&sig)), VERIFY_REJECT, "%s byte %zu", name, at);
			buf_head(&sig)[at] ^= 1;
		}
		for (size_t n = 0; n < buf_len(&sig); n++)
			cr_assert_eq(pubkey_verify(pub, row(name), data, view_of(buf_head(&sig), n)), VERIFY_REJECT);
		for (size_t at = 0; at < privkey_blob(k).len; at += 2 * step - 1) {
			uint8_t blob[SSH_SIG_MAX];

			memcpy(blob, privkey_blob(k).p, privkey_blob(k).len);
			blob[at] ^= 1;
			if (pubkey_parse(&other, view_of(blob, privkey_blob(k).len), NULL) == SSH_OK)
				cr_assert_eq(pubkey_verify(other, row(name), data, whole(&sig)), VERIFY_REJECT, "%s key byte %zu", name, at);
			pubkey_free(other);
		}
		privkey_free(k);
		privkey_free(again);
		pubkey_free(pub);
		buf_drop(&sig);
		buf_drop(&twice);
		buf_drop(&priv);
	}
}

/* A signature under one row is none under another, whatever the two have in common. */
Test(keykinds, no_row_takes_another_ones_signature)
{
	const char *name, *other;

	for (size_t i = 0; (name = alg_name(ALG_SIG, i, NULL)) != NULL; i++) {
		struct privkey *k = any(row(name)->kind);
		struct pubkey *pub;
		struct buf sig;
		struct wr w = wr_to(&sig);

		buf_init(&sig, SSH_SIG_MAX, NULL);
		cr_assert_eq(privkey_sign(k, row(name), view_str("x"), &w), SSH_OK);
		cr_assert_eq(pubkey_parse(&pub, privkey_blob(k), NULL), SSH_OK);
		for (size_t j = 0; (other = alg_name(ALG_HOSTKEY, j, NULL)) != NULL; j++)
			/* a certificate's row verifies what its key signed: the same name stands in the signature */
			cr_assert_eq(pubkey_verify(pub, row(other), view_str("x"), whole(&sig)) == VERIFY_ACCEPT,
			    strcmp(row(other)->sig_name, name) == 0, "%s under %s", name, other);
		pubkey_free(pub);
		privkey_free(k);
		buf_drop(&sig);
	}
}

static int check448(const char *text)
{
	uint8_t v[130];

	return peer_ed448_key(view_of(v, hex(v, text)));
}

#define Z55 "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define F27 "ffffffffffffffffffffffffffffffffffffffffffffffffffffff"

Test(keykinds, ed448_points_that_prove_nothing)
{
	static const char *const bad[] = {
		"", "00", "00" Z55, "00" Z55 "00" "00",
		"00" Z55 "00", "01" Z55 "00", "01" Z55 "80", "00" Z55 "80",	/* y of 0 and 1 */
		"fe" F27 "feffffffffffffffffffffffffffffffffffffffffffffffffffffff" "00",	/* -1 */
		"ff" F27 "feffffffffffffffffffffffffffffffffffffffffffffffffffffff" "00",	/* p: 0 again */
		"00" "00000000000000000000000000000000000000000000000000000000" "ffffffffffffffffffffffffffffffffffffffffffffffffffffff" "01",
		"14fa30f25b790898adc8d74e2c13bdfdc4397ce61cffd33ad7c2a0051e9c78874098a36c7373ea4b62c7c9563720768824bcb66e71463f6901",	/* y >= 2^448 */
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(check448(bad[i]), SSH_E_BAD_VALUE, "%zu", i);
	cr_assert_eq(check448("43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480"), SSH_OK);
	cr_assert_eq(check448("14fa30f25b790898adc8d74e2c13bdfdc4397ce61cffd33ad7c2a0051e9c78874098a36c7373ea4b62c7c9563720768824bcb66e71463f6900"), SSH_OK,
	    "the base point");
}

Test(keykinds, ed448_signatures_have_one_spelling)
{
	uint8_t sig[114] = { 0 }, order[57];
	size_t n = hex(order, "f34458ab92c27823558fc58d72c26c219036d6ae49db4ec4e923ca7cffffffffffffffffffffffffffffffffffffffffffffffffffffff3f" "00");

	cr_assert_eq(n, 57u);
	memcpy(sig + 57, order, 57);
	cr_assert_eq(peer_ed448_sig(view_of(sig, 114)), SSH_E_BAD_VALUE);
	sig[57]--;
	cr_assert_eq(peer_ed448_sig(view_of(sig, 114)), SSH_OK);
	cr_assert_eq(peer_ed448_sig(view_of(sig, 113)), SSH_E_BAD_VALUE);
	sig[113] = 0x80;
	cr_assert_eq(peer_ed448_sig(view_of(sig, 114)), SSH_E_BAD_VALUE);
}

/* Each number of a DSA key replaced by nonsense. */
Test(keykinds, dsa_hostile_numbers)
{
	static const char *const nonsense[] = { "", "01", "02", "03", "ff", "0100000000000000000000000000000000000000ff" };
	struct privkey *k = from_hex(KEY_DSA, dsa_secret);
	uint8_t bytes[64];
	struct pubkey *pub;
	struct buf b;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	for (int part = 0; part < 4; part++)
		for (size_t i = 0; i < 8; i++) {
			struct rd in = rd_view(privkey_blob(k));
			struct wr w = wr_to(&b);

			buf_consume(&b, buf_len(&b));
			wr_view(&w, rd_string(&in, 64));
			for (int n = 0; n < 4; n++) {
				struct view v = rd_mpint(&in, 200);
				uint8_t copy[200];

				memcpy(copy, v.p, v.len);
				if (n == part && i >= 6)
					copy[i == 6 ? v.len - 1 : v.len / 2] ^= 2;
				if (n == part && i < 6)
					wr_mpint(&w, bytes, hex(bytes, nonsense[i]));
				else
					wr_mpint(&w, copy, v.len);
			}
			cr_assert_eq(pubkey_parse(&pub, whole(&b), NULL), SSH_E_BAD_VALUE, "part %d value %zu", part, i);
		}
	privkey_free(k);
	buf_drop(&b);
}

/* The point at infinity does not exist in this encoding; what is off the curve or not below p is refused. */
Test(keykinds, points_of_the_larger_curves)
{
	static const enum key_kind kinds[] = { KEY_P384, KEY_P521 };

	for (size_t i = 0; i < 2; i++) {
		struct privkey *k = any(kinds[i]);
		struct rd in = rd_view(privkey_blob(k));
		uint8_t point[140];
		struct view q;

		rd_string(&in, 64);
		rd_string(&in, 64);
		q = rd_string(&in, 140);
		cr_assert_eq(peer_ec_point(kinds[i], q), SSH_OK);
		cr_assert_eq(peer_ec_point(kinds[!i], q), SSH_E_BAD_VALUE);
		cr_assert_eq(peer_ec_point(KEY_RSA, q), SSH_E_BAD_VALUE);
		for (size_t n = 0; n < q.len; n++) {
			memcpy(point, q.p, q.len);
			point[n] ^= 1;
			cr_assert_eq(peer_ec_point(kinds[i], view_of(point, q.len)), SSH_E_BAD_VALUE, "byte %zu", n);
			cr_assert_eq(peer_ec_point(kinds[i], view_of(q.p, n)), SSH_E_BAD_VALUE);
		}
		memset(point, 0xff, sizeof point);
		point[0] = 4;
		cr_assert_eq(peer_ec_point(kinds[i], view_of(point, q.len)), SSH_E_BAD_VALUE);
		cr_assert_eq(peer_ec_scalar(kinds[i], view_of(point, q.len)), SSH_E_BAD_VALUE);
		memset(point + 1, 0, sizeof point - 1);
		cr_assert_eq(peer_ec_point(kinds[i], view_of(point, q.len)), SSH_E_BAD_VALUE);
		cr_assert_eq(peer_ec_scalar(kinds[i], view_of(point + 1, 20)), SSH_E_BAD_VALUE);
		privkey_free(k);
	}
}

Test(keykinds, completing_refuses_what_is_no_secret)
{
	static const uint8_t zeros[200];
	uint8_t all[66];
	struct buf b;
	struct wr w = wr_to(&b);

	buf_init(&b, SSH_BLOB_MAX, NULL);
	memset(all, 0xff, sizeof all);
	cr_assert_eq(privkey_complete(KEY_ED25519, view_of(zeros, 31), &w), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_complete(KEY_ED448, view_of(zeros, 58), &w), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_complete(KEY_P256, view_of(zeros, 32), &w), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_complete(KEY_P521, view_of(all, 66), &w), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_complete(KEY_DSA, view_of(zeros, 16), &w), SSH_E_BAD_VALUE);
	cr_assert_eq(privkey_complete(KEY_DSA, view_of(zeros, 15), &w), SSH_E_FORMAT);
	cr_assert_eq(privkey_complete(KEY_RSA, view_of(all, 66), &w), SSH_E_BUG);
	cr_assert_eq(privkey_complete(KEY_NONE, view_of(all, 66), &w), SSH_E_BUG);
	buf_drop(&b);
}
