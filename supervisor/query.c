#include "supervisor/query.h"

#include <string.h>
#include <strings.h>

#include "conf/algs.h"
#include "conf/keyword.h"

#define COLUMN 44	/* where reasons begin: the longest name of an algorithm that is off fits before it */

/*
 * ssh's words (ssh(1), -Q), and besides every keyword that holds a list. types: the names that stand in keys, not those of signatures; each
 * once. A word without kinds has one line: protocol-version. Not here: kex-gss and those of host-based logins, of which there are none.
 */
static const struct question { const char *what; unsigned kinds; int types; const char *line; } questions[] = {
	{ "cipher", ALGS_CIPHER, 0, NULL },
	{ "cipher-auth", ALGS_AEAD, 0, NULL },
	{ "compression", ALGS_COMP, 0, NULL },
	{ "kex", ALGS_KEX, 0, NULL },
	{ "key", ALGS_SIG | ALGS_CERT, 1, NULL },
	{ "key-ca-sign", ALGS_SIG, 0, NULL },
	{ "key-cert", ALGS_CERT, 1, NULL },
	{ "key-plain", ALGS_SIG, 1, NULL },
	{ "key-sig", ALGS_SIG | ALGS_CERT, 0, NULL },
	{ "mac", ALGS_MAC, 0, NULL },
	{ "protocol-version", 0, 0, "2" },
	{ "sig", ALGS_SIG, 0, NULL },
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

	if (q->line != NULL)
		fprintf(to, "%s\n", q->line);
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

static void help(FILE *to)
{
	const struct keyword *k;

	for (size_t i = 0; i < QUESTIONS; i++)
		fprintf(to, "%s\n", questions[i].what);
	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++)
		if (k->type == TYPE_ALGS)
			fprintf(to, "%s\n", k->name);
}

int query_answer(const char *what, FILE *to)
{
	const struct keyword *k;

	if (strcmp(what, "help") == 0) {
		help(to);
		return 0;
	}
	for (size_t i = 0; i < QUESTIONS; i++)
		if (strcasecmp(what, questions[i].what) == 0) {
			answer(&questions[i], to);
			return 0;
		}
	if ((k = keyword_find(what)) == NULL || k->type != TYPE_ALGS)
		return -1;
	answer(&(struct question){ .kinds = algs_kinds(k->key) }, to);
	return 0;
}
