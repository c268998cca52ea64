#include "ssh/crypto/peer_input.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "tests/unit/ssh/crypto/hex.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(peer_input, .init = setup);

static int check(int (*f)(struct view), const char *text)
{
	uint8_t v[256];

	return f(view_of(v, hex(v, text)));
}

static int p256_point(struct view v)
{
	return peer_ec_point(KEY_P256, v);
}

static int p256_scalar(struct view v)
{
	return peer_ec_scalar(KEY_P256, v);
}

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"	/* 31 bytes */

Test(peer_input, ed25519_keys_that_prove_nothing)
{
	static const char *const bad[] = {
		"00" ZEROS, ZEROS "80", "01" ZEROS, "0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		/* y >= p: the same points, and others, under a second spelling */
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(check(peer_ed25519_key, bad[i]), SSH_E_BAD_VALUE, "%s", bad[i]);
	cr_assert_eq(check(peer_ed25519_key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), SSH_OK);
	cr_assert_eq(check(peer_ed25519_key, "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), SSH_OK,
	    "p - 2 is a number like others");
	cr_assert_eq(check(peer_ed25519_key, "d75a"), SSH_E_BAD_VALUE);
	cr_assert_eq(peer_ed25519_key(view_of(NULL, 0)), SSH_E_BAD_VALUE);
}

Test(peer_input, ed25519_s_below_the_order)
{
	static const char below[] = "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
	static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
	static const char above[] = "00000000000000000000000000000000000000000000000000000000000000f0";
	uint8_t sig[65] = { 0 };

	hex(sig + 32, below);
	cr_assert_eq(peer_ed25519_sig(view_of(sig, 64)), SSH_OK);
	cr_assert_eq(peer_ed25519_sig(view_of(sig, 63)), SSH_E_BAD_VALUE);
	cr_assert_eq(peer_ed25519_sig(view_of(sig, 65)), SSH_E_BAD_VALUE);
	hex(sig + 32, order);
	cr_assert_eq(peer_ed25519_sig(view_of(sig, 64)), SSH_E_BAD_VALUE);
	hex(sig + 32, above);
	cr_assert_eq(peer_ed25519_sig(view_of(sig, 64)), SSH_E_BAD_VALUE);
}

#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define Y5 "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc"
#define Y0 "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"
#define P256_P "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
#define P256_N "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

Test(peer_input, p256_points)
{
	static const char *const bad[] = {
		"", "00", "04", "02" GX, "03" GX,				/* infinity, compressed */
		"05" GX GY, "00" GX GY, "06" GX GY, "07" GX GY,
		"04" GX GX, "04" GY GX, "04" GX "00" ZEROS,			/* off the curve */
		"04" "00" ZEROS "00" ZEROS,
		"04" P256_P GY, "04" GX P256_P, "04" P256_P P256_P,
		"04" "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" GY,
		"04" GX GY "00", "04" "00" GX GY,
		"0400" GX "00" GY,
	};
	static const char minus_gy[] = "b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a";
	char text[200];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(check(p256_point, bad[i]), SSH_E_BAD_VALUE, "%s", bad[i]);
	cr_assert_eq(check(p256_point, "04" GX GY), SSH_OK);
	snprintf(text, sizeof text, "04" GX "%s", minus_gy);
	cr_assert_eq(check(p256_point, text), SSH_OK);
	/* x = 5 is on the curve; 5 + p is the same residue in a second spelling */
	cr_assert_eq(check(p256_point, "04" ZEROS "05" Y5), SSH_OK);
	cr_assert_eq(check(p256_point, "04" "ffffffff00000001000000000000000000000001000000000000000000000004" Y5),
	    SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_point, "04" "00" ZEROS Y0), SSH_OK);
	cr_assert_eq(check(p256_point, "04" P256_P Y0), SSH_E_BAD_VALUE);
}

Test(peer_input, p256_flipped_points_are_off_the_curve)
{
	uint8_t v[65];
	size_t n = hex(v, "04" GX GY);

	for (size_t i = 1; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			v[i] ^= (uint8_t)(1 << bit);
			cr_assert_eq(p256_point(view_of(v, n)), SSH_E_BAD_VALUE);
			v[i] ^= (uint8_t)(1 << bit);
		}
}

Test(peer_input, p256_scalars)
{
	cr_assert_eq(check(p256_scalar, ""), SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_scalar, "00"), SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_scalar, "01"), SSH_OK);
	cr_assert_eq(check(p256_scalar, "0000000001"), SSH_OK);
	cr_assert_eq(check(p256_scalar, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"), SSH_OK);
	cr_assert_eq(check(p256_scalar, P256_N), SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_scalar, P256_P), SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_scalar, "01" P256_N), SSH_E_BAD_VALUE);
	cr_assert_eq(check(p256_scalar, "01" "00" ZEROS), SSH_E_BAD_VALUE);
}

