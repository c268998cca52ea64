#include "ipc/verbs.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ipc/values.h"

Test(verbs, the_table_is_sound)
{
	for (unsigned i = 0; verb_at(i) != NULL; i++) {
		const struct verb *v = verb_at(i);
		int least, most;

		cr_assert_eq(verb_find(v->name), v, "%s is there twice", v->name);
		if (v->number != 0)
			cr_assert_eq(verb_by_number(v->number), v, "%s: its number is there twice", v->name);
		verb_arity(v, &least, &most);
		cr_assert(least >= 0 && (most == -1 || most >= least), "%s", v->name);
		cr_assert(strchr(v->arguments, '\t') == NULL && strchr(v->meaning, '\t') == NULL && v->meaning[0] != '\0', "%s", v->name);
	}
	cr_assert_null(verb_find("nonsense"));
	cr_assert_null(verb_by_number(0));
}

Test(verbs, how_many_arguments)
{
	static const struct { const char *arguments; int least, most; } rows[] = {
		{ "", 0, 0 }, { "[A]", 0, 1 }, { "A", 1, 1 }, { "A|B [REASON...]", 1, -1 }, { "A TEXT...", 2, -1 }, { "[A] [B]", 0, 2 },
		{ "[-v] [A|B]", 0, 2 }, { "[--grace TIME] [--exit] A", 1, 4 }, { "[A B] C", 1, 3 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct verb v = { "x", rows[i].arguments, "", 1 };
		int least, most;

		verb_arity(&v, &least, &most);
		cr_assert_eq(least, rows[i].least, "\"%s\": at least %d", v.arguments, least);
		cr_assert_eq(most, rows[i].most, "\"%s\": at most %d", v.arguments, most);
	}
}

Test(verbs, traits)
{
	cr_assert(verb_is(CTL_KICK, VERB_CHANGES) && verb_is(CTL_KICK, VERB_LIST) && verb_is(CTL_STOP, VERB_CHANGES));
	cr_assert_not(verb_is(CTL_WHO, VERB_CHANGES));
	cr_assert_not(verb_is(0, VERB_CHANGES));
	cr_assert(verb_is(CTL_MESSAGE, VERB_QUIET));
}
