#include "base/err.h"
#include "ssh/crypto/curve.h"
#include "ssh/crypto/gcry.h"
#include "ssh/crypto/kem.h"
#include "ssh/crypto/peer_input.h"

/* kem_ecdh - ecdh-sha2-nistp* (RFC 5656 4) over the curves of curves.def. Points are never compressed. */

static const struct curve *curve(const struct kem_secret *s)
{
	return curve_of(s->kem == KEM_P256 ? KEY_P256 : s->kem == KEM_P384 ? KEY_P384 : KEY_P521);
}

/* The base point for NULL; yours. NULL: it failed. */
static gcry_mpi_point_t point_of(const struct curve *c, gcry_ctx_t ctx, const uint8_t *bytes)
{
	gcry_mpi_t x = NULL, y = NULL;
	gcry_mpi_point_t p = NULL;

	if (bytes == NULL)
		return gcry_mpi_ec_get_point("g", ctx, 1);
	if (gcry_number(&x, view_of(bytes + 1, c->len)) == SSH_OK && gcry_number(&y, view_of(bytes + 1 + c->len, c->len)) == SSH_OK)
		p = gcry_mpi_point_set(NULL, x, y, GCRYMPI_CONST_ONE);
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	return p;
}

/* x, and y unless it is NULL, of d * point; point NULL: the base point. d is big-endian, c->len bytes. */
static int times(const struct curve *c, const uint8_t *d_bytes, const uint8_t *point, uint8_t *x_bytes, uint8_t *y_bytes)
{
	gcry_mpi_t d = NULL, x = gcry_mpi_new(0), y = gcry_mpi_new(0);
	gcry_mpi_point_t from = NULL, to = gcry_mpi_point_new(0);
	gcry_ctx_t ctx = NULL;
	int r = SSH_E_CRYPTO;

	if (gcry_mpi_ec_new(&ctx, NULL, c->gcry) == 0 && gcry_number(&d, view_of(d_bytes, c->len)) == SSH_OK &&
	    (from = point_of(c, ctx, point)) != NULL) {
		gcry_mpi_set_flag(d, GCRYMPI_FLAG_SECURE);	/* chooses the ladder whose time does not depend on d */
		gcry_mpi_ec_mul(to, d, from, ctx);
		if (gcry_mpi_ec_get_affine(x, y, to, ctx) == 0 && (r = gcry_bytes(x_bytes, c->len, x)) == SSH_OK && y_bytes != NULL)
			r = gcry_bytes(y_bytes, c->len, y);
	}
	gcry_mpi_release(d);
	gcry_mpi_release(x);
	gcry_mpi_release(y);
	gcry_mpi_point_release(from);
	gcry_mpi_point_release(to);
	gcry_ctx_release(ctx);
	return r;
}

/* A number of 1 .. n - 1, each as likely: others are thrown away (FIPS 186-4 B.4.2). */
static int start(struct kem_secret *s, const struct kem_rng *rng, uint8_t *pub, size_t *pub_len)
{
	const struct curve *c = curve(s);

	s->len = c->len;
	do {
		rng->fn(rng->ctx, s->v, c->len);
		if (c->bits % 8 != 0)
			s->v[0] &= (uint8_t)((1u << c->bits % 8) - 1);
	} while (peer_ec_scalar(c->kind, view_of(s->v, c->len)) < 0);
	*pub_len = 1 + 2 * c->len;
	pub[0] = 4;
	return times(c, s->v, NULL, pub + 1, pub + 1 + c->len);
}

static int check(const struct kem_secret *s, struct view peer)
{
	return peer_ec_point(curve(s)->kind, peer);
}

/* RFC 5656 4: x as an mpint. Of a good point and a good d it is never the point at infinity. */
static int finish(const struct kem_secret *s, struct view peer, struct kem_shared *k)
{
	struct kem_shared x = { .len = curve(s)->len };
	int r;

	TRY(check(s, peer));
	if ((r = times(curve(s), s->v, peer.p, x.v, NULL)) == SSH_OK)
		kem_put_mpint(k, x.v, x.len);
	secret_wipe(&x, sizeof x);
	return r;
}

const struct kem_ops kem_ecdh = { start, check, NULL, finish };
