#include "ssh/crypto/crypto.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/peer_input.h"

#define X25519_LEN 32u

size_t kem_public_len(enum kem_id kem, int initiator)
{
	(void)initiator;
	switch (kem) {
	case KEM_X25519:
		return X25519_LEN;
	}
	return 0;
}

/* RFC 8731 3.1: the 32 bytes, read as a big-endian number, as an mpint. */
static void encode_mpint(struct secret *k, const uint8_t *v, size_t n)
{
	size_t pad;

	while (n > 0 && *v == 0)
		v++, n--;
	pad = n > 0 && (*v & 0x80);
	put_u32(k->v, (uint32_t)(n + pad));
	k->v[4] = 0;
	memcpy(k->v + 4 + pad, v, n);
	k->len = 4 + pad + n;
}

static int x25519_agree(const uint8_t mine[X25519_LEN], struct view peer, struct secret *k)
{
	SECRET shared = { .len = X25519_LEN };
	int r;

	TRY(peer_x25519(peer));
	if (crypto_scalarmult(shared.v, mine, peer.p) != 0)
		return SSH_E_BAD_VALUE;
	TRY(peer_x25519_secret(shared.v));
	encode_mpint(k, shared.v, X25519_LEN);
	return SSH_OK;
}

int kem_start(enum kem_id kem, random_fn *random, void *ctx, struct kem_secret *s, uint8_t pub[SSH_KEX_PUBLIC_MAX])
{
	if (kem != KEM_X25519)
		return SSH_E_BUG;
	s->kem = kem;
	s->len = X25519_LEN;
	random(ctx, s->v, s->len);
	if (crypto_scalarmult_base(pub, s->v) != 0)
		return SSH_E_CRYPTO;
	return SSH_OK;
}

int kem_respond(enum kem_id kem, random_fn *random, void *ctx, struct view peer,
    uint8_t pub[SSH_KEX_PUBLIC_MAX], size_t *pub_len, struct secret *k_hash_input)
{
	SECRET mine = { .len = X25519_LEN };
	int r;

	if (kem != KEM_X25519)
		return SSH_E_BUG;
	TRY(peer_x25519(peer));		/* before any work is done for the peer */
	random(ctx, mine.v, mine.len);
	if (crypto_scalarmult_base(pub, mine.v) != 0)
		return SSH_E_CRYPTO;
	*pub_len = X25519_LEN;
	return x25519_agree(mine.v, peer, k_hash_input);
}

int kem_finish(struct kem_secret *s, struct view peer, struct secret *k_hash_input)
{
	int r = SSH_E_BUG;

	if (s->kem == KEM_X25519 && s->len == X25519_LEN)
		r = x25519_agree(s->v, peer, k_hash_input);
	secret_wipe(s, sizeof *s);
	return r;
}
