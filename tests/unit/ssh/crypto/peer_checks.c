#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "ssh/crypto/peer_input.h"
#include "tests/unit/ssh/crypto/claims.h"

/* peer_checks - every check of peer_input.c at every edge of its corpus: the verdict, and the library behind it (claims.c). */

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(peer_checks, .init = setup);

static size_t contents(const char *path, uint8_t **v)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	cr_assert_not_null(f, "%s", path);
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	*v = malloc(n + 1);		/* never nothing; a sanitizer sees one byte too many but for the last */
	cr_assert_eq(fread(*v, 1, n, f), n);
	fclose(f);
	return n;
}

/* Every file of the corpus of that check: "yes-" and "no-" say the verdict. */
static void corpus(const struct claim *claim)
{
	char path[4096];
	unsigned yes = 0, no = 0;
	struct dirent *e;
	DIR *d;

	cr_assert_not_null(claim);
	snprintf(path, sizeof path, "%s/tests/fuzz/corpus/peer_%s", SOURCE_DIR, claim->name);
	cr_assert_not_null(d = opendir(path), "%s", path);
	while ((e = readdir(d)) != NULL) {
		int wanted = strncmp(e->d_name, "yes-", 4) == 0 ? SSH_OK : SSH_E_BAD_VALUE;
		uint8_t *v;
		size_t n;

		if (e->d_name[0] == '.')
			continue;
		cr_assert(wanted == SSH_OK || strncmp(e->d_name, "no-", 3) == 0, "%s", e->d_name);
		snprintf(path, sizeof path, "%s/tests/fuzz/corpus/peer_%s/%s", SOURCE_DIR, claim->name, e->d_name);
		n = contents(path, &v);
		cr_expect_eq(claim->run(view_of(v, n)), wanted, "%s/%s", claim->name, e->d_name);
		free(v);
		yes += wanted == SSH_OK;
		no += wanted < 0;
	}
	closedir(d);
	cr_assert(yes >= 3 && no >= 3, "%s: %u to accept, %u to refuse", claim->name, yes, no);
}

#define PEER_CHECK(name, input) Test(peer_checks, name) { corpus(claim_find(#name)); }
#include "tests/fuzz/peer_checks.def"

/* What is no point of any curve, and keys of another kind. */
Test(peer_checks, kinds_that_have_no_curve)
{
	uint8_t point[133] = { 4 };

	for (enum key_kind kind = KEY_NONE; kind < KEY_KINDS; kind++)
		for (size_t n = 0; n <= sizeof point; n++)
			cr_assert_eq(peer_ec_point(kind, view_of(point, n)), SSH_E_BAD_VALUE, "%d %zu", (int)kind, n);
	cr_assert_eq(peer_ec_scalar(KEY_RSA, view_of("\1", 1)), SSH_E_BAD_VALUE);
	cr_assert_eq(peer_ec_scalar(KEY_NONE, view_of("\1", 1)), SSH_E_BAD_VALUE);
}

/* Random bytes of the right length: the claims of claims.c hold for them, whatever the verdict. */
Test(peer_checks, noise)
{
	static const struct { const char *name; size_t n; } rows[] = {
		{ "x25519", 32 }, { "ed25519_key", 32 }, { "ed25519_sig", 64 }, { "ed448_key", 57 }, { "ed448_sig", 114 }, { "x448", 56 }, { "ec_scalar", 33 },
		{ "ec_scalar", 49 }, { "ec_point", 66 }, { "dsa_sig", 40 }, { "rsa_sig", 256 }, { "dh_value", 256 }, { "mlkem768_key", 1184 },
	};
	uint8_t v[1184];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int round = 0; round < 20; round++) {
			crypto_random(NULL, v, rows[i].n);
			claim_find(rows[i].name)->run(view_of(v, rows[i].n));
		}
}
