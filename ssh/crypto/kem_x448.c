#include <gcrypt.h>

#include "base/err.h"
#include "ssh/crypto/kem.h"
#include "ssh/crypto/peer_input.h"

/* kem_x448 - curve448-sha512 (RFC 8731, 7748). */

#define X448_LEN 56u

/* point NULL: the base point */
static int times(uint8_t out[X448_LEN], const uint8_t scalar[X448_LEN], const uint8_t *point)
{
	return gcry_ecc_mul_point(GCRY_ECC_CURVE448, out, scalar, point) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

static int start(struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len)
{
	s->len = *pub_len = X448_LEN;
	rng->fn(rng->ctx, s->v, s->len);
	s->v[0] &= 252;			/* RFC 7748 5: whatever the library does about it */
	s->v[X448_LEN - 1] |= 128;
	return times(pub, s->v, NULL);
}

static int check(const struct kem_secret *s, struct view peer)
{
	(void)s;
	return peer_x448(peer);
}

static int finish(const struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	SECRET shared = { .len = X448_LEN };
	int r;

	TRY(peer_x448(peer));
	TRY(times(shared.v, s->v, peer.p));
	TRY(peer_x448_secret(shared.v));
	kem_put_mpint(k, shared.v, X448_LEN);
	return SSH_OK;
}

const struct kem_ops kem_x448 = { start, check, NULL, finish };
