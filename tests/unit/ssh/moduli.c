#include "ssh/moduli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/ssh/pair.h"

/* A line with a number of that many bits; not a prime, which nobody asks here. */
static char *line(unsigned bits, unsigned last, const char *before, unsigned size, const char *generator)
{
	static char text[4096];
	int n = snprintf(text, sizeof text, "%s %u %s 8", before, size, generator);

	memset(text + n, '0', bits / 4 - 3);
	snprintf(text + n + bits / 4 - 3, 4, "%02x\n", last & 0xff);
	return text;
}

#define SAFE "20220714110357 2 6 100"

static struct moduli *parsed(const char *text, size_t count, size_t ignored)
{
	struct moduli *m;
	size_t skipped;

	pair_crypto();
	cr_assert_eq(moduli_parse(&m, view_str(text), NULL, &skipped), SSH_OK);
	cr_assert_eq(moduli_count(m), count, "%.60s: %zu", text, moduli_count(m));
	cr_assert_eq(skipped, ignored, "%.60s: %zu", text, skipped);
	return m;
}

Test(moduli, lines)
{
	static const struct { const char *before; unsigned bits, last, size; const char *g; int good; } rows[] = {
		{ SAFE, 2048, 0xf, 2047, "2", 1 }, { SAFE, 8192, 0xf, 8191, "5", 1 }, { SAFE, 2048, 0xf, 2047, "FF", 1 },
		{ SAFE, 2048, 0xf, 2048, "2", 0 },	/* not what it says */
		{ SAFE, 2048, 0xe, 2047, "2", 0 },	/* even */
		{ SAFE, 1024, 0xf, 1023, "2", 0 }, { SAFE, 2040, 0xf, 2039, "2", 0 }, { SAFE, 8200, 0xf, 8199, "2", 0 },
		{ SAFE, 2048, 0xf, 2047, "1", 0 }, { SAFE, 2048, 0xf, 2047, "0", 0 }, { SAFE, 2048, 0xf, 2047, "x", 0 },
		{ "1 4 6 100", 2048, 0xf, 2047, "2", 0 },	/* no safe prime */
		{ "1 2 1 100", 2048, 0xf, 2047, "2", 0 }, { "1 2 7 100", 2048, 0xf, 2047, "2", 0 },	/* known to be composite */
		{ "1 2 0 100", 2048, 0xf, 2047, "2", 0 }, { "1 2 6 0", 2048, 0xf, 2047, "2", 0 },	/* not tested */
		{ "1 2 6", 2048, 0xf, 2047, "2", 0 }, { "1 2 -6 100", 2048, 0xf, 2047, "2", 0 }, { "2 6 100", 2048, 0xf, 2047, "2", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		moduli_free(parsed(line(rows[i].bits, rows[i].last, rows[i].before, rows[i].size, rows[i].g),
		    (size_t)rows[i].good, (size_t)!rows[i].good));
}

Test(moduli, odd_files)
{
	char text[8192];

	moduli_free(parsed("", 0, 0));
	moduli_free(parsed("\n\n# Time Type Tests\n  \n#\n", 0, 0));
	moduli_free(parsed("x", 0, 1));
	moduli_free(parsed("\n1\n1 2\n1 2 6 100 2047 2\n1 2 6 100 2047 2 \n", 0, 4));
	snprintf(text, sizeof text, "# first\n%s \t\r\n%s x\n", strtok(line(2048, 0xf, SAFE, 2047, "2"), "\n"), "y");
	moduli_free(parsed(text, 1, 1));
	snprintf(text, sizeof text, "%s x\n", strtok(line(2048, 0xf, SAFE, 2047, "2"), "\n"));
	moduli_free(parsed(text, 0, 1));
	snprintf(text, sizeof text, "%s", strtok(line(2048, 0xf, SAFE, 2047, "2"), "\n"));	/* no end of line */
	moduli_free(parsed(text, 1, 0));
}

static struct moduli *file_of(const unsigned *bits, size_t n)
{
	char *text = calloc(n, 4096);
	struct moduli *m;

	for (size_t i = 0; i < n; i++)
		strcat(text, line(bits[i], (unsigned)(2 * i + 1), SAFE, bits[i] - 1, "2"));
	m = parsed(text, n, 0);
	free(text);
	return m;
}

static size_t chosen(const struct moduli *m, uint32_t min, uint32_t n, uint32_t max)
{
	const struct moduli_wish wish = { min, n, max };
	uint64_t seed = 3;
	struct dh_group g;
	int r = moduli_choose(m, &wish, pair_random, &seed, &g);

	if (r < 0) {
		cr_assert_eq(r, SSH_E_NO_ALG);
		return 0;
	}
	cr_assert_eq(dh_group_check(&g, 2048, 8192), SSH_OK);
	return g.p.len * 8;
}

Test(moduli, the_smallest_that_is_large_enough)
{
	static const unsigned bits[] = { 4096, 2048, 3072, 2048, 6144, 4096 };
	struct moduli *m = file_of(bits, 6);

	cr_assert_eq(chosen(m, 1024, 1024, 8192), 2048);
	cr_assert_eq(chosen(m, 2048, 2048, 8192), 2048);
	cr_assert_eq(chosen(m, 2048, 2049, 8192), 3072);
	cr_assert_eq(chosen(m, 2048, 3072, 8192), 3072);
	cr_assert_eq(chosen(m, 2048, 7680, 8192), 6144, "the largest there is");
	cr_assert_eq(chosen(m, 2048, 4000, 4000), 3072, "the largest that is allowed");
	cr_assert_eq(chosen(m, 4097, 4097, 5000), 0);
	cr_assert_eq(chosen(m, 7000, 8192, 8192), 0);
	cr_assert_eq(chosen(m, 1, 1, 2048), 2048);
	moduli_free(m);
}

Test(moduli, built_in_groups)
{
	struct moduli *none = parsed("# nothing\n", 0, 0);
	const struct moduli *both[] = { NULL, none };

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(chosen(both[i], 1024, 2048, 8192), 2048);
		cr_assert_eq(chosen(both[i], 2048, 3072, 8192), 4096);
		cr_assert_eq(chosen(both[i], 2048, 7680, 8192), 8192);
		cr_assert_eq(chosen(both[i], 2048, 3072, 3072), 2048);
		cr_assert_eq(chosen(both[i], 2049, 3072, 3072), 0);
	}
	moduli_free(none);
}

Test(moduli, all_of_one_size_have_their_turn)
{
	static const unsigned bits[] = { 2048, 2048, 3072, 2048 };
	const struct moduli_wish wish = { 2048, 2048, 8192 };
	struct moduli *m = file_of(bits, 4);
	uint64_t seed = 5;
	unsigned seen[8] = { 0 };

	for (int i = 0; i < 300; i++) {
		struct dh_group g;

		cr_assert_eq(moduli_choose(m, &wish, pair_random, &seed, &g), SSH_OK);
		seen[g.p.p[g.p.len - 1]]++;
	}
	cr_assert(seen[1] > 50 && seen[3] > 50 && seen[7] > 50 && seen[5] == 0, "%u %u %u", seen[1], seen[3], seen[7]);
	moduli_free(m);
}

Test(moduli, wishes)
{
	static const struct { struct moduli_wish wish; int result; } rows[] = {
		{ { 2048, 3072, 8192 }, SSH_OK }, { { 1024, 1024, 8192 }, SSH_OK }, { { 0, 0, UINT32_MAX }, SSH_OK },
		{ { 2048, 2048, 2048 }, SSH_OK }, { { 8192, 8192, 8192 }, SSH_OK }, { { 1, UINT32_MAX, UINT32_MAX }, SSH_OK },
		{ { 1, 1, 1 }, SSH_E_BAD_VALUE }, { { 8192, 1, 8192 }, SSH_E_BAD_VALUE }, { { 1024, 1024, 2047 }, SSH_E_BAD_VALUE },
		{ { 2048, 8192, 4096 }, SSH_E_BAD_VALUE }, { { 8193, 8193, 9000 }, SSH_E_BAD_VALUE },
		{ { 4096, 4096, 2048 }, SSH_E_BAD_VALUE }, { { UINT32_MAX, UINT32_MAX, UINT32_MAX }, SSH_E_BAD_VALUE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(moduli_wish_check(&rows[i].wish), rows[i].result, "row %zu", i);
}

Test(moduli, no_memory)
{
	static const unsigned bits[] = { 2048, 3072 };
	char text[8192];
	struct pair_mem mem;
	int done = 0;

	pair_crypto();
	snprintf(text, sizeof text, "%s", line(bits[0], 3, SAFE, bits[0] - 1, "2"));
	strcat(text, line(bits[1], 5, SAFE, bits[1] - 1, "2"));
	for (long at = 1; at < 50 && !done; at++) {
		struct moduli *m;
		size_t ignored;
		int r;

		pair_mem_init(&mem);
		mem.fail_at = at;
		r = moduli_parse(&m, view_str(text), &mem.mem, &ignored);
		done = r == SSH_OK;
		cr_assert(done ? moduli_count(m) == 2 : r == SSH_E_NOMEM && m == NULL);
		moduli_free(m);
		cr_assert_eq(mem.live, 0);
	}
	cr_assert(done);
}
