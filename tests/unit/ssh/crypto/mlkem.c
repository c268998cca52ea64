#include <criterion/criterion.h>
#include <gcrypt.h>
#include <stdlib.h>

#include "base/err.h"
#include "ssh/crypto/mlkem768.h"
#include "ssh/crypto/mlkem_poly.h"
#include "ssh/crypto/peer_input.h"
#include "ssh/crypto/pq.h"
#include "tests/unit/ssh/crypto/hex.h"
#include "tests/unit/ssh/crypto/mlkem_vectors.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(mlkem, .init = setup);

static void is_hex(const uint8_t *got, const char *want)
{
	uint8_t bytes[MLKEM768_PRIVATE];
	size_t n = hex(bytes, want);

	cr_assert_arr_eq(got, bytes, n);
}

/* ---- NIST's vectors ------------------------------------------------------------------------ */

Test(mlkem, acvp_key_generation)
{
	for (size_t i = 0; i < sizeof acvp_keygen / sizeof acvp_keygen[0]; i++) {
		const struct acvp_keygen *v = &acvp_keygen[i];
		uint8_t seed[MLKEM768_SEED], ek[MLKEM768_PUBLIC], dk[MLKEM768_PRIVATE];

		hex(seed, v->d);
		hex(seed + 32, v->z);
		cr_assert_eq(mlkem768_keygen(seed, ek, dk), SSH_OK);
		is_hex(dk, v->dk_first);
		is_hex(dk + 1152 - 32, v->vector_last);
		cr_assert_arr_eq(dk + 1152, ek, sizeof ek);
		is_hex(ek + sizeof ek - 32, v->ek_last);
		is_hex(dk + 1152 + 1184, v->h_ek);
		is_hex(dk + 1152 + 1184 + 32, v->z);
		cr_assert_eq(peer_mlkem768_key(view_of(ek, sizeof ek)), SSH_OK);
	}
}

Test(mlkem, acvp_encapsulation)
{
	uint8_t ek[MLKEM768_PUBLIC], m[32], c[MLKEM768_CIPHER], k[32];

	cr_assert_eq(hex(ek, acvp_encaps_ek), sizeof ek);
	cr_assert_eq(hex(m, acvp_encaps_m), sizeof m);
	cr_assert_eq(mlkem768_encaps(ek, m, c, k), SSH_OK);
	cr_assert_eq(sizeof acvp_encaps_c / 2, sizeof c);
	is_hex(c, acvp_encaps_c);
	is_hex(k, acvp_encaps_k);
}

/* SHAKE256(z || c): what a ciphertext that nobody made must give (FIPS 203 algorithm 18). */
static void rejection(const uint8_t *dk, const uint8_t *c, uint8_t k[32])
{
	gcry_md_hd_t md;

	cr_assert_eq(gcry_md_open(&md, GCRY_MD_SHAKE256, 0), 0u);
	gcry_md_write(md, dk + MLKEM768_PRIVATE - 32, 32);
	gcry_md_write(md, c, MLKEM768_CIPHER);
	cr_assert_eq(gcry_md_extract(md, GCRY_MD_SHAKE256, k, 32), 0u);
	gcry_md_close(md);
}

Test(mlkem, acvp_decapsulation)
{
	uint8_t dk[MLKEM768_PRIVATE], c[MLKEM768_CIPHER], k[32], rejected[32];

	cr_assert_eq(hex(dk, acvp_decaps_dk), sizeof dk);
	cr_assert_eq(hex(c, acvp_86_c), sizeof c);
	cr_assert_eq(mlkem768_decaps(dk, c, k), SSH_OK);
	is_hex(k, acvp_86_k);
	rejection(dk, c, rejected);
	cr_assert_arr_neq(k, rejected, 32);
	cr_assert_eq(hex(c, acvp_88_c), sizeof c);
	cr_assert_eq(mlkem768_decaps(dk, c, k), SSH_OK);
	is_hex(k, acvp_88_k);
	rejection(dk, c, rejected);
	cr_assert_arr_eq(k, rejected, 32);
}

