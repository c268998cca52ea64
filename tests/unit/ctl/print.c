#include "ctl/print.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ctl/words.h"

static struct ctl_rows rows;

static void forget(void)
{
	ctl_rows_free(&rows);
}

TestSuite(print, .fini = forget);

static void add(const char *kind, const char *user, int64_t idle_ms, int up)
{
	struct ipc_CTL_ROW m = { .kind = view_str(kind) };
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "user", user);
	row_number(&w, "idle_ms", idle_ms);
	row_bool(&w, "is_up", up);
	cr_assert_eq(wr_done(&w), SSH_OK);
	m.fields = view_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(ctl_rows_add(&rows, &m), SSH_OK);
	buf_drop(&b);
}

static void wide(const char *kind, int fields)
{
	struct ipc_CTL_ROW m = { .kind = view_str(kind) };
	char name[20];
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	for (int i = 0; i < fields; i++) {
		snprintf(name, sizeof name, "f%d", i);
		row_number(&w, name, i);
	}
	m.fields = view_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(ctl_rows_add(&rows, &m), SSH_OK);
	buf_drop(&b);
}

static void text_is(const struct print_how *how, const char *want)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	print_text(&rows, how, f);
	fclose(f);
	cr_assert_str_eq(text, want);
	free(text);
}

Test(print, rows_of_one_shape_are_a_table)
{
	add("session", "ada", 61000, 1);
	add("session", "li", 250, 0);
	text_is(&(struct print_how){ .utf8 = 1 },
	    "USER   IDLE  IS-UP\n"
	    "ada    1m1s  yes\n"
	    "li    250ms  no\n");
}

Test(print, one_row_is_a_block_unless_it_is_a_list)
{
	add("session", "", 61000, 1);
	text_is(&(struct print_how){ .utf8 = 1 }, "user:  -\nidle:  1m1s\nis up: yes\n");
	text_is(&(struct print_how){ .utf8 = 1, .list = 1 }, "USER  IDLE  IS-UP\n-     1m1s  yes\n");
}

Test(print, kinds_stand_apart_and_wide_rows_are_blocks)
{
	add("a", "x", 1000, 1);
	add("b", "y", 1000, 1);
	text_is(&(struct print_how){ .utf8 = 1 }, "user:  x\nidle:  1s\nis up: yes\n\nUSER  IDLE  IS-UP\ny       1s  yes\n");
	forget();
	wide("w", PRINT_COLUMNS + 1);
	wide("w", PRINT_COLUMNS + 1);
	{
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		print_text(&rows, &(struct print_how){ .list = 1 }, f);
		fclose(f);
		cr_assert_not_null(strstr(text, "f0:  0\nf1:  1\n"));
		cr_assert_not_null(strstr(text, "f13: 13\n\nf0:  0\n"));
		free(text);
	}
}

Test(print, width_counts_characters_and_cuts)
{
	add("s", "\xc3\xbc\xc3\xb6", 1000, 1);
	add("s", "a\x1b[2J", 1000, 0);
	text_is(&(struct print_how){ .utf8 = 1 }, "USER      IDLE  IS-UP\n\xc3\xbc\xc3\xb6          1s  yes\na\\033[2J    1s  no\n");
	text_is(&(struct print_how){ .utf8 = 1, .width = 8 }, "USER    \n\xc3\xbc\xc3\xb6      \na\\033[2J\n");
	text_is(&(struct print_how){ .utf8 = 0, .width = 9 }, "USER     \n\\303\\274\\\na\\033[2J \n");
}

Test(print, json_is_one_array_with_plain_numbers)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	print_json(&rows, f);
	add("session", "\xc3\xbc\xf0\x9f\x8c\xb3\"\x9b", -61000, 1);
	add("x", "", 0, 0);
	print_json(&rows, f);
	fclose(f);
	cr_assert_str_eq(text, "[]\n[\n{\"kind\":\"session\",\"user\":\"\\u00fc\\ud83c\\udf33\\\"\\u009b\",\"idle_ms\":-61000,\"is_up\":true},\n"
	    "{\"kind\":\"x\",\"user\":\"\",\"idle_ms\":0,\"is_up\":false}\n]\n");
	free(text);
}

Test(print, what_is_no_row_adds_nothing)
{
	struct ipc_CTL_ROW m = { .kind = view_str("x"), .fields = view_of("s\0\0\0\4na", 7) };

	cr_assert_eq(ctl_rows_add(&rows, &m), SSH_E_FORMAT);
	cr_assert_eq(rows.n, 0);
}

Test(words, units)
{
	char w[WORDS_MAX];

	cr_assert_str_eq(words_duration(w, 999), "999ms");
	cr_assert_str_eq(words_duration(w, 59999), "59s");
	cr_assert_str_eq(words_duration(w, 90061000), "1d1h");
	cr_assert_str_eq(words_micros(w, 85), "85us");
	cr_assert_str_eq(words_micros(w, 1250), "1.25ms");
	cr_assert_str_eq(words_micros(w, 250000), "250ms");
	cr_assert_str_eq(words_micros(w, 1250000), "1.2s");
	cr_assert_str_eq(words_size(w, 1023), "1023");
	cr_assert_str_eq(words_size(w, 1024), "1.0K");
	cr_assert_str_eq(words_size(w, 10 * 1024), "10K");
	cr_assert_str_eq(words_size(w, 1023 * 1024), "1.0M");
	cr_assert_str_eq(words_size(w, INT64_MAX), "8.0E");
}

Test(words, never_more_places_than_there_are)
{
	cr_assert_eq(words_width("\xc3\xbc" "a\xe2\x94\x82"), 3);
	cr_assert_eq(words_fit("\xc3\xbc" "a\xe2\x94\x82", 2), 3);
	cr_assert_eq(words_fit("\xc3\xbc" "a", 9), 3);
	cr_assert_eq(words_fit("abc", 0), 0);
}
