/* The sample file and the manual say what schema.def says. */
#include <stdio.h>

#include "conf/keyword.h"
#include "tests/unit/conf/help.h"

/* A file of conf/; free() it. */
static char *file(const char *name)
{
	char *text = calloc(1, 65536);
	FILE *f = conf_file(name);

	cr_assert(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

/* Lines of the sample that begin with prefix, without it. */
static char *lines_with(const char *prefix)
{
	char *all = file("coppiced.conf"), *picked = calloc(1, 65536), *save = NULL;

	for (char *l = strtok_r(all, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		size_t n = strlen(prefix);

		if (strncmp(l, prefix, n) != 0 || (n == 1 && l[1] == ' ') || strstr(l, "Include ") != NULL)
			continue;
		strcat(picked, l + n);
		strcat(picked, "\n");
	}
	free(all);
	return picked;
}

Test(conf_sample, says_nothing_by_itself)
{
	char *text = file("coppiced.conf"), *a, *b;
	struct conf_values *sample = values(text), *none = values("");

	a = dumped(sample);
	b = dumped(none);
	cr_assert_str_eq(a, b);
	free(a), free(b), free(text);
	conf_values_free(sample);
	conf_values_free(none);
}

Test(conf_sample, its_defaults_are_the_defaults)
{
	char *text = lines_with("#"), *a, *b;
	struct conf_values *sample = values(text), *none = values("");

	cr_assert_not_null(strstr(text, "MaxStartups"));
	a = dumped(sample);
	b = dumped(none);
	cr_assert_str_eq(a, b);
	free(a), free(b), free(text);
	conf_values_free(sample);
	conf_values_free(none);
}

Test(conf_sample, its_examples_are_valid_and_no_keyword_is_missing)
{
	char *examples = lines_with("# e.g. "), *whole = file("coppiced.conf"), text[80];
	const struct keyword *k;

	conf_values_free(values(examples));
	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++) {
		snprintf(text, sizeof text, "%s ", k->name);
		cr_assert_not_null(strstr(whole, text), "%s", k->name);
	}
	free(examples);
	free(whole);
}

/* The entry of a keyword: from its .It to the next of the list; NULL when there is none. */
static char *entry(const char *manual, const char *name)
{
	char head[80], *copy, *end;
	const char *at;

	snprintf(head, sizeof head, "\n.It Cm %s ", name);
	if ((at = strstr(manual, head)) == NULL)
		return NULL;
	copy = strdup(at + 1);
	if ((end = strstr(copy, "\n.It Cm ")) != NULL || (end = strstr(copy, "\n.Sh ")) != NULL)
		*end = '\0';
	return copy;
}

Test(conf_manual, every_keyword_its_default_and_where_it_may_stand)
{
	char *manual = file("coppiced.conf.5");
	const struct keyword *k;

	for (size_t i = 0; (k = keyword_at(i)) != NULL; i++) {
		char *text = entry(manual, k->name);

		cr_assert_not_null(text, "%s is not in the manual", k->name);
		cr_assert_eq(strstr(text, "May stand in a Match block.") != NULL, k->match, "%s: Match", k->name);
		cr_assert(k->def[0] == '\0' || strstr(text, k->def) != NULL, "%s: default %s", k->name, k->def);
		free(text);
	}
	free(manual);
}
