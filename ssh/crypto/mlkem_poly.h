#ifndef SSH_CRYPTO_MLKEM_POLY_H
#define SSH_CRYPTO_MLKEM_POLY_H
#include <stdint.h>

/*
 * mlkem_poly - the ring of FIPS 203: Z_3329[X] / (X^256 + 1), its number-theoretic transform, samples and bytes.
 * Only for mlkem768.c. No branch, no index and no division depends on a coefficient; what may depend on its input
 * is said where it is declared. Coefficients are signed: "small" means -3329 < c < 3329.
 */

#define MLKEM_N 256
#define MLKEM_Q 3329

struct poly { int16_t c[MLKEM_N]; };

/* 4.3: there and back. In: small. poly_ntt() leaves small ones; poly_inverse_ntt() takes products (below). */
void poly_ntt(struct poly *);
void poly_inverse_ntt(struct poly *);
/*
 * 4.3.1: r = sum of a[i] * b[i], all transformed and small. The result is 2^16 times too small: poly_inverse_ntt()
 * puts that right, and so does poly_unmont() for what stays transformed.
 */
void poly_dot(struct poly *r, const struct poly *a, const struct poly *b, unsigned n);
void poly_unmont(struct poly *);
/* r += a; both small, and so is the result. */
void poly_add(struct poly *r, const struct poly *a);
/* r = a - r */
void poly_sub_from(struct poly *r, const struct poly *a);

/* SamplePolyCBD of 4.2.2 for eta = 2, from 128 secret bytes. */
void poly_sample_cbd(struct poly *, const uint8_t in[128]);
/*
 * SampleNTT of 4.2.2: takes coefficients have.. from n bytes (a multiple of 3) of the stream; returns how many there
 * are now. Time depends on the bytes, which are public.
 */
unsigned poly_sample_uniform(struct poly *, unsigned have, const uint8_t *in, unsigned n);

/* ByteEncode12 and ByteDecode12 of 4.2.1; 384 bytes. Decoding wants values below q (peer_input.c checked them). */
void poly_encode12(const struct poly *, uint8_t out[384]);
void poly_decode12(struct poly *, const uint8_t in[384]);
/* Compress and ByteEncode with d = 10 (320 bytes), 4 (128 bytes), 1 (32 bytes), and back. */
void poly_compress10(const struct poly *, uint8_t out[320]);
void poly_decompress10(struct poly *, const uint8_t in[320]);
void poly_compress4(const struct poly *, uint8_t out[128]);
void poly_decompress4(struct poly *, const uint8_t in[128]);
void poly_to_message(const struct poly *, uint8_t out[32]);
void poly_from_message(struct poly *, const uint8_t in[32]);

#endif
