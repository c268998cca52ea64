#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/row.h"

Test(row, what_was_written_is_read)
{
	struct row_field f;
	struct buf b;
	struct wr w;
	struct rd r;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "name", "ada \"x\"");
	row_number(&w, "delta", -7);
	row_bool(&w, "up", 5);
	row_text(&w, "empty", NULL);
	cr_assert_eq(wr_done(&w), SSH_OK);
	r = rd_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(row_next(&r, &f), 1);
	cr_assert(f.kind == ROW_TEXT && view_is(f.name, "name") && view_is(f.text, "ada \"x\""));
	cr_assert_eq(row_next(&r, &f), 1);
	cr_assert(f.kind == ROW_NUMBER && f.number == -7);
	cr_assert_eq(row_next(&r, &f), 1);
	cr_assert(f.kind == ROW_BOOL && f.number == 1);
	cr_assert_eq(row_next(&r, &f), 1);
	cr_assert(f.kind == ROW_TEXT && f.text.len == 0);
	cr_assert_eq(row_next(&r, &f), 0);
	buf_drop(&b);
}

Test(row, every_truncation_is_no_row)
{
	struct row_field f;
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "name", "value");
	cr_assert_eq(wr_done(&w), SSH_OK);
	for (size_t n = 1; n < buf_len(&b); n++) {
		struct rd r = rd_of(buf_head(&b), n);

		cr_assert_eq(row_next(&r, &f), SSH_E_FORMAT, "%zu bytes", n);
	}
	buf_drop(&b);
}

Test(row, an_unknown_kind_or_no_name_is_no_row)
{
	static const uint8_t kind[] = { 'x', 0, 0, 0, 1, 'a' }, name[] = { 'b', 0, 0, 0, 0, 1 };
	struct rd r = rd_of(kind, sizeof kind);
	struct row_field f;

	cr_assert_eq(row_next(&r, &f), SSH_E_FORMAT);
	r = rd_of(name, sizeof name);
	cr_assert_eq(row_next(&r, &f), SSH_E_FORMAT);
}
