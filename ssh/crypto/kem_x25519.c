#include <sodium.h>

#include "base/err.h"
#include "ssh/crypto/kem.h"
#include "ssh/crypto/peer_input.h"

/* kem_x25519 - curve25519-sha256 (RFC 8731), and half of each hybrid. */

int x25519_pair(const struct kem_rng *rng, uint8_t mine[X25519_LEN], uint8_t pub[X25519_LEN])
{
	rng->fn(rng->ctx, mine, X25519_LEN);
	return crypto_scalarmult_base(pub, mine) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

int x25519_shared(const uint8_t mine[X25519_LEN], struct view peer, uint8_t out[X25519_LEN])
{
	int r;

	TRY(peer_x25519(peer));
	if (crypto_scalarmult(out, mine, peer.p) != 0)
		return SSH_E_BAD_VALUE;
	return peer_x25519_secret(out);
}

static int start(struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len)
{
	s->len = *pub_len = X25519_LEN;
	return x25519_pair(rng, s->v, pub);
}

static int check(const struct kem_secret *s, struct view peer)
{
	(void)s;
	return peer_x25519(peer);
}

/* RFC 8731 3.1: the 32 bytes, read as a big-endian number, as an mpint. */
static int finish(const struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	SECRET shared = { .len = X25519_LEN };
	int r;

	TRY(x25519_shared(s->v, peer, shared.v));
	kem_put_mpint(k, shared.v, X25519_LEN);
	return SSH_OK;
}

const struct kem_ops kem_x25519 = { start, check, NULL, finish };
