#include "ssh/kexinit.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/ssh/pair.h"

static struct kexinit offer(const char *kex, const char *sig, const char *cipher, const char *mac)
{
	struct kexinit k;

	memset(&k, 0, sizeof k);
	k.list[LIST_KEX] = view_str(kex);
	k.list[LIST_HOSTKEY] = view_str(sig);
	k.list[LIST_CIPHER_CS] = k.list[LIST_CIPHER_SC] = view_str(cipher);
	k.list[LIST_MAC_CS] = k.list[LIST_MAC_SC] = view_str(mac);
	k.list[LIST_COMP_CS] = k.list[LIST_COMP_SC] = view_str("zlib@openssh.com,none");
	return k;
}

#define C25519 "curve25519-sha256"
#define LIBSSH "curve25519-sha256@libssh.org"

Test(kexinit, the_clients_order_wins)
{
	struct kexinit c = offer("what," LIBSSH "," C25519, "rsa-sha2-256,ssh-ed25519", "aes256-ctr,aes128-ctr",
	    "hmac-sha2-512,hmac-sha2-256");
	struct kexinit s = offer(C25519 "," LIBSSH, "ssh-ed25519,rsa-sha2-256", "aes128-ctr,aes256-ctr",
	    "hmac-sha2-256,hmac-sha2-512");
	struct kex_choice to;
	const char *why;

	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_OK);
	cr_assert_str_eq(to.kex->name, LIBSSH);
	cr_assert_str_eq(to.sig->name, "rsa-sha2-256");
	cr_assert_str_eq(to.cipher[0]->name, "aes256-ctr");
	cr_assert_str_eq(to.mac[1]->name, "hmac-sha2-512");
}

Test(kexinit, directions_are_apart)
{
	struct kexinit c = offer(C25519, "ssh-ed25519", "aes256-ctr,aes128-gcm@openssh.com", "hmac-sha2-512"), s = c;
	struct kex_choice to;
	const char *why;

	s.list[LIST_CIPHER_SC] = view_str("aes128-gcm@openssh.com");
	s.list[LIST_MAC_SC] = view_str("nothing-we-know");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_OK, "an AEAD needs no MAC");
	cr_assert_str_eq(to.cipher[0]->name, "aes256-ctr");
	cr_assert_str_eq(to.mac[0]->name, "hmac-sha2-512");
	cr_assert_str_eq(to.cipher[1]->name, "aes128-gcm@openssh.com");
	cr_assert_null(to.mac[1]);
}

Test(kexinit, markers_are_no_algorithms)
{
	static const char *const markers[] = { "ext-info-c", "ext-info-s", "kex-strict-c-v00@openssh.com",
	    "kex-strict-s-v00@openssh.com" };
	struct kex_choice to;
	const char *why;

	for (size_t i = 0; i < 4; i++) {
		struct kexinit c = offer(markers[i], "ssh-ed25519", "aes256-ctr", "hmac-sha2-512");

		cr_assert_eq(kexinit_choose(&to, &c, &c, &why), SSH_E_NO_ALG);
		cr_assert_str_eq(why, "no matching key exchange method found");
	}
}

Test(kexinit, what_is_missing_is_named)
{
	struct kexinit s = offer(C25519, "ssh-ed25519", "aes256-ctr", "hmac-sha2-512"), c;
	struct kex_choice to;
	const char *why;

	c = offer("diffie-hellman-group1-sha1", "ssh-ed25519", "aes256-ctr", "hmac-sha2-512");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG);
	cr_assert_str_eq(why, "no matching key exchange method found");
	c = offer(C25519, "ssh-dss", "aes256-ctr", "hmac-sha2-512");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG);
	cr_assert_str_eq(why, "no matching host key type found");
	c = offer(C25519, "ssh-ed25519", "3des-cbc", "hmac-sha2-512");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG);
	cr_assert_str_eq(why, "no matching cipher found");
	c = offer(C25519, "ssh-ed25519", "aes256-ctr", "hmac-md5");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG);
	cr_assert_str_eq(why, "no matching MAC found");
	c = offer(C25519, "ssh-ed25519", "aes256-ctr", "hmac-sha2-512");
	c.list[LIST_COMP_SC] = view_str("zlib");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG);
	cr_assert_str_eq(why, "no matching compression method found");
}

