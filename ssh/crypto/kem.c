#include "ssh/crypto/kem.h"

#include <string.h>

#include "base/err.h"

static const struct kem_ops *const kems[KEM_MAX] = {
	[KEM_X25519] = &kem_x25519,
	[KEM_X448] = &kem_x448,
	[KEM_P256] = &kem_ecdh,
	[KEM_P384] = &kem_ecdh,
	[KEM_P521] = &kem_ecdh,
	[KEM_DH1] = &kem_dh,
	[KEM_DH14] = &kem_dh,
	[KEM_DH16] = &kem_dh,
	[KEM_DH18] = &kem_dh,
	[KEM_DH_GEX] = &kem_dh,
	[KEM_MLKEM768_X25519] = &kem_mlkem768_x25519,
#ifdef COPPICE_GCRY_KEM
	[KEM_SNTRUP761_X25519] = &kem_sntrup761_x25519,
#endif
};

/* ---- the secret's two spellings ---------------------------------------------------------- */

void kem_put_mpint(struct kem_shared *k, const uint8_t *v, size_t n)
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

void kem_put_string(struct kem_shared *k, const uint8_t *v, size_t n)
{
	put_u32(k->v, (uint32_t)n);
	memcpy(k->v + 4, v, n);
	k->len = 4 + n;
}

/* ---- the three steps ---------------------------------------------------------------------- */

static const struct kem_ops *ops_of(enum kem_id kem)
{
	return (unsigned)kem < KEM_MAX ? kems[kem] : NULL;
}

static void begin(struct kem_secret *s, enum kem_id kem, const struct dh_group *group)
{
	memset(s, 0, sizeof *s);
	s->kem = kem;
	s->group = kem == KEM_DH_GEX ? group : dh_group_of(kem);
}

int kem_start(enum kem_id kem, const struct dh_group *group, random_fn *random, void *ctx, struct kem_secret *s,
    uint8_t pub[SSH_KEX_PUBLIC_MAX], size_t *pub_len)
{
	const struct kem_ops *ops = ops_of(kem);

	begin(s, kem, group);
	if (ops == NULL || (ops == &kem_dh && s->group == NULL))
		return SSH_E_BUG;
	return ops->start(s, &(struct kem_rng){ random, ctx }, pub, pub_len);
}

int kem_respond(enum kem_id kem, const struct dh_group *group, random_fn *random, void *ctx, struct view peer,
    uint8_t pub[SSH_KEX_PUBLIC_MAX], size_t *pub_len, struct kem_shared *k)
{
	const struct kem_ops *ops = ops_of(kem);
	const struct kem_rng rng = { random, ctx };
	struct kem_secret mine;
	int r;

	begin(&mine, kem, group);
	if (ops == NULL || (ops == &kem_dh && mine.group == NULL))
		return SSH_E_BUG;
	TRY(ops->check(&mine, peer));
	if (ops->respond != NULL)
		return ops->respond(&rng, peer, pub, pub_len, k);
	if ((r = ops->start(&mine, &rng, pub, pub_len)) == SSH_OK)
		r = ops->finish(&mine, peer, k);
	secret_wipe(&mine, sizeof mine);
	return r;
}

int kem_finish(struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	const struct kem_ops *ops = ops_of(s->kem);
	int r = SSH_E_BUG;

	if (ops != NULL && s->len > 0)
		r = ops->finish(s, peer, k);
	secret_wipe(s, sizeof *s);
	return r;
}
