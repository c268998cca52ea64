#include "supervisor/query.h"

#include <string.h>

#include "conf/algs.h"

#define COLUMN 44	/* where reasons begin: the longest name of an algorithm that is off fits before it */

/* types: the names that stand in keys, not those of signatures; each once. */
static const struct question { const char *what; unsigned kinds; int types; } questions[] = {
	{ "cipher", ALGS_CIPHER, 0 },
	{ "mac", ALGS_MAC, 0 },
	{ "kex", ALGS_KEX, 0 },
	{ "key", ALGS_SIG | ALGS_CERT, 1 },
	{ "key-plain", ALGS_SIG, 1 },
	{ "key-cert", ALGS_CERT, 1 },
	{ "sig", ALGS_SIG, 0 },
	{ "key-sig", ALGS_SIG | ALGS_CERT, 0 },
	{ "compression", ALGS_COMP, 0 },
	{ "Ciphers", ALGS_CIPHER, 0 },
	{ "MACs", ALGS_MAC, 0 },
	{ "KexAlgorithms", ALGS_KEX, 0 },
	{ "CompressionAlgorithms", ALGS_COMP, 0 },
	{ "HostKeyAlgorithms", ALGS_SIG | ALGS_CERT, 0 },
	{ "PubkeyAcceptedAlgorithms", ALGS_SIG, 0 },
};
#define QUESTIONS (sizeof questions / sizeof questions[0])

/* Was this type of key named before row i? Its first row, by preference, says whether it is on. */
static int named_before(const struct question *q, size_t i, const char *key)
{
	const char *why, *other;

	while (i-- > 0)
		if (algs_row(q->kinds, i, &why, &other) != NULL && strcmp(key, other) == 0)
			return 1;
	return 0;
}

static void answer(const struct question *q, FILE *to)
{
	const char *name, *why, *key;

	for (size_t i = 0; (name = algs_row(q->kinds, i, &why, &key)) != NULL; i++) {
		if (q->types && named_before(q, i, key))
			continue;
		if (q->types)
			name = key;
		if (why == NULL)
			fprintf(to, "%s\n", name);
		else
			fprintf(to, "%-*s off by default: %s\n", COLUMN, name, why);
	}
}

int query_answer(const char *what, FILE *to)
{
	if (strcmp(what, "help") == 0) {
		for (size_t i = 0; i < QUESTIONS; i++)
			fprintf(to, "%s\n", questions[i].what);
		return 0;
	}
	for (size_t i = 0; i < QUESTIONS; i++)
		if (strcasecmp(what, questions[i].what) == 0) {
			answer(&questions[i], to);
			return 0;
		}
	return -1;
}