/* RFC 5647 5.1, by the rules of Erlang's manual. */
Test(kexinit, aes_gcm_as_cipher_and_mac)
{
	static const struct { const char *ciphers, *macs, *mine, *my_macs, *cipher, *mac; } rows[] = {
#define A "AEAD_AES_128_GCM"
#define B "AEAD_AES_256_GCM"
		{ A, A, A, A, A, NULL },
		{ A, "hmac-sha2-256", A, "hmac-sha2-256", A, NULL },		/* 1: the cipher takes the MAC along */
		{ A, "hmac-md5", A, "hmac-sha2-256", A, NULL },			/* and nothing in common is enough */
		{ B "," A, A "," B, A "," B, A "," B, B, NULL },		/* 2 before 3 */
		{ "aes128-ctr," A, A, A ",aes128-ctr", A, A, NULL },		/* 3: the MAC takes the cipher along */
		{ "aes128-ctr", B "," A, "aes128-ctr", A "," B, B, NULL },	/* 4, though nobody has it as a cipher */
		{ "3des-cbc", A, "aes128-ctr", A, A, NULL },
		{ "chacha20-poly1305@openssh.com", A, "chacha20-poly1305@openssh.com", A, A, NULL },
		{ "aes256-gcm@openssh.com", A, "aes256-gcm@openssh.com", A, "aes256-gcm@openssh.com", NULL },
		{ "aes128-ctr", "hmac-sha2-256," A, "aes128-ctr", A ",hmac-sha2-256", "aes128-ctr", "hmac-sha2-256" },
		{ "aes128-ctr", A, "aes128-ctr", B, NULL, "no matching MAC found" },
		{ A, A, B, B, NULL, "no matching cipher found" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kexinit c = offer(C25519, "ssh-ed25519", rows[i].ciphers, rows[i].macs);
		struct kexinit s = offer(C25519, "ssh-ed25519", rows[i].mine, rows[i].my_macs);
		struct kex_choice to;
		const char *why;

		if (rows[i].cipher == NULL) {
			cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG, "row %zu", i);
			cr_assert_str_eq(why, rows[i].mac);
			continue;
		}
		cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_OK, "row %zu: %s", i, why);
		for (int d = 0; d < 2; d++) {
			cr_assert_str_eq(to.cipher[d]->name, rows[i].cipher, "row %zu", i);
			cr_assert_eq(to.mac[d], rows[i].mac ? mac_alg_find(view_str(rows[i].mac)) : NULL, "row %zu", i);
		}
#undef A
#undef B
	}
}

Test(kexinit, odd_lists)
{
	static const char *const kex[] = { "", ",", ",,,", "curve25519", "curve25519-sha256 ", "Curve25519-sha256",
	    "curve25519-sha25", "curve25519-sha2566" };
	struct kexinit s = offer(C25519, "ssh-ed25519", "aes256-ctr", "hmac-sha2-512"), c = s;
	struct kex_choice to;
	const char *why;

	for (size_t i = 0; i < sizeof kex / sizeof kex[0]; i++) {
		c.list[LIST_KEX] = view_str(kex[i]);
		cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_E_NO_ALG, "%s", kex[i]);
	}
	c.list[LIST_KEX] = view_str(",,nonsense,," C25519 ",");
	cr_assert_eq(kexinit_choose(&to, &c, &s, &why), SSH_OK);
}

