#ifndef TESTS_UNIT_CONF_HELP_H
#define TESTS_UNIT_CONF_HELP_H
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

/* help - what the tests of conf/ do all the time. */

static inline struct conf *parsed(const char *text)
{
	struct conf_error e = { "" };
	struct conf *c = NULL;

	cr_assert_eq(conf_parse(&c, view_str(text), "t", &e), SSH_OK, "%s\nin: %s", e.text, text);
	return c;
}

static inline struct conf_values *resolved(const struct conf *c, const struct conf_client *client)
{
	struct conf_values *v = NULL;

	cr_assert_eq(conf_resolve(c, client, &v, NULL), SSH_OK);
	return v;
}

/* The values of a text for everybody. */
static inline struct conf_values *values(const char *text)
{
	struct conf *c = parsed(text);
	struct conf_values *v = resolved(c, NULL);

	conf_free(c);
	return v;
}

static inline void refused(const char *text, const char *sentence)
{
	struct conf_error e = { "" };
	struct conf *c = NULL;

	cr_assert_eq(conf_parse(&c, view_str(text), "t", &e), SSH_E_CONFIG, "accepted: %s", text);
	cr_assert_str_eq(e.text, sentence);
	cr_assert_null(c);
}

static inline struct conf_client client(const char *user, const char *ip, const char *local, unsigned port)
{
	struct conf_client c = { .user = user };

	if (ip != NULL)
		cr_assert_eq(addr_parse_ip(&c.peer, ip), SSH_OK);
	if (local != NULL)
		cr_assert_eq(addr_parse_ip(&c.local, local), SSH_OK);
	c.local.port = (uint16_t)port;
	return c;
}

/* "a|b|c" */
static inline void list_is(const struct conf_list *l, const char *expected)
{
	char got[4096] = "";

	for (size_t i = 0; i < l->n; i++) {
		strcat(got, i > 0 ? "|" : "");
		strcat(got, l->v[i]);
	}
	cr_assert_str_eq(got, expected);
}

/* A C string; free() it. */
static inline char *text_of(struct buf *b)
{
	char *s = strndup(buf_len(b) > 0 ? (const char *)buf_head(b) : "", buf_len(b));

	buf_drop(b);
	return s;
}

static inline char *dumped(const struct conf_values *v)
{
	struct buf b;

	buf_init(&b, 16u << 20, NULL);
	cr_assert_eq(conf_dump(v, &b), SSH_OK);
	return text_of(&b);
}

static inline char *sliced(const struct conf *c, enum conf_reader reader)
{
	struct buf b;

	buf_init(&b, 64u << 20, NULL);
	cr_assert_eq(conf_slice(c, reader, &b), SSH_OK);
	return text_of(&b);
}

/* A file of the folder conf/, found from where this was compiled; fclose() it. */
static inline FILE *conf_file(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s", __FILE__);
	*strstr(path, "tests/unit/") = '\0';
	strcat(path, "conf/");
	strcat(path, name);
	cr_assert_not_null(f = fopen(path, "r"), "%s", path);
	return f;
}

#endif
