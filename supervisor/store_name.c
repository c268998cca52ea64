#include "supervisor/store_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/journal.h"

static const struct { const char *word; uint64_t end; } names[] = {	/* numbers are below end; 0: it has none */
	[STORE_STATE] = { "coppice-state", UINT64_C(1) << 32 },
	[STORE_LOG] = { "coppice-log", 4 },
	[STORE_METRICS] = { "coppice-metrics", 0 },
	[STORE_HEALTH] = { "coppice-health", 0 },
	[STORE_PROC] = { "coppice-proc", JOURNAL_ID_MAX },
};

const char *store_name(enum store_what what, uint64_t number, char out[STORE_NAME_MAX])
{
	if (names[what].end > 0)
		snprintf(out, STORE_NAME_MAX, "%s-%" PRIx64, names[what].word, number);
	else
		snprintf(out, STORE_NAME_MAX, "%s", names[what].word);
	return out;
}

/* As we write it: lower case, no zero in front. */
static int hexadecimal(const char *s, uint64_t *number)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;
	size_t n = 0;

	*number = 0;
	for (; s[n] != '\0' && n < 16 && (at = strchr(digits, s[n])) != NULL; n++)
		*number = *number << 4 | (uint64_t)(at - digits);
	return s[n] == '\0' && n > 0 && (s[0] != '0' || n == 1) ? SSH_OK : SSH_E_FORMAT;
}

int store_name_parse(const char *name, enum store_what *what, uint64_t *number)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t n = strlen(names[i].word);

		if (strncmp(name, names[i].word, n) != 0)
			continue;
		*what = (enum store_what)i;
		*number = 0;
		if (names[i].end == 0)
			return name[n] == '\0' ? SSH_OK : SSH_E_FORMAT;
		if (name[n] != '-' || hexadecimal(name + n + 1, number) < 0)
			return SSH_E_FORMAT;
		return *number < names[i].end ? SSH_OK : SSH_E_FORMAT;
	}
	return SSH_E_FORMAT;
}
