#include <string.h>

#include "base/err.h"
#include "ssh/crypto/dh_comb.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/kem.h"
#include "ssh/crypto/peer_input.h"

/* kem_dh - Diffie-Hellman in groups of integers (RFC 4253 8, 8268, 4419); every group is a safe prime's. */

#define DH_LEN_MAX (SSH_DH_BITS_MAX / 8)

/*
 * Bytes of an exponent: twice the strength of a safe prime of so many bits (RFC 7919 5.2 and appendix A, SP 800-56A table 25).
 * More bits cost time in proportion and make nothing stronger: the group itself is the easier target.
 */
static size_t exponent_len(const struct dh_group *group)
{
	static const struct { size_t bits, len; } rows[] = { { 2048, 29 }, { 3072, 35 }, { 4096, 41 }, { 6144, 47 } };
	size_t bits = peer_bits(group->p);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (bits <= rows[i].bits)
			return rows[i].len;
	return 50;
}

int dh_group_check(const struct dh_group *group, uint32_t min, uint32_t max)
{
	size_t bits = peer_bits(group->p);

	return bits >= min && bits <= max ? peer_dh_group(group->p, group->g) : SSH_E_BAD_VALUE;
}

void dh_prepare(enum kem_id kem)
{
	const struct dh_group *group = dh_group_of(kem);

	if (group != NULL)
		(void)dh_comb_prepare(group, exponent_len(group));	/* without, it only takes longer */
}

/* out = base^x mod p, p.len bytes */
static int power(const struct kem_secret *s, struct view base, uint8_t *out)
{
	gcry_mpi_t p = NULL, b = NULL, x = NULL, v = gcry_mpi_new(SSH_DH_BITS_MAX);
	int r = SSH_E_CRYPTO;

	if (gcry_number(&p, s->group->p) == SSH_OK && gcry_number(&b, base) == SSH_OK &&
	    gcry_number(&x, view_of(s->v, s->len)) == SSH_OK) {
		gcry_mpi_set_flag(x, GCRYMPI_FLAG_SECURE);
		gcry_mpi_powm(v, b, x, p);
		r = gcry_bytes(out, s->group->p.len, v);
	}
	gcry_mpi_release(p);
	gcry_mpi_release(b);
	gcry_mpi_release(x);
	gcry_mpi_release(v);
	return r;
}

static int start(struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len)
{
	struct kem_shared e = { .len = 0 };
	uint8_t v[DH_LEN_MAX];
	int r;

	if (s->group->p.len > DH_LEN_MAX)
		return SSH_E_BUG;
	s->len = exponent_len(s->group);
	rng->fn(rng->ctx, s->v, s->len);
	s->v[0] |= 0x80;		/* all as long, and never 0 */
	if ((r = dh_comb_power(s->group, s->v, s->len, v)) == SSH_E_NOT_NOW)
		r = power(s, s->group->g, v);
	if (r < 0)
		return r;
	kem_put_mpint(&e, v, s->group->p.len);
	*pub_len = e.len - 4;
	memcpy(pub, e.v + 4, *pub_len);
	return SSH_OK;
}

static int check(const struct kem_secret *s, struct view peer)
{
	return peer_dh_value(s->group->p, peer);
}

static int finish(const struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	uint8_t v[DH_LEN_MAX];
	int r;

	TRY(check(s, peer));
	if ((r = power(s, peer, v)) == SSH_OK) {
		kem_put_mpint(k, v, s->group->p.len);
		/* 1 or p - 1 where the group is not what it says: the peer knew it beforehand */
		r = peer_dh_value(s->group->p, view_of(k->v + 4, k->len - 4));
	}
	secret_wipe(v, sizeof v);
	return r;
}

const struct kem_ops kem_dh = { start, check, NULL, finish };
