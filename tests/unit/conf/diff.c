/* What a reload tells and keeps: which keywords differ, and the whole as one text. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/conf/help.h"

static int note(void *ctx, const char *keyword, int restart, const char *was, const char *is)
{
	char *out = ctx, line[300];

	snprintf(line, sizeof line, "%s: %s -> %s%s\n", keyword, was, is, restart ? " (restart)" : "");
	strcat(out, line);
	return SSH_OK;
}

static void differ(const char *a, const char *b, const char *expected)
{
	struct conf *x = parsed(a), *y = parsed(b);
	struct conf_values *v, *w;
	char got[2000] = "";
	struct conf_error e;

	cr_assert_eq(conf_resolve(x, NULL, &v, &e), SSH_OK);
	cr_assert_eq(conf_resolve(y, NULL, &w, &e), SSH_OK);
	cr_assert_eq(conf_diff(v, w, note, got), SSH_OK);
	cr_assert_str_eq(got, expected);
	conf_values_free(v);
	conf_values_free(w);
	conf_free(x);
	conf_free(y);
}

Test(conf_diff, nothing)
{
	differ("", "", "");
	differ("Port 22\nLoginGraceTime 2m\n", "LoginGraceTime 120\n# nothing\n", "");
	differ("MaxAuthTries 3\nMatch User x\nMaxAuthTries 4\n", "MaxAuthTries 3\n", "");	/* Match blocks are compared elsewhere */
}

Test(conf_diff, values_in_the_order_of_the_schema)
{
	differ("MaxAuthTries 3\nPort 2200\nPort 2201\n", "Port 22\nBanner /x\nAllowUsers a b\n",
	    "Port: 2200, 2201 -> 22\nAllowUsers:  -> a, b\nMaxAuthTries: 3 -> 6\nBanner: none -> /x\n");
}

static int only_once(void *ctx, const char *keyword, int restart, const char *was, const char *is)
{
	(void)keyword, (void)restart, (void)was, (void)is;
	++*(int *)ctx;
	return SSH_E_FULL;
}

Test(conf_diff, an_error_ends_it)
{
	struct conf *x = parsed("Port 1\nBanner /x\n"), *y = parsed("");
	struct conf_values *v, *w;
	struct conf_error e;
	int times = 0;

	cr_assert_eq(conf_resolve(x, NULL, &v, &e), SSH_OK);
	cr_assert_eq(conf_resolve(y, NULL, &w, &e), SSH_OK);
	cr_assert_eq(conf_diff(v, w, only_once, &times), SSH_E_FULL);
	cr_assert_eq(times, 1);
	conf_values_free(v);
	conf_values_free(w);
	conf_free(x);
	conf_free(y);
}

Test(conf_same_blocks, compares_what_stands_in_them)
{
	static const struct { const char *a, *b; int same; } rows[] = {
		{ "Port 1\n", "Port 2\n", 1 },
		{ "Match User x\nMaxAuthTries 4\n", "Port 2\nMatch User  x\n# c\n MaxAuthTries 4\n", 1 },
		{ "Match User x\nMaxAuthTries 4\n", "Match User x\nMaxAuthTries 5\n", 0 },
		{ "Match User x\nMaxAuthTries 4\n", "Match User y\nMaxAuthTries 4\n", 0 },
		{ "Match User x\nMaxAuthTries 4\n", "", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conf *a = parsed(rows[i].a), *b = parsed(rows[i].b);

		cr_assert_eq(conf_same_blocks(a, b), rows[i].same, "row %zu", i);
		conf_free(a);
		conf_free(b);
	}
}

Test(conf_is_for_all, without_a_match)
{
	static const struct { const char *text; int all; } rows[] = {
		{ "", 1 }, { "MaxAuthTries 4\n", 1 }, { "Match User x\nMaxAuthTries 4\n", 0 }, { "Port 1\nMatch All\nMaxAuthTries 4\n", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conf *c = parsed(rows[i].text);

		cr_assert_eq(conf_is_for_all(c), rows[i].all, "row %zu", i);
		conf_free(c);
	}
}

static char *flat(const struct conf *c)
{
	struct buf b;

	buf_init(&b, 1u << 20, NULL);
	cr_assert_eq(conf_flat(c, &b), SSH_OK);
	return text_of(&b);
}

/* Includes are in it, options are not, and it means the same when it is read again. */
Test(conf_flat, means_the_same)
{
	static const char *const options[] = { "MaxAuthTries=2", "Port 99" };
	char dir[] = "/tmp/coppice-flat.XXXXXX", main_path[64], part[64], again_path[64];
	struct conf *c, *again;
	struct conf_values *v, *w;
	struct conf_error e;
	char *text, *first, *second;
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(main_path, sizeof main_path, "%s/main", dir);
	snprintf(part, sizeof part, "%s/part", dir);
	snprintf(again_path, sizeof again_path, "%s/again", dir);
	cr_assert_not_null(f = fopen(part, "w"));
	fputs("Banner /b\nMatch User x\nMaxSessions 1\n", f);
	fclose(f);
	cr_assert_not_null(f = fopen(main_path, "w"));
	fputs("Include part\nMaxAuthTries 5\nLoginGraceTime 7\nMatch User y\nInclude part\nAcceptEnv A\n", f);
	fclose(f);
	cr_assert_eq(conf_load(&c, main_path, options, 2, &e), SSH_OK, "%s", e.text);
	text = flat(c);
	cr_assert_null(strstr(text, "99"));
	cr_assert_null(strstr(text, "MaxAuthTries 2"));
	cr_assert_null(strstr(text, "Include"));
	cr_assert_not_null(strstr(text, "Match User x"));
	cr_assert_not_null(f = fopen(again_path, "w"));
	fputs(text, f);
	fclose(f);
	cr_assert_eq(conf_load(&again, again_path, options, 2, &e), SSH_OK, "%s", e.text);
	for (int i = 0; i < 3; i++) {
		struct conf_client who = client(i == 0 ? "x" : i == 1 ? "y" : "z", "10.0.0.1", NULL, 22);

		cr_assert_eq(conf_resolve(c, &who, &v, &e), SSH_OK);
		cr_assert_eq(conf_resolve(again, &who, &w, &e), SSH_OK);
		first = dumped(v);
		second = dumped(w);
		cr_assert_str_eq(first, second);
		free(first);
		free(second);
		conf_values_free(v);
		conf_values_free(w);
	}
	cr_assert(conf_same_blocks(c, again));
	free(text);
	conf_free(c);
	conf_free(again);
	unlink(main_path);
	unlink(part);
	unlink(again_path);
	rmdir(dir);
}
