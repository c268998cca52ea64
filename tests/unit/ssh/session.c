#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ssh/session.h"
#include "tests/unit/ssh/pair.h"

/* session - whole conversations of a client and a server in memory. */

Test(session, login_with_the_defaults)
{
	struct pair p;
	struct ssh_info i;

	pair_init(&p);
	pair_login(&p);
	ssh_get_info(p.side[SSH_SERVER], &i);
	cr_assert_str_eq(i.kex, "mlkem768x25519-sha256");
	cr_assert_str_eq(i.hostkey, "ssh-ed25519");
	cr_assert_str_eq(i.cipher[0], "chacha20-poly1305@openssh.com");
	cr_assert(i.strict && i.open);
	cr_assert_eq(p.kex_done[0], 1u);
	cr_assert_eq(p.kex_done[1], 1u);
	cr_assert_eq(p.signs, 1u);
	cr_assert(view_same(ssh_session_id(p.side[0]), ssh_session_id(p.side[1])));
	cr_assert_eq(ssh_session_id(p.side[0]).len, 32u);
	pair_channel(&p);
	pair_send(&p, SSH_CLIENT, (const uint8_t *)"hello", 5);
	pair_send(&p, SSH_SERVER, (const uint8_t *)"world", 5);
	pair_free(&p);
}

/* ---- every kex, host key, cipher and MAC of the table --------------------------------------- */

static void one_suite(struct privkey *key, const char *kex, const char *sig, const char *cipher, const char *mac)
{
	static uint8_t data[70000];
	struct pair p;
	struct ssh_info i;

	pair_init(&p);
	privkey_free(p.hostkeys[0]);
	p.hostkeys[0] = key;
	for (int side = 0; side < 2; side++) {
		p.policy[side].kex = kex;
		p.policy[side].hostkey = sig;
		for (int d = 0; d < 2; d++) {
			p.policy[side].ciphers[d] = cipher;
			p.policy[side].macs[d] = mac;
		}
	}
	pair_login(&p);
	ssh_get_info(p.side[SSH_CLIENT], &i);
	cr_assert_str_eq(i.kex, kex);
	cr_assert_str_eq(i.hostkey, sig);
	cr_assert_str_eq(i.cipher[0], cipher);
	cr_assert_str_eq(i.cipher[1], cipher);
	cr_assert_str_eq(i.mac[0], cipher_alg_find(view_str(cipher))->tag_len ? "<implicit>" : mac);
	pair_channel(&p);
	pair_random(&(uint64_t){ 1 }, data, sizeof data);
	pair_send(&p, SSH_CLIENT, data, sizeof data);
	cr_assert_eq(ssh_rekey(p.side[SSH_SERVER]), SSH_OK);
	pair_send(&p, SSH_SERVER, data, sizeof data);
	cr_assert_eq(p.kex_done[SSH_CLIENT], 2u);
	p.hostkey_count = 0;		/* the key is the caller's */
	pair_free(&p);
}

Test(session, every_suite)
{
	struct privkey *keys[KEY_KINDS] = { NULL };
	const char *kex, *sig, *cipher, *mac;
	unsigned suites = 0;
	int on;

	pair_crypto();
	for (enum key_kind k = KEY_ED25519; k < KEY_DSA; k++)
		cr_assert_eq(privkey_generate(&keys[k], k, k == KEY_RSA ? 2048 : 0), SSH_OK);
	for (size_t a = 0; (kex = alg_name(ALG_KEX, a, &on)) != NULL; a++)
		for (size_t b = 0; (sig = alg_name(ALG_SIG, b, &on)) != NULL; b++)
			for (size_t c = 0; (cipher = alg_name(ALG_CIPHER, c, &on)) != NULL; c++)
				for (size_t d = 0; (mac = alg_name(ALG_MAC, d, &on)) != NULL; d++) {
					enum key_kind kind = sig_alg_find(view_str(sig))->kind;

					if (keys[kind] == NULL)
						continue;	/* DSA: no such key is made */
					if (d > 0 && cipher_alg_find(view_str(cipher))->tag_len > 0)
						continue;	/* an AEAD has no MAC to vary */
					if (mac_alg_find(view_str(mac))->hash == HASH_NONE)
						continue;	/* the cipher's name */
					if (c + d > 0 && (kex_alg_find(view_str(kex))->kem != KEM_X25519 || kind != KEY_ED25519))
						continue;	/* whoever made the keys: the shortest exchange with all of them */
					one_suite(keys[kind], kex, sig, cipher, mac);
					suites++;
				}
	cr_assert_geq(suites, 2u * (5 + 7 * 8) + 7 * 10);
	for (enum key_kind k = KEY_ED25519; k < KEY_DSA; k++)
		privkey_free(keys[k]);
}
