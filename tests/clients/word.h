#ifndef TESTS_CLIENTS_WORD_H
#define TESTS_CLIENTS_WORD_H
#include <string.h>

/* The value of NAME=VALUE among a driver's words, of which the first follows argv[1]; NULL: it is not there. Borrowed from argv. */
static inline const char *word(int argc, char **argv, const char *name)
{
	size_t n = strlen(name);

	for (int i = 2; i < argc; i++)
		if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

#endif