Test(kexinit, guesses)
{
	struct kexinit ours = offer(C25519 "," LIBSSH, "ssh-ed25519,rsa-sha2-256", "", ""), peer = ours;

	cr_assert_not(kexinit_guess_wrong(&peer, &ours), "no guess");
	peer.follows = 1;
	cr_assert_not(kexinit_guess_wrong(&peer, &ours));
	peer.list[LIST_KEX] = view_str(LIBSSH "," C25519);
	cr_assert(kexinit_guess_wrong(&peer, &ours), "both know it, but it is not the first");
	peer.list[LIST_KEX] = ours.list[LIST_KEX];
	peer.list[LIST_HOSTKEY] = view_str("rsa-sha2-256");
	cr_assert(kexinit_guess_wrong(&peer, &ours));
}

/* ---- the message ------------------------------------------------------------------------- */

static void written(struct buf *b, enum ssh_role role, int first, enum key_kind more)
{
	struct pair p;
	struct wr w;

	pair_init(&p);
	if (more)
		pair_hostkey(&p, more);
	cr_assert_eq(pair_start(&p), SSH_OK);
	buf_init(b, 1 << 20, NULL);
	w = wr_to(b);
	cr_assert_eq(kexinit_write(p.side[role], &w, first), SSH_OK);
	pair_free(&p);
}

static struct kexinit parsed(const struct buf *b)
{
	struct kexinit k;

	cr_assert_eq(kexinit_parse(&k, view_of(buf_head(b), buf_len(b))), SSH_OK);
	return k;
}

Test(kexinit, markers_only_in_the_first)
{
	static const char *const names[2][2] = { { "ext-info-s", "kex-strict-s-v00@openssh.com" },
	    { "ext-info-c", "kex-strict-c-v00@openssh.com" } };

	for (int role = 0; role < 2; role++)
		for (int first = 0; first < 2; first++) {
			struct buf b;
			struct kexinit k;

			written(&b, (enum ssh_role)role, first, KEY_NONE);
			k = parsed(&b);
			for (int i = 0; i < 2; i++) {
				cr_assert_eq(kexinit_has(k.list[LIST_KEX], names[role][i]), first);
				cr_assert_not(kexinit_has(k.list[LIST_KEX], names[!role][i]));
			}
			cr_assert(kexinit_has(k.list[LIST_KEX], C25519));
			cr_assert_not(k.follows);
			buf_drop(&b);
		}
}

Test(kexinit, server_offers_the_keys_it_has)
{
	struct buf b;

	written(&b, SSH_SERVER, 1, KEY_NONE);
	cr_assert(view_is(parsed(&b).list[LIST_HOSTKEY], "ssh-ed25519"));
	buf_drop(&b);
	written(&b, SSH_SERVER, 1, KEY_RSA);
	cr_assert(view_is(parsed(&b).list[LIST_HOSTKEY], "ssh-ed25519,rsa-sha2-512,rsa-sha2-256"));
	buf_drop(&b);
	written(&b, SSH_CLIENT, 1, KEY_NONE);
	cr_assert(view_is(parsed(&b).list[LIST_HOSTKEY], alg_defaults(ALG_SIG)));
	buf_drop(&b);
}

Test(kexinit, every_truncation_is_an_error)
{
	struct kexinit k;
	struct buf b;

	written(&b, SSH_SERVER, 1, KEY_NONE);
	for (size_t n = 0; n < buf_len(&b); n++)
		cr_assert_eq(kexinit_parse(&k, view_of(buf_head(&b), n)), SSH_E_FORMAT);
	cr_assert_eq(buf_append(&b, "x", 1), SSH_OK);
	cr_assert_eq(kexinit_parse(&k, view_of(buf_head(&b), buf_len(&b))), SSH_E_FORMAT, "a byte too many");
	buf_drop(&b);
}

Test(kexinit, too_big)
{
	static char names[SSH_KEXINIT_MAX];
	struct pair p;
	struct buf b;

	memset(names, 'a', sizeof names - 1);
	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	pair_feed(&p, SSH_SERVER, "SSH-2.0-x\r\n", 11);
	buf_init(&b, 1 << 20, NULL);
	raw_kexinit(&b, names, "ssh-ed25519", 0);
	raw_feed(&p, SSH_SERVER, &b);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_E_TOO_BIG);
	pair_free(&p);
}
