#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <stdio.h>
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
	cr_assert_not_null(comp_alg_find(view_str("none")));
	cr_assert_null(comp_alg_find(view_str("zlib@")));
}

Test(alg, old_algorithms_are_off)
{
	static const char *const off[] = { "ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com" };

	for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
		const struct sig_alg *row = sig_alg_find(view_str(off[i]));

		cr_assert_not_null(row, "%s", off[i]);
		cr_assert_eq(row->is_default, 0);
		cr_assert_eq(row->hash, HASH_SHA1);
	}
	cr_assert_null(sig_alg_find(view_str("rsa-sha2-1")));
	cr_assert_null(cipher_alg_find(view_str("blowfish-cbc")));
	cr_assert_null(mac_alg_find(view_str("hmac-md5")));
	cr_assert_null(kex_alg_find(view_str("gss-gex-sha1-")));
}

Test(alg, old_ciphers_and_macs_are_off)
{
	static const char *const ciphers[] = { "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM" };
	static const char *const macs[] = { "hmac-sha1", "hmac-sha1-96", "hmac-sha1-etm@openssh.com", "hmac-sha1-96-etm@openssh.com",
	    "AEAD_AES_128_GCM", "AEAD_AES_256_GCM" };

	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
		cr_assert_eq(cipher_alg_find(view_str(ciphers[i]))->is_default, 0, "%s", ciphers[i]);
	for (size_t i = 0; i < sizeof macs / sizeof macs[0]; i++)
		cr_assert_eq(mac_alg_find(view_str(macs[i]))->is_default, 0, "%s", macs[i]);
}

/* A MAC row without a hash is an AEAD cipher's name, and no other is. */
Test(alg, macs_that_are_ciphers)
{
	const char *name;
	unsigned n = 0;

	for (size_t i = 0; (name = alg_name(ALG_MAC, i, NULL)) != NULL; i++) {
		const struct cipher_alg *cipher = cipher_alg_find(view_str(name));

		cr_assert_eq(mac_alg_find(view_str(name))->hash == HASH_NONE, cipher != NULL, "%s", name);
		if (cipher == NULL)
			continue;
		cr_assert_gt(cipher->tag_len, 0u);
		cr_assert_eq(mac_alg_find(view_str(name))->mac_len, cipher->tag_len);
		n++;
	}
	cr_assert_eq(n, 2u);
}

/* Negotiated name, blob name and signature name are one row's: no two rows may contradict each other. */
Test(alg, signature_rows_agree)
{
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_HOSTKEY, i, NULL)) != NULL; i++) {
		const struct sig_alg *row = sig_alg_find(view_str(name)), *plain = sig_alg_find(view_str(row->sig_name));

		cr_assert_not_null(plain, "%s", name);
		cr_assert_not(plain->cert);
		cr_assert_str_eq(plain->sig_name, plain->name);
		cr_assert_eq(plain->kind, row->kind);
		cr_assert_eq(plain->hash, row->hash);
		cr_assert_eq(plain->is_default, row->is_default);
		if (row->cert) {
			char cert[SSH_ALG_NAME_MAX];

			snprintf(cert, sizeof cert, "%s-cert-v01@openssh.com", plain->key_name);
			cr_assert_str_eq(row->key_name, cert);
			snprintf(cert, sizeof cert, "%s-cert-v01@openssh.com", plain->name);
			cr_assert_str_eq(row->name, cert);
		}
	}
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
	cr_assert_str_eq(alg_defaults(ALG_SIG), "ssh-ed25519,ssh-ed448,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
	    "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256");
	cr_assert_str_eq(alg_defaults(ALG_HOSTKEY), "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
	    "ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"
	    "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"
	    "ssh-ed25519,ssh-ed448,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256");
	cr_assert_str_eq(alg_defaults(ALG_CIPHER), "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,"
	    "aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr");
	cr_assert_str_eq(alg_defaults(ALG_MAC), "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	    "hmac-sha2-256,hmac-sha2-512");
	cr_assert_str_eq(alg_defaults(ALG_COMP), "none,zlib@openssh.com");
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

	for (enum alg_kind k = ALG_KEX; k <= ALG_HOSTKEY; k++)
		for (size_t i = 0; (name = alg_name(k, i, NULL)) != NULL; i++) {
			struct view v = view_str(name);

			cr_assert_leq(v.len, SSH_ALG_NAME_MAX);
			cr_assert(k == ALG_KEX ? kex_alg_find(v) != NULL : k == ALG_SIG || k == ALG_HOSTKEY ? sig_alg_find(v) != NULL :
			    k == ALG_CIPHER ? cipher_alg_find(v) != NULL : k == ALG_MAC ? mac_alg_find(v) != NULL :
			    comp_alg_find(v) != NULL, "%s", name);
		}
}
