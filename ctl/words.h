#ifndef CTL_WORDS_H
#define CTL_WORDS_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* words - numbers and texts as people and as JSON read them. */

#define WORDS_MAX 32u

/* "250ms", "7s", "5m10s", "2h3m", "12d3h" */
const char *words_duration(char out[WORDS_MAX], int64_t ms);
/* "85us", "1.25ms", "1.2s" */
const char *words_micros(char out[WORDS_MAX], int64_t us);
/* "999", "1.2K", "15M": by 1024 */
const char *words_size(char out[WORDS_MAX], int64_t bytes);
/* "2026-11-21 07:33", local time */
const char *words_time(char out[WORDS_MAX], int64_t unix_s);
/* Printable text: control characters and what is not UTF-8 become \ooo; without utf8 all that is not ASCII. */
const char *words_clean(char *out, size_t size, const char *text, int utf8);
/* Places it takes on the screen; every character counts as one. */
size_t words_width(const char *utf8);
/* How many bytes of it take at most that many places. */
size_t words_fit(const char *utf8, size_t places);
/* A JSON string with its quotes: all ASCII, \uXXXX for the rest; bytes that are not UTF-8 become \u00XX. */
void words_json(FILE *, const char *);
/* Does the terminal's character set have the line drawing of the tree? After setlocale(). */
int words_utf8(void);

#endif