static int rsa(size_t n_len, uint8_t top, uint8_t low, const char *e)
{
	static uint8_t n[4096];
	uint8_t ev[64];

	memset(n, 0x55, sizeof n);
	n[0] = top;
	n[n_len - 1] = low;
	return peer_rsa_key(view_of(n, n_len), view_of(ev, hex(ev, e)));
}

Test(peer_input, rsa_keys)
{
	cr_assert_eq(rsa(256, 0x80, 1, "010001"), SSH_OK);
	cr_assert_eq(rsa(256, 0x7f, 1, "010001"), SSH_E_BAD_VALUE, "2047 bits");
	cr_assert_eq(rsa(128, 0x80, 1, "010001"), SSH_E_BAD_VALUE, "1024 bits");
	cr_assert_eq(rsa(2048, 0xff, 1, "010001"), SSH_OK);
	cr_assert_eq(rsa(2049, 0x01, 1, "010001"), SSH_E_BAD_VALUE, "16385 bits");
	cr_assert_eq(rsa(256, 0x80, 2, "010001"), SSH_E_BAD_VALUE, "even modulus");
	cr_assert_eq(rsa(256, 0x80, 0, "010001"), SSH_E_BAD_VALUE, "even modulus");
	cr_assert_eq(rsa(256, 0x80, 1, "03"), SSH_OK);
	cr_assert_eq(rsa(256, 0x80, 1, "01"), SSH_E_BAD_VALUE);
	cr_assert_eq(rsa(256, 0x80, 1, "00"), SSH_E_BAD_VALUE);
	cr_assert_eq(rsa(256, 0x80, 1, ""), SSH_E_BAD_VALUE);
	cr_assert_eq(rsa(256, 0x80, 1, "010000"), SSH_E_BAD_VALUE, "even exponent");
	cr_assert_eq(rsa(256, 0x80, 1, "ffffffff"), SSH_OK);
	cr_assert_eq(rsa(256, 0x80, 1, "0100000001"), SSH_E_BAD_VALUE, "33 bits");
	cr_assert_eq(peer_rsa_key(view_of(NULL, 0), view_of("\x03", 1)), SSH_E_BAD_VALUE);
}

Test(peer_input, rsa_signatures)
{
	uint8_t n[256], sig[257] = { 0 };
	struct view nv = view_of(n, sizeof n);

	memset(n, 0xc1, sizeof n);
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 256)), SSH_E_BAD_VALUE, "zero");
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 0)), SSH_E_BAD_VALUE);
	memcpy(sig, n, sizeof n);
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 256)), SSH_E_BAD_VALUE, "n");
	sig[255]--;
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 256)), SSH_OK, "n - 1");
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 255)), SSH_OK, "shorter");
	memset(sig, 0, sizeof sig);
	sig[256] = 1;
	cr_assert_eq(peer_rsa_sig(nv, view_of(sig, 257)), SSH_E_BAD_VALUE, "longer, though a small number");
}

Test(peer_input, bits)
{
	cr_assert_eq(peer_bits(view_of(NULL, 0)), 0);
	cr_assert_eq(peer_bits(view_of("\0\0", 2)), 0);
	cr_assert_eq(peer_bits(view_of("\0\1", 2)), 1);
	cr_assert_eq(peer_bits(view_of("\x80\0", 2)), 16);
}
