#include "ipc/verbs.h"

#include <stddef.h>
#include <string.h>

#include "ipc/values.h"

static const struct verb verbs[] = {
#define VERB(number_, NAME, name_, arguments_, meaning_) { name_, arguments_, meaning_, number_ },
#define TOOL(name_, arguments_, meaning_) { name_, arguments_, meaning_, 0 },
#include "ipc/verbs.def"
#undef VERB
};

static const struct { uint8_t number, trait; } traits[] = {
#define VERB(number, NAME, name, arguments, meaning)
#define VERB_IS(NAME, TRAIT) { CTL_##NAME, VERB_##TRAIT },
#include "ipc/verbs.def"
#undef VERB
};

const struct verb *verb_at(unsigned i)
{
	return i < sizeof verbs / sizeof verbs[0] ? &verbs[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (unsigned i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

const struct verb *verb_by_number(unsigned number)
{
	for (unsigned i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (number != 0 && verbs[i].number == number)
			return &verbs[i];
	return NULL;
}

int verb_is(unsigned number, enum verb_trait trait)
{
	for (size_t i = 0; i < sizeof traits / sizeof traits[0]; i++)
		if (traits[i].number == number && traits[i].trait == trait)
			return 1;
	return 0;
}

void verb_arity(const struct verb *v, int *least, int *most)
{
	const char *p = v->arguments;
	int depth = 0;

	*least = *most = 0;
	while (*p != '\0') {
		size_t n = strcspn(p, " ");
		int optional = depth > 0;

		for (size_t i = 0; i < n; i++) {
			optional |= p[i] == '[';
			depth += (p[i] == '[') - (p[i] == ']');
		}
		*least += !optional;
		if (n >= 3 && memmem(p, n, "...", 3) != NULL)
			*most = -1;
		else if (*most >= 0)
			++*most;
		p += n + strspn(p + n, " ");
	}
}
