#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <string.h>

Test(alg, finds_rows_by_exact_name_only)
{
	const struct cipher_alg *c = cipher_alg_find(view_str("aes256-gcm@openssh.com"));

	cr_assert_not_null(c);
	cr_assert_eq(c->key_len, 32);
	cr_assert_eq(c->mode, MODE_GCM);
	cr_assert_eq(c, cipher_alg_find(view_str("aes256-gcm@openssh.com")), "rows are compared as pointers");
	cr_assert_null(cipher_alg_find(view_str("aes256-gcm@openssh.co")));
	cr_assert_null(cipher_alg_find(view_str("aes256-gcm@openssh.com2")));
	cr_assert_null(cipher_alg_find(view_str("AES256-GCM@openssh.com")));
	cr_assert_null(cipher_alg_find(view_str("")));
	cr_assert_null(cipher_alg_find(view_of("aes256-ctr\0", 11)));
	cr_assert_eq(kex_alg_find(view_str("curve25519-sha256"))->hash, HASH_SHA256);
	cr_assert_eq(mac_alg_find(view_str("hmac-sha2-512-etm@openssh.com"))->etm, 1);
	cr_assert(comp_alg_known(view_str("none")));
	cr_assert(!comp_alg_known(view_str("zlib")));
}

Test(alg, old_algorithms_do_not_exist)
{
	static const char *gone[] = { "ssh-rsa", "ssh-dss", "rsa-sha2-1" };

	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		cr_assert_null(sig_alg_find(view_str(gone[i])), "%s", gone[i]);
	cr_assert_null(cipher_alg_find(view_str("aes128-cbc")));
	cr_assert_null(mac_alg_find(view_str("hmac-sha1")));
	cr_assert_null(kex_alg_find(view_str("gss-gex-sha1-")));
}

Test(alg, defaults_are_the_default_rows_in_order)
{
#ifdef COPPICE_GCRY_KEM
#define SNTRUP "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"
#else
#define SNTRUP ""
#endif
	cr_assert_str_eq(alg_defaults(ALG_KEX), "mlkem768x25519-sha256," SNTRUP "curve25519-sha256,curve25519-sha256@libssh.org,"
	    "curve448-sha512,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,"
	    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256");
	cr_assert_str_eq(alg_defaults(ALG_SIG), "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256");
	cr_assert_str_eq(alg_defaults(ALG_CIPHER), "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,"
	    "aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr");
	cr_assert_str_eq(alg_defaults(ALG_MAC), "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	    "hmac-sha2-256,hmac-sha2-512");
	cr_assert_str_eq(alg_defaults(ALG_COMP), "none");
}

Test(alg, sha1_exchanges_are_known_and_off)
{
	static const char *const off[] = { "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1",
	    "diffie-hellman-group-exchange-sha1" };

	for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
		cr_assert_not_null(kex_alg_find(view_str(off[i])), "%s", off[i]);
		cr_assert_eq(kex_alg_find(view_str(off[i]))->is_default, 0);
		cr_assert_eq(kex_alg_find(view_str(off[i]))->hash, HASH_SHA1);
	}
}

Test(alg, every_name_is_found_again)
{
	const char *name;

	for (enum alg_kind k = ALG_KEX; k <= ALG_COMP; k++)
		for (size_t i = 0; (name = alg_name(k, i, NULL)) != NULL; i++) {
			struct view v = view_str(name);

			cr_assert_leq(v.len, SSH_ALG_NAME_MAX);
			cr_assert(k == ALG_KEX ? kex_alg_find(v) != NULL : k == ALG_SIG ? sig_alg_find(v) != NULL :
			    k == ALG_CIPHER ? cipher_alg_find(v) != NULL : k == ALG_MAC ? mac_alg_find(v) != NULL :
			    comp_alg_known(v), "%s", name);
		}
}
