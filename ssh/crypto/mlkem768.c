#include "ssh/crypto/mlkem768.h"

#include <gcrypt.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "ssh/crypto/mlkem_poly.h"

#define K 3u			/* rank of the module */
#define POLY_BYTES 384u		/* one polynomial as bytes */
#define VEC_BYTES (K * POLY_BYTES)
#define U_BYTES (K * 320u)
#define SHAKE128_RATE 168u

/* ---- hashes (4.1) --------------------------------------------------------------------------- */

struct part { const void *p; size_t n; };

/* Any of G, H, J and PRF: out bytes of the hash over two parts. */
static int hash(int algo, struct part a, struct part b, uint8_t *out, size_t n)
{
	gcry_md_hd_t md;
	int r = SSH_OK;

	if (gcry_md_open(&md, algo, 0) != 0)
		return SSH_E_CRYPTO;
	gcry_md_write(md, a.p, a.n);
	if (b.n > 0)
		gcry_md_write(md, b.p, b.n);
	if (algo == GCRY_MD_SHAKE256)
		r = gcry_md_extract(md, algo, out, n) == 0 ? SSH_OK : SSH_E_CRYPTO;
	else
		memcpy(out, gcry_md_read(md, algo), n);
	gcry_md_close(md);
	return r;
}

static int hash_g(struct part a, struct part b, uint8_t out[64])
{
	return hash(GCRY_MD_SHA3_512, a, b, out, 64);
}

static int hash_h(const uint8_t *p, size_t n, uint8_t out[32])
{
	return hash(GCRY_MD_SHA3_256, (struct part){ p, n }, (struct part){ NULL, 0 }, out, 32);
}

/* ---- what everybody may know: the matrix ------------------------------------------------------- */

static int sample_entry(gcry_md_hd_t md, const uint8_t rho[32], unsigned x, unsigned y, struct poly *to)
{
	const uint8_t index[2] = { (uint8_t)x, (uint8_t)y };
	uint8_t block[3 * SHAKE128_RATE];
	unsigned have = 0, want = sizeof block;

	gcry_md_reset(md);
	gcry_md_write(md, rho, 32);
	gcry_md_write(md, index, sizeof index);
	while (have < MLKEM_N) {	/* three blocks are enough nearly always */
		if (gcry_md_extract(md, GCRY_MD_SHAKE128, block, want) != 0)
			return SSH_E_CRYPTO;
		have = poly_sample_uniform(to, have, block, want);
		want = SHAKE128_RATE;
	}
	return SSH_OK;
}

/* r = A v, or transpose(A) v, times 2^-16. A is made entry by entry, never as a whole. */
static int matrix_times(const uint8_t rho[32], int transposed, const struct poly v[K], struct poly r[K])
{
	struct poly row[K];
	gcry_md_hd_t md;
	int e = SSH_OK;

	if (gcry_md_open(&md, GCRY_MD_SHAKE128, 0) != 0)
		return SSH_E_CRYPTO;
	for (unsigned i = 0; i < K && e == SSH_OK; i++) {
		for (unsigned j = 0; j < K && e == SSH_OK; j++)
			e = sample_entry(md, rho, transposed ? i : j, transposed ? j : i, &row[j]);
		if (e == SSH_OK)
			poly_dot(&r[i], row, v, K);
	}
	gcry_md_close(md);
	return e;
}

/* ---- K-PKE (5) ----------------------------------------------------------------------------------- */

/* n polynomials of small random coefficients, from PRF(seed, first), PRF(seed, first + 1), … */
static int sample_vector(const uint8_t seed[32], unsigned first, struct poly *v, unsigned n)
{
	uint8_t bytes[128];
	int r = SSH_OK;

	for (unsigned i = 0; i < n && r == SSH_OK; i++) {
		const uint8_t nonce = (uint8_t)(first + i);

		r = hash(GCRY_MD_SHAKE256, (struct part){ seed, 32 }, (struct part){ &nonce, 1 }, bytes, sizeof bytes);
		if (r == SSH_OK)
			poly_sample_cbd(&v[i], bytes);
	}
	secret_wipe(bytes, sizeof bytes);
	return r;
}

static int pke_keygen(const uint8_t d[32], uint8_t ek[MLKEM768_PUBLIC], uint8_t dk[VEC_BYTES])
{
	static const uint8_t rank = K;
	struct { uint8_t seeds[64]; struct poly s[2 * K], t[K]; } m;	/* s: the secret, then the error */
	int r;

	if ((r = hash_g((struct part){ d, 32 }, (struct part){ &rank, 1 }, m.seeds)) < 0 ||
	    (r = sample_vector(m.seeds + 32, 0, m.s, 2 * K)) < 0)
		goto out;
	for (unsigned i = 0; i < 2 * K; i++)
		poly_ntt(&m.s[i]);
	if ((r = matrix_times(m.seeds, 0, m.s, m.t)) < 0)
		goto out;
	for (unsigned i = 0; i < K; i++) {
		poly_unmont(&m.t[i]);
		poly_add(&m.t[i], &m.s[K + i]);
		poly_encode12(&m.t[i], ek + i * POLY_BYTES);
		poly_encode12(&m.s[i], dk + i * POLY_BYTES);
	}
	memcpy(ek + VEC_BYTES, m.seeds, 32);
out:
	secret_wipe(&m, sizeof m);
	return r;
}

