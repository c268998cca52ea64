#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/unit/ssh/crypto/hex.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(kem, .init = setup);

static void fixed(void *ctx, uint8_t *p, size_t n)
{
	cr_assert_eq(hex(p, ctx), n);
}

/* RFC 7748 6.1 */
static char alice_private[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
static char bob_private[] = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
static const char alice_public[] = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
static const char bob_public[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
static const char shared[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

Test(kem, rfc7748_exchange)
{
	uint8_t a[SSH_KEX_PUBLIC_MAX], b[SSH_KEX_PUBLIC_MAX], want[64];
	struct kem_shared ka, kb;
	struct kem_secret s;
	size_t n;

	cr_assert_eq(kem_start(KEM_X25519, NULL, fixed, alice_private, &s, a, &n), SSH_OK);
	cr_assert_eq(kem_respond(KEM_X25519, NULL, fixed, bob_private, view_of(a, 32), b, &n, &kb), SSH_OK);
	cr_assert_eq(n, 32);
	hex(want, alice_public);
	cr_assert_arr_eq(a, want, 32);
	hex(want, bob_public);
	cr_assert_arr_eq(b, want, 32);
	cr_assert_eq(kem_finish(&s, view_of(b, n), &ka), SSH_OK);
	hex(want, "00000020");		/* RFC 8731 3.1: an mpint, here without a zero in front */
	hex(want + 4, shared);
	cr_assert_eq(ka.len, 36);
	cr_assert_arr_eq(ka.v, want, 36);
	cr_assert_eq(kb.len, 36);
	cr_assert_arr_eq(kb.v, want, 36);
}

static void scalar_times(const char *scalar, const char *u, const char *want)
{
	struct kem_secret s = { .kem = KEM_X25519, .len = 32 };
	uint8_t point[32], expect[32];
	struct kem_shared k;
	struct rd in;
	struct view v;

	hex(s.v, scalar);
	hex(point, u);
	hex(expect, want);
	cr_assert_eq(kem_finish(&s, view_of(point, 32), &k), SSH_OK);
	in = rd_of(k.v, k.len);
	v = rd_mpint(&in, 32);
	cr_assert_eq(rd_done(&in), SSH_OK);
	cr_assert_eq(v.len, 32);
	cr_assert_arr_eq(v.p, expect, 32);
}

/* RFC 7748 5.2; the second u has its top bit set, which must be ignored */
Test(kem, rfc7748_single_steps)
{
	scalar_times("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
	    "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	scalar_times("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
	    "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
	    "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

Test(kem, secret_is_a_canonical_mpint_whatever_its_first_byte)
{
	uint8_t a[SSH_KEX_PUBLIC_MAX], b[SSH_KEX_PUBLIC_MAX];
	int with_pad = 0, shorter = 0;

	for (int i = 0; i < 3000 && !(with_pad && shorter); i++) {
		struct kem_secret s;
		struct kem_shared ka, kb;
		struct rd in;
		size_t n;

		cr_assert_eq(kem_start(KEM_X25519, NULL, crypto_random, NULL, &s, a, &n), SSH_OK);
		cr_assert_eq(kem_respond(KEM_X25519, NULL, crypto_random, NULL, view_of(a, 32), b, &n, &kb), SSH_OK);
		cr_assert_eq(kem_finish(&s, view_of(b, n), &ka), SSH_OK);
		cr_assert_eq(ka.len, kb.len);
		cr_assert_arr_eq(ka.v, kb.v, ka.len);
		in = rd_of(ka.v, ka.len);
		shorter |= rd_mpint(&in, 32).len < 32;
		with_pad |= ka.len == 37;
		cr_assert_eq(rd_done(&in), SSH_OK);
	}
	cr_assert(with_pad && shorter, "both encodings were met");
}

/* RFC 7748 6.1, 7: small order on the curve and its twist, reduced or not, with and without the top bit */
static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

Test(kem, refuses_points_of_small_order)
{
	for (size_t i = 0; i < 2 * sizeof small_order / sizeof small_order[0]; i++) {
		uint8_t point[32], pub[SSH_KEX_PUBLIC_MAX];
		struct kem_shared k;
		struct kem_secret s;
		size_t n;

		hex(point, small_order[i / 2]);
		point[31] |= i % 2 ? 0x80 : 0;
		cr_assert_eq(kem_respond(KEM_X25519, NULL, crypto_random, NULL, view_of(point, 32), pub, &n, &k),
		    SSH_E_BAD_VALUE, "%s", small_order[i / 2]);
		cr_assert_eq(kem_start(KEM_X25519, NULL, crypto_random, NULL, &s, pub, &n), SSH_OK);
		cr_assert_eq(kem_finish(&s, view_of(point, 32), &k), SSH_E_BAD_VALUE);
	}
}

Test(kem, refuses_every_other_length)
{
	uint8_t point[65], pub[SSH_KEX_PUBLIC_MAX];
	struct kem_shared k;
	size_t n;

	memset(point, 9, sizeof point);
	for (size_t len = 0; len <= sizeof point; len++)
		cr_assert_eq(kem_respond(KEM_X25519, NULL, crypto_random, NULL, view_of(point, len), pub, &n, &k),
		    len == 32 ? SSH_OK : SSH_E_BAD_VALUE, "%zu", len);
}

Test(kem, finish_wipes_the_private_half)
{
	static const struct kem_secret gone;
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct kem_secret s;
	struct kem_shared k;
	size_t n;

	cr_assert_eq(kem_start(KEM_X25519, NULL, crypto_random, NULL, &s, pub, &n), SSH_OK);
	cr_assert_eq(kem_finish(&s, view_of(pub, 31), &k), SSH_E_BAD_VALUE);
	cr_assert(memcmp(&s, &gone, sizeof s) == 0);
}