Test(mlkem, every_changed_bit_is_rejected)
{
	uint8_t dk[MLKEM768_PRIVATE], c[MLKEM768_CIPHER], k[32], rejected[32];

	hex(dk, acvp_decaps_dk);
	hex(c, acvp_86_c);
	for (size_t bit = 0; bit < 8 * sizeof c; bit += 61) {
		c[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(mlkem768_decaps(dk, c, k), SSH_OK);
		rejection(dk, c, rejected);
		cr_assert_arr_eq(k, rejected, 32, "bit %zu", bit);
		c[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* ---- thousands of vectors as one hash ---------------------------------------------------------- */

/*
 * github.com/C2SP/CCTV, ML-KEM: "accumulated" vectors. d, z, m and a random ciphertext from SHAKE128(""); ek, dk, c and
 * both secrets go into another SHAKE128. MLKEM_LONG=1 does the 10,000 that are published, else the first 100 of them
 * (their hash without dk, as Go's crypto/mlkem has it).
 */
static void accumulate(unsigned rounds, int with_dk, const char *want)
{
	struct { uint8_t seed[64], m[32], random[MLKEM768_CIPHER]; } in;
	struct { uint8_t ek[MLKEM768_PUBLIC], dk[MLKEM768_PRIVATE], c[MLKEM768_CIPHER], k[32], again[32], rejected[32]; } out;
	gcry_md_hd_t from, to;
	uint8_t sum[32];

	cr_assert(gcry_md_open(&from, GCRY_MD_SHAKE128, 0) == 0 && gcry_md_open(&to, GCRY_MD_SHAKE128, 0) == 0);
	while (rounds-- > 0) {
		cr_assert_eq(gcry_md_extract(from, GCRY_MD_SHAKE128, &in, sizeof in), 0u);
		cr_assert_eq(mlkem768_keygen(in.seed, out.ek, out.dk), SSH_OK);
		cr_assert_eq(mlkem768_encaps(out.ek, in.m, out.c, out.k), SSH_OK);
		cr_assert_eq(mlkem768_decaps(out.dk, out.c, out.again), SSH_OK);
		cr_assert_arr_eq(out.k, out.again, 32);
		cr_assert_eq(mlkem768_decaps(out.dk, in.random, out.rejected), SSH_OK);
		gcry_md_write(to, out.ek, sizeof out.ek);
		if (with_dk)
			gcry_md_write(to, out.dk, sizeof out.dk);
		gcry_md_write(to, out.c, sizeof out.c);
		gcry_md_write(to, out.k, 32);
		gcry_md_write(to, out.rejected, 32);
	}
	cr_assert_eq(gcry_md_extract(to, GCRY_MD_SHAKE128, sum, sizeof sum), 0u);
	is_hex(sum, want);
	gcry_md_close(from);
	gcry_md_close(to);
}

Test(mlkem, accumulated_vectors)
{
	if (getenv("MLKEM_LONG") != NULL)
		accumulate(10000, 1, "f959d18d3d1180121433bf0e05f11e7908cf9d03edc150b2b07cb90bef5bc1c1");
	accumulate(100, 0, "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415");
}

/* ---- the ring ------------------------------------------------------------------------------------ */

static unsigned rounded(unsigned x, unsigned d)
{
	return ((x << d) + MLKEM_Q / 2) / MLKEM_Q % (1u << d);
}

/* FIPS 203 4.7 by division, for every number there is and both of its spellings */
Test(mlkem, compression_of_every_number)
{
	for (int x = 0; x < MLKEM_Q; x++) {
		struct poly p;
		uint8_t out[320];

		for (int j = 0; j < MLKEM_N; j++)
			p.c[j] = (int16_t)(j % 2 ? x : x - MLKEM_Q);
		poly_compress10(&p, out);
		cr_assert_eq(out[0] | (out[1] & 3u) << 8, rounded((unsigned)x, 10));
		cr_assert_eq(out[1] >> 2 | (out[2] & 15) << 6, (int)rounded((unsigned)x, 10));
		poly_compress4(&p, out);
		cr_assert_eq(out[5], rounded((unsigned)x, 4) * 17);
		poly_to_message(&p, out);
		cr_assert_eq(out[31], rounded((unsigned)x, 1) * 255);
	}
}

Test(mlkem, transformed_products_are_products)
{
	struct poly a = { { 0 } }, b = { { 0 } }, r;
	int32_t want[MLKEM_N] = { 0 };

	for (int j = 0; j < MLKEM_N; j++) {
		a.c[j] = (int16_t)(j * 1103 % MLKEM_Q - 1664);
		b.c[j] = (int16_t)(3328 - j * 7 % MLKEM_Q);
	}
	for (int i = 0; i < MLKEM_N; i++)
		for (int j = 0; j < MLKEM_N; j++) {	/* X^256 = -1 */
			int32_t v = a.c[i] * b.c[j] % MLKEM_Q;

			want[(i + j) % MLKEM_N] = (want[(i + j) % MLKEM_N] + (i + j < MLKEM_N ? v : -v)) % MLKEM_Q;
		}
	poly_ntt(&a);
	poly_ntt(&b);
	poly_dot(&r, &a, &b, 1);
	poly_inverse_ntt(&r);
	for (int j = 0; j < MLKEM_N; j++)
		cr_assert_eq((want[j] - r.c[j]) % MLKEM_Q, 0, "%d", j);
}

/* ---- a peer's key -------------------------------------------------------------------------------- */

Test(mlkem, keys_with_a_number_of_q_or_more)
{
	uint8_t good[MLKEM768_PUBLIC + 1], ek[MLKEM768_PUBLIC];

	hex(good, acvp_encaps_ek);
	for (size_t len = 0; len <= sizeof good; len += len < 1180 ? 59 : 1)
		cr_assert_eq(peer_mlkem768_key(view_of(good, len)), len == MLKEM768_PUBLIC ? SSH_OK : SSH_E_BAD_VALUE, "%zu", len);
	for (unsigned i = 0; i < 768; i += 13)
		for (unsigned v = MLKEM_Q - 1; v < 4096; v += v < MLKEM_Q + 1 ? 1 : 383) {
			uint8_t *b = ek + i / 2 * 3;

			memcpy(ek, good, sizeof ek);
			if (i % 2 == 0)
				b[0] = (uint8_t)v, b[1] = (uint8_t)((b[1] & 0xf0) | v >> 8);
			else
				b[1] = (uint8_t)((b[1] & 15) | (v & 15) << 4), b[2] = (uint8_t)(v >> 4);
			cr_assert_eq(peer_mlkem768_key(view_of(ek, sizeof ek)), v < MLKEM_Q ? SSH_OK : SSH_E_BAD_VALUE, "%u at %u", v, i);
		}
	memset(ek + 1152, 0xff, 32);
	memcpy(ek, good, 1152);
	cr_assert_eq(peer_mlkem768_key(view_of(ek, sizeof ek)), SSH_OK, "the seed of the matrix may be anything");
}

Test(mlkem, ciphertexts_of_every_other_length)
{
	static const uint8_t c[2000];

	for (size_t len = 0; len < sizeof c; len++) {
		cr_assert_eq(peer_mlkem768_cipher(view_of(c, len)), len == 1088 ? SSH_OK : SSH_E_BAD_VALUE);
		cr_assert_eq(peer_sntrup761_key(view_of(c, len)), len == 1158 ? SSH_OK : SSH_E_BAD_VALUE);
		cr_assert_eq(peer_sntrup761_cipher(view_of(c, len)), len == 1039 ? SSH_OK : SSH_E_BAD_VALUE);
	}
}

/* ---- ours and libgcrypt's -------------------------------------------------------------------------- */

#ifdef COPPICE_GCRY_KEM
/* Key, ciphertext and secret each made by one and used by the other, in all ways; a broken one is rejected alike. */
Test(mlkem, both_implementations_agree)
{
	static const struct pq *const all[] = { &pq_mlkem768_own, &pq_mlkem768_gcry };
	const struct kem_rng rng = { crypto_random, NULL };

	for (int i = 0; i < 8 * 25; i++) {
		const struct pq *a = all[i & 1], *b = all[i >> 1 & 1];
		uint8_t ek[MLKEM768_PUBLIC], dk[MLKEM768_PRIVATE], c[MLKEM768_CIPHER], k[32], own[32], gcry[32];

		cr_assert_eq(a->keygen(&rng, ek, dk), SSH_OK);
		cr_assert_eq(a->check_key(view_of(ek, sizeof ek)), SSH_OK);
		cr_assert_eq(b->encaps(&rng, ek, c, k), SSH_OK);
		if (i & 4)
			c[i] ^= 1;
		cr_assert_eq(pq_mlkem768_own.decaps(dk, c, own), SSH_OK);
		cr_assert_eq(pq_mlkem768_gcry.decaps(dk, c, gcry), SSH_OK);
		cr_assert_arr_eq(own, gcry, 32);
		cr_assert_eq(memcmp(k, own, 32) == 0, !(i & 4));
	}
}
#endif
