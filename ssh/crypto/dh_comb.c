#include "ssh/crypto/dh_comb.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/gcry.h"

/*
 * Powers of a generator by a comb (Lim and Lee, 1994). The exponent's bits are written into TEETH rows; a column of them picks one of
 * 64 products of g^(2^(columns * i)) that were made beforehand, so that only as many squarings are left as there are columns.
 * Every product carries a factor more, g^(2^FACTOR), a number of full length, so that no column is a multiplication by 1, which takes
 * less time; what all these factors add to the exponent is taken from it first.
 */

#define TEETH 6u
#define ROWS (1u << TEETH)
#define FACTOR 14u			/* 2^(2^13) is not below any p yet */

struct comb {
	const struct dh_group *group;
	size_t exponent;		/* bytes of one */
	size_t columns, words;		/* of the exponent; 64 bits of p */
	uint64_t *rows;			/* ROWS times words */
	gcry_mpi_t p;
};

static struct comb combs[4];
static size_t ncombs;

/* ---- beforehand ------------------------------------------------------------------------------ */

static int put_row(const struct comb *c, unsigned row, gcry_mpi_t v)
{
	return gcry_bytes((uint8_t *)(c->rows + row * c->words), c->words * 8, v);
}

/* v = v^(2^n) */
static void square(const struct comb *c, gcry_mpi_t v, size_t n)
{
	while (n-- > 0)
		gcry_mpi_mulm(v, v, v, c->p);
}

/* teeth[i] = g^(2^(columns * i)); behind the last stands the factor, row 0. Each row is an earlier one and a tooth more. */
static int fill(struct comb *c, gcry_mpi_t teeth[TEETH + 1])
{
	int r = put_row(c, 0, teeth[TEETH]);

	for (unsigned i = 0; i < TEETH; i++)
		for (unsigned row = 1u << i; row < 2u << i && r == SSH_OK; row++) {
			gcry_mpi_t v = NULL;

			r = gcry_number(&v, view_of(c->rows + (row ^ 1u << i) * c->words, c->words * 8));
			if (r == SSH_OK) {
				gcry_mpi_mulm(v, v, teeth[i], c->p);
				r = put_row(c, row, v);
			}
			gcry_mpi_release(v);
		}
	return r;
}

static void comb_drop(struct comb *c)
{
	free(c->rows);
	gcry_mpi_release(c->p);
	memset(c, 0, sizeof *c);
}

static const struct comb *find(const struct dh_group *group, size_t exponent)
{
	for (size_t i = 0; i < ncombs; i++)
		if (combs[i].exponent == exponent && view_same(combs[i].group->p, group->p) && view_same(combs[i].group->g, group->g))
			return &combs[i];
	return NULL;
}

int dh_comb_prepare(const struct dh_group *group, size_t exponent)
{
	struct comb *c = &combs[ncombs];
	gcry_mpi_t teeth[TEETH + 1] = { NULL };
	int r = SSH_E_CRYPTO;

	if (find(group, exponent) != NULL)
		return SSH_OK;
	if (ncombs == sizeof combs / sizeof combs[0] || group->p.len % 8 != 0)
		return SSH_E_LIMIT;
	*c = (struct comb){ .group = group, .exponent = exponent, .columns = (8 * exponent + TEETH - 1) / TEETH, .words = group->p.len / 8 };
	if ((c->rows = malloc(ROWS * group->p.len)) == NULL)
		return SSH_E_NOMEM;
	if (gcry_number(&c->p, group->p) == SSH_OK && gcry_number(&teeth[0], group->g) == SSH_OK) {
		for (unsigned i = 1; i <= TEETH; i++) {
			teeth[i] = gcry_mpi_copy(teeth[i < TEETH ? i - 1 : 0]);
			square(c, teeth[i], i < TEETH ? c->columns : FACTOR);
		}
		r = fill(c, teeth);
	}
	for (unsigned i = 0; i <= TEETH; i++)
		gcry_mpi_release(teeth[i]);
	if (r == SSH_OK)
		ncombs++;
	else
		comb_drop(c);
	return r;
}

/* ---- in an exchange ---------------------------------------------------------------------------- */

static unsigned bit(const uint8_t *x, size_t len, size_t at)
{
	return at < 8 * len ? (unsigned)x[len - 1 - at / 8] >> at % 8 & 1u : 0;
}

/* x = x + sign * 2^at, modulo its length */
static void add_bit(uint8_t *x, size_t len, size_t at, int sign)
{
	int carry = 0;

	for (size_t i = 0; i < len; i++) {
		carry += x[len - 1 - i] + (i == at / 8 ? sign * (1 << at % 8) : 0);
		x[len - 1 - i] = (uint8_t)(carry & 0xff);
		carry = (carry - (carry & 0xff)) / 256;
	}
}

/* The row of a secret number: all of them are read. */
static int select_row(const struct comb *c, unsigned row, uint64_t *out, gcry_mpi_t *v)
{
	memset(out, 0, c->words * 8);
	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t mask = ((uint64_t)(i ^ row) - 1) >> 63;	/* 1 for the row, else 0 */
		const uint64_t *from = c->rows + i * c->words;

		mask = 0 - mask;
		__asm__("" : "+r"(mask));	/* a compiler that knows what it is makes a branch of it */
		for (size_t k = 0; k < c->words; k++)
			out[k] |= from[k] & mask;
	}
	return gcry_number(v, view_of(out, c->words * 8));
}

static int power(const struct comb *c, const uint8_t *x, gcry_mpi_t acc)
{
	uint64_t words[SSH_DH_BITS_MAX / 64];
	int r = SSH_OK;

	for (size_t col = c->columns; col-- > 0 && r == SSH_OK;) {
		gcry_mpi_t v = NULL;
		unsigned row = 0;

		for (unsigned i = 0; i < TEETH; i++)
			row |= bit(x, c->exponent, col + i * c->columns) << i;
		if ((r = select_row(c, row, words, &v)) == SSH_OK && col == c->columns - 1) {
			gcry_mpi_set(acc, v);
		} else if (r == SSH_OK) {
			square(c, acc, 1);
			gcry_mpi_mulm(acc, acc, v, c->p);
		}
		gcry_mpi_release(v);	/* wiped by the allocator of init.c */
	}
	secret_wipe(words, sizeof words);
	return r;
}

int dh_comb_power(const struct dh_group *group, const uint8_t *x, size_t len, uint8_t *out)
{
	const struct comb *c = find(group, len);
	uint8_t less[SSH_DH_BITS_MAX / 8];
	gcry_mpi_t acc;
	int r;

	if (c == NULL || len > sizeof less || !(x[0] & 0x80))
		return SSH_E_NOT_NOW;
	memcpy(less, x, len);		/* the factors of all columns: 2^FACTOR * (2^columns - 1) */
	add_bit(less, len, c->columns + FACTOR, -1);
	add_bit(less, len, FACTOR, 1);
	acc = gcry_mpi_new(SSH_DH_BITS_MAX + 64);
	if ((r = power(c, less, acc)) == SSH_OK)
		r = gcry_bytes(out, group->p.len, acc);
	secret_wipe(less, len);
	gcry_mpi_release(acc);
	return r;
}
