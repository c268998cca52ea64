#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/unit/ssh/crypto/hex.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(hash, .init = setup);

static void check(enum hash_id id, const char *text, const char *want)
{
	struct view parts[3] = { view_of(text, 1), view_of(NULL, 0), view_of(text + 1, strlen(text) - 1) };
	struct view whole = view_str(text);
	uint8_t got[SSH_HASH_MAX], expect[SSH_HASH_MAX];
	size_t n = hex(expect, want);

	cr_assert_eq(hash_len(id), n);
	cr_assert_eq(hash_parts(id, &whole, 1, got), SSH_OK);
	cr_assert_arr_eq(got, expect, n);
	cr_assert_eq(hash_parts(id, parts, 3, got), SSH_OK);
	cr_assert_arr_eq(got, expect, n, "cut in parts");
}

/* FIPS 180-2 B.1, C.1 */
Test(hash, known_answers)
{
	check(HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check(HASH_SHA512, "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

Test(hash, of_nothing)
{
	uint8_t got[SSH_HASH_MAX], expect[SSH_HASH_MAX];

	hex(expect, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	cr_assert_eq(hash_parts(HASH_SHA256, NULL, 0, got), SSH_OK);
	cr_assert_arr_eq(got, expect, 32);
	cr_assert_eq(hash_parts(HASH_NONE, NULL, 0, got), SSH_E_CRYPTO);
	cr_assert_eq(hash_len(HASH_NONE), 0);
}