static int pke_encrypt(const uint8_t ek[MLKEM768_PUBLIC], const uint8_t msg[32], const uint8_t coins[32],
    uint8_t c[MLKEM768_CIPHER])
{
	struct { struct poly y[2 * K + 1], t[K], u[K], v, mu; } m;	/* y: y, e1, e2 of algorithm 14 */
	int r;

	if ((r = sample_vector(coins, 0, m.y, 2 * K + 1)) < 0)
		goto out;
	for (unsigned i = 0; i < K; i++) {
		poly_ntt(&m.y[i]);
		poly_decode12(&m.t[i], ek + i * POLY_BYTES);
	}
	if ((r = matrix_times(ek + VEC_BYTES, 1, m.y, m.u)) < 0)
		goto out;
	for (unsigned i = 0; i < K; i++) {
		poly_inverse_ntt(&m.u[i]);
		poly_add(&m.u[i], &m.y[K + i]);
		poly_compress10(&m.u[i], c + i * 320);
	}
	poly_dot(&m.v, m.t, m.y, K);
	poly_inverse_ntt(&m.v);
	poly_add(&m.v, &m.y[2 * K]);
	poly_from_message(&m.mu, msg);
	poly_add(&m.v, &m.mu);
	poly_compress4(&m.v, c + U_BYTES);
out:
	secret_wipe(&m, sizeof m);
	return r;
}

static void pke_decrypt(const uint8_t dk[VEC_BYTES], const uint8_t c[MLKEM768_CIPHER], uint8_t msg[32])
{
	struct { struct poly s[K], u[K], v, w; } m;

	for (unsigned i = 0; i < K; i++) {
		poly_decode12(&m.s[i], dk + i * POLY_BYTES);
		poly_decompress10(&m.u[i], c + i * 320);
		poly_ntt(&m.u[i]);
	}
	poly_decompress4(&m.v, c + U_BYTES);
	poly_dot(&m.w, m.s, m.u, K);
	poly_inverse_ntt(&m.w);
	poly_sub_from(&m.w, &m.v);
	poly_to_message(&m.w, msg);
	secret_wipe(&m, sizeof m);
}

/* ---- ML-KEM (6, 7) --------------------------------------------------------------------------------- */

/* dk = the secret vector, ek, H(ek), z */
#define DK_EK VEC_BYTES
#define DK_H  (DK_EK + MLKEM768_PUBLIC)
#define DK_Z  (DK_H + 32)

int mlkem768_keygen(const uint8_t seed[MLKEM768_SEED], uint8_t ek[MLKEM768_PUBLIC], uint8_t dk[MLKEM768_PRIVATE])
{
	int r;

	TRY(pke_keygen(seed, ek, dk));
	memcpy(dk + DK_EK, ek, MLKEM768_PUBLIC);
	TRY(hash_h(ek, MLKEM768_PUBLIC, dk + DK_H));
	memcpy(dk + DK_Z, seed + 32, 32);
	return SSH_OK;
}

int mlkem768_encaps(const uint8_t ek[MLKEM768_PUBLIC], const uint8_t m[32], uint8_t c[MLKEM768_CIPHER],
    uint8_t k[MLKEM768_SHARED])
{
	uint8_t h[32], kr[64];
	int r;

	TRY(hash_h(ek, MLKEM768_PUBLIC, h));
	if ((r = hash_g((struct part){ m, 32 }, (struct part){ h, 32 }, kr)) == SSH_OK &&
	    (r = pke_encrypt(ek, m, kr + 32, c)) == SSH_OK)
		memcpy(k, kr, MLKEM768_SHARED);
	secret_wipe(kr, sizeof kr);
	return r;
}

int mlkem768_decaps(const uint8_t dk[MLKEM768_PRIVATE], const uint8_t c[MLKEM768_CIPHER], uint8_t k[MLKEM768_SHARED])
{
	struct { uint8_t msg[32], kr[64], rejected[32], again[MLKEM768_CIPHER]; } m;
	uint8_t good;
	int r;

	pke_decrypt(dk, c, m.msg);
	if ((r = hash_g((struct part){ m.msg, 32 }, (struct part){ dk + DK_H, 32 }, m.kr)) == SSH_OK &&
	    (r = hash(GCRY_MD_SHAKE256, (struct part){ dk + DK_Z, 32 }, (struct part){ c, MLKEM768_CIPHER },
	        m.rejected, 32)) == SSH_OK &&
	    (r = pke_encrypt(dk + DK_EK, m.msg, m.kr + 32, m.again)) == SSH_OK) {
		good = (uint8_t)-secret_equal(c, m.again, MLKEM768_CIPHER);
		__asm__("" : "+r"(good));	/* or the compiler may see a condition, and branch on it */
		for (unsigned i = 0; i < MLKEM768_SHARED; i++)
			k[i] = (uint8_t)((m.kr[i] & good) | (m.rejected[i] & ~good));
	}
	secret_wipe(&m, sizeof m);
	return r;
}
