#include <string.h>

#include "base/err.h"
#include "ssh/crypto/kem.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/peer_input.h"
#include "ssh/crypto/pq.h"

/*
 * kem_hybrid - mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex) and sntrup761x25519-sha512: a post-quantum
 * mechanism and X25519 side by side. The client sends a public key and a point, the server a ciphertext and a point;
 * the secret is a hash of both secrets, and a string: not a number.
 */

static struct view behind(struct view v, size_t n)
{
	return view_of(v.p + n, v.len - n);
}

static int combine(enum hash_id hash, const uint8_t *pq, const uint8_t *x, struct kem_shared *k)
{
	const struct view both[] = { view_of(pq, PQ_SHARED), view_of(x, X25519_LEN) };
	uint8_t out[SSH_HASH_MAX];
	int r = hash_parts(hash, both, 2, out);

	if (r == SSH_OK)
		kem_put_string(k, out, hash_len(hash));
	secret_wipe(out, sizeof out);
	return r;
}

/* The secret: the mechanism's private key, then the scalar. */
static int start(const struct pq *pq, struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len)
{
	int r;

	s->len = pq->private_len + X25519_LEN;
	*pub_len = pq->public_len + X25519_LEN;
	TRY(pq->keygen(rng, pub, s->v));
	return x25519_pair(rng, s->v + pq->private_len, pub + pq->public_len);
}

static int check(const struct pq *pq, struct view peer)
{
	int r;

	if (peer.len != pq->public_len + X25519_LEN)
		return SSH_E_BAD_VALUE;
	TRY(pq->check_key(view_of(peer.p, pq->public_len)));
	return peer_x25519(behind(peer, pq->public_len));
}

static int respond(const struct pq *pq, const struct kem_rng *rng, struct view peer, uint8_t *pub, size_t *pub_len,
    struct kem_shared *k)
{
	struct { uint8_t pq[PQ_SHARED], x[X25519_LEN], mine[X25519_LEN]; } m;
	int r;

	*pub_len = pq->cipher_len + X25519_LEN;
	if ((r = pq->encaps(rng, peer.p, pub, m.pq)) == SSH_OK &&
	    (r = x25519_pair(rng, m.mine, pub + pq->cipher_len)) == SSH_OK &&
	    (r = x25519_shared(m.mine, behind(peer, pq->public_len), m.x)) == SSH_OK)
		r = combine(pq->hash, m.pq, m.x, k);
	secret_wipe(&m, sizeof m);
	return r;
}

static int finish(const struct pq *pq, const struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	struct { uint8_t pq[PQ_SHARED], x[X25519_LEN]; } m;
	int r;

	if (peer.len != pq->cipher_len + X25519_LEN)
		return SSH_E_BAD_VALUE;
	TRY(pq->check_cipher(view_of(peer.p, pq->cipher_len)));
	if ((r = x25519_shared(s->v + pq->private_len, behind(peer, pq->cipher_len), m.x)) == SSH_OK &&
	    (r = pq->decaps(s->v, peer.p, m.pq)) == SSH_OK)
		r = combine(pq->hash, m.pq, m.x, k);
	secret_wipe(&m, sizeof m);
	return r;
}

#define HYBRID(name) \
	static int name##_start(struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len) \
	{ \
		return start(&pq_##name, s, rng, pub, pub_len); \
	} \
	static int name##_check(const struct kem_secret *s, struct view peer) \
	{ \
		(void)s; \
		return check(&pq_##name, peer); \
	} \
	static int name##_respond(const struct kem_rng *rng, struct view peer, uint8_t *pub, size_t *pub_len, \
	    struct kem_shared *k) \
	{ \
		return respond(&pq_##name, rng, peer, pub, pub_len, k); \
	} \
	static int name##_finish(const struct kem_secret *s, struct view peer, struct kem_shared *k) \
	{ \
		return finish(&pq_##name, s, peer, k); \
	} \
	const struct kem_ops kem_##name##_x25519 = { name##_start, name##_check, name##_respond, name##_finish }

HYBRID(mlkem768);
#ifdef COPPICE_GCRY_KEM
HYBRID(sntrup761);
#endif
