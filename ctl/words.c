#include "ctl/words.h"

#include <inttypes.h>
#include <langinfo.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

const char *words_duration(char out[WORDS_MAX], int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, WORDS_MAX, "%" PRId64 "ms", ms);
	else if (s >= 86400)
		snprintf(out, WORDS_MAX, "%" PRId64 "d%" PRId64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(out, WORDS_MAX, "%" PRId64 "h%" PRId64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, WORDS_MAX, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	else
		snprintf(out, WORDS_MAX, "%" PRId64 "s", s);
	return out;
}

const char *words_micros(char out[WORDS_MAX], int64_t us)
{
	if (us < 1000)
		snprintf(out, WORDS_MAX, "%" PRId64 "us", us);
	else if (us < 1000000)
		snprintf(out, WORDS_MAX, "%.*fms", us < 10000 ? 2 : us < 100000 ? 1 : 0, (double)us / 1000);
	else
		snprintf(out, WORDS_MAX, "%.1fs", (double)us / 1000000);
	return out;
}

const char *words_size(char out[WORDS_MAX], int64_t bytes)
{
	static const char units[] = "KMGTPE";
	double v = (double)bytes / 1024;
	unsigned u = 0;

	if (bytes < 1024) {
		snprintf(out, WORDS_MAX, "%" PRId64, bytes);
		return out;
	}
	while (v >= 999.5 && units[u + 1] != '\0')
		v /= 1024, u++;
	snprintf(out, WORDS_MAX, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return out;
}

const char *words_time(char out[WORDS_MAX], int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(out, WORDS_MAX, "%Y-%m-%d %H:%M", &tm) == 0)
		snprintf(out, WORDS_MAX, "%" PRId64, unix_s);
	return out;
}

const char *words_clean(char *out, size_t size, const char *text, int utf8)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), n = 0;

	while (left > 0) {
		uint32_t c;
		size_t k = utf8_next(p, left, &c);

		if (n + 5 > size)
			break;
		if (k > 0 && utf8_printable(c) && (utf8 || c < 0x80)) {
			memcpy(out + n, p, k);
			n += k;
		} else {
			k = 1;
			n += (size_t)snprintf(out + n, size - n, "\\%03o", *p);
		}
		p += k;
		left -= k;
	}
	out[n] = '\0';
	return out;
}

size_t words_width(const char *utf8)
{
	size_t n = 0;

	for (; *utf8 != '\0'; utf8++)
		n += ((unsigned char)*utf8 & 0xc0) != 0x80;
	return n;
}

size_t words_fit(const char *utf8, size_t places)
{
	size_t i = 0;

	for (; utf8[i] != '\0'; i++)
		if (((unsigned char)utf8[i] & 0xc0) != 0x80 && places-- == 0)
			break;
	return i;
}

void words_json(FILE *f, const char *s)
{
	size_t left = strlen(s);

	putc('"', f);
	while (left > 0) {
		uint32_t c;
		size_t k = utf8_next(s, left, &c);

		if (k == 0)
			c = (unsigned char)*s, k = 1;
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", (int)c);
		else if (c >= 0x20 && c < 0x7f)
			putc((int)c, f);
		else if (c < 0x10000)
			fprintf(f, "\\u%04" PRIx32, c);
		else
			fprintf(f, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
		s += k;
		left -= k;
	}
	putc('"', f);
}

int words_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
