#include "conf/number.h"

#include <limits.h>
#include <string.h>

#include "base/err.h"

/* Digits at *p; SSH_E_FORMAT when there are none. */
static int digits(const char **p, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (**p < '0' || **p > '9')
		return SSH_E_FORMAT;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		uint64_t d = (uint64_t)(**p - '0');

		if (v > (max - d) / 10 || d > max)
			return SSH_E_TOO_BIG;
		v = v * 10 + d;
	}
	*value = v;
	return SSH_OK;
}

int number_plain(const char *word, uint64_t max, uint64_t *value)
{
	int r;

	TRY(digits(&word, max, value));
	return *word == '\0' ? SSH_OK : SSH_E_FORMAT;
}

int number_time(const char *word, uint32_t *seconds)
{
	static const char units[] = "sSmMhHdDwW";
	static const uint32_t scale[] = { 1, 60, 3600, 86400, 604800 };
	uint64_t total = 0, v;
	const char *unit;
	int r;

	if (*word == '\0')
		return SSH_E_FORMAT;
	while (*word != '\0') {
		TRY(digits(&word, INT_MAX, &v));
		if (*word != '\0') {
			if ((unit = strchr(units, *word++)) == NULL)
				return SSH_E_FORMAT;
			v *= scale[(unit - units) / 2];
		}
		total += v;
		if (total > INT_MAX)
			return SSH_E_TOO_BIG;
	}
	*seconds = (uint32_t)total;
	return SSH_OK;
}

/* What the digits behind a point are worth, of 2^shift bytes. */
static uint64_t fraction(const char *p, unsigned shift)
{
	uint64_t v = 0, scale = 1;

	for (; *p >= '0' && *p <= '9'; p++)
		if (scale < 1000000000) {	/* more of them do not change a byte that counts */
			v = v * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
	return shift > 0 ? v * ((UINT64_C(1) << shift) / scale) + v * ((UINT64_C(1) << shift) % scale) / scale : 0;
}

int number_size(const char *word, uint64_t *bytes)
{
	static const char units[] = "bBkKmMgGtTpPeE";
	const char *unit, *point;
	uint64_t v, more = 0;
	unsigned shift = 0;
	int r;

	if (*word == '+')
		word++;
	TRY(digits(&word, INT64_MAX, &v));
	point = word;
	if (*word == '.')
		for (word++; *word >= '0' && *word <= '9'; word++)
			;
	if (*word != '\0') {
		if ((unit = strchr(units, *word)) == NULL || word[1] != '\0')
			return SSH_E_FORMAT;
		shift = (unsigned)((unit - units) / 2) * 10;
	}
	if (v > (uint64_t)INT64_MAX >> shift)
		return SSH_E_TOO_BIG;
	if (*point == '.')
		more = fraction(point + 1, shift);
	if (more > (uint64_t)INT64_MAX - (v << shift))
		return SSH_E_TOO_BIG;
	*bytes = (v << shift) + more;
	return SSH_OK;
}
