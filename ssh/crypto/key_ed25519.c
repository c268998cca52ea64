#include <sodium.h>

#include "base/err.h"
#include "ssh/crypto/key.h"
#include "ssh/crypto/kind.h"
#include "ssh/crypto/peer_input.h"

/* key_ed25519 - ssh-ed25519 (RFC 8709), by libsodium. */

static int parse(struct pubkey **res, enum key_kind kind, struct rd *in, const struct mem *mem)
{
	struct view key = rd_string(in, SSH_BLOB_MAX);
	int r;

	TRY(rd_done(in));
	TRY(peer_ed25519_key(key));
	return pubkey_make(res, kind, key, mem);
}

/* RFC 8709 6 */
static enum verdict verify(const struct pubkey *k, const struct sig_alg *row, struct view data, struct view sig)
{
	(void)row;
	if (peer_ed25519_sig(sig) < 0)
		return VERIFY_REJECT;
	return crypto_sign_verify_detached(sig.p, data.p, data.len, k->v) == 0 ? VERIFY_ACCEPT : VERIFY_REJECT;
}

static int complete(struct wr *w, enum key_kind kind, struct view seed)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES], pk[crypto_sign_PUBLICKEYBYTES];

	(void)kind;
	if (seed.len != crypto_sign_SEEDBYTES)
		return SSH_E_BAD_VALUE;
	crypto_sign_seed_keypair(pk, sk, seed.p);
	wr_string(w, pk, sizeof pk);
	wr_string(w, sk, sizeof sk);
	secret_wipe(sk, sizeof sk);
	return wr_done(w);
}

/* PROTOCOL.key, RFC 8709: the public key, then seed and public key again */
static int read(struct privkey *k, struct rd *in)
{
	struct view pk = rd_string(in, 32), sk = rd_string(in, 64);
	struct wr w = wr_to(&k->blob);
	uint8_t derived[crypto_sign_PUBLICKEYBYTES];

	if (in->bad || pk.len != 32 || sk.len != 64)
		return SSH_E_FORMAT;
	crypto_sign_seed_keypair(derived, k->ed25519, sk.p);
	if (!secret_equal(derived, pk.p, 32) || !secret_equal(derived, sk.p + 32, 32))
		return SSH_E_BAD_VALUE;		/* signing with a foreign public key gives the seed away */
	wr_cstr(&w, key_kind_name(k->kind));
	wr_view(&w, pk);
	return privkey_set_public(k, &w);
}

static int sign(const struct privkey *k, const struct sig_alg *row, struct view data, struct wr *w)
{
	uint8_t sig[crypto_sign_BYTES];

	(void)row;
	if (crypto_sign_detached(sig, NULL, data.p, data.len, k->ed25519) != 0)
		return SSH_E_CRYPTO;
	wr_string(w, sig, sizeof sig);
	return wr_done(w);
}

const struct key_ops key_ed25519 = { parse, verify, NULL, complete, read, sign, crypto_sign_SEEDBYTES };
