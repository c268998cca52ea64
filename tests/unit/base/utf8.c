#include "base/utf8.h"

#include <criterion/criterion.h>

Test(utf8, characters_of_each_length)
{
	static const struct { const char *text; size_t n; uint32_t c; } rows[] = {
		{ "a", 1, 'a' }, { "\xc3\xa9", 2, 0xe9 }, { "\xe2\x94\x82", 3, 0x2502 }, { "\xf0\x9f\x8c\xb3", 4, 0x1f333 },
	};
	uint32_t c;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(utf8_next(rows[i].text, rows[i].n, &c), rows[i].n);
		cr_assert_eq(c, rows[i].c);
		for (size_t n = 0; n < rows[i].n; n++)
			cr_assert_eq(utf8_next(rows[i].text, n, &c), 0, "%zu of %zu bytes", n, rows[i].n);
	}
}

/* RFC 3629 3 and 10: longer forms than needed, surrogates and numbers past the end are no characters. */
Test(utf8, what_is_none)
{
	static const char *const rows[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xc3(", "\xe2\x94(", "\xf0\x9f\x8c(",
	};
	uint32_t c;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(utf8_next(rows[i], __builtin_strlen(rows[i]), &c), 0, "row %zu", i);
}

Test(utf8, nothing_that_steers_a_terminal_is_printable)
{
	static const uint32_t no[] = { 0, 7, 0x1b, 0x7f, 0x80, 0x9b, 0x9f, 0x200e, 0x202e, 0x2028, 0x2066, 0xfeff };

	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		cr_assert_not(utf8_printable(no[i]), "%x", no[i]);
	cr_assert(utf8_printable(' ') && utf8_printable('~') && utf8_printable(0xa0) && utf8_printable(0xe9) && utf8_printable(0x1f333));
}
