/* pattern - the PATTERNS of ssh_config(5): globs, lists with negation, addresses with prefixes. */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int same(char a, char b, int fold)
{
	if (fold && a >= 'A' && a <= 'Z')
		a = (char)(a + ('a' - 'A'));
	if (fold && b >= 'A' && b <= 'Z')
		b = (char)(b + ('a' - 'A'));
	return a == b;
}

/* A mismatch goes back to the last star only, so the time is at most text times pattern. */
static int glob_range(const char *t, const char *p, const char *end, int fold)
{
	const char *star = NULL, *resume = NULL;

	while (*t != '\0') {
		if (p < end && *p == '*') {
			star = ++p;
			resume = t;
		} else if (p < end && (*p == '?' || same(*p, *t, fold))) {
			p++;
			t++;
		} else if (star != NULL) {
			p = star;
			t = ++resume;
		} else {
			return 0;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

int conf_glob(const char *text, const char *pattern, int fold)
{
	return glob_range(text, pattern, pattern + strlen(pattern), fold);
}

#define ENV_NAME_MAX 256u

int conf_accepts_env(const char *patterns, struct view name)
{
	char text[ENV_NAME_MAX];

	if (patterns == NULL || name.len == 0 || name.len >= sizeof text || memchr(name.p, '\0', name.len) != NULL ||
	    memchr(name.p, '=', name.len) != NULL)
		return 0;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	while (*patterns != '\0') {
		size_t n = strcspn(patterns, " \t");

		if (n > 0 && glob_range(text, patterns, patterns + n, 0))
			return 1;
		patterns += n + strspn(patterns + n, " \t");
	}
	return 0;
}

int conf_pattern_list(const char *text, const char *list, int fold)
{
	int found = 0;

	for (const char *p = list;; ) {
		const char *end = p + strcspn(p, ",");
		int negated = *p == '!';

		if (glob_range(text, p + negated, end, fold) && end > p + negated) {
			if (negated)
				return -1;
			found = 1;
		}
		if (*end == '\0')
			return found;
		p = end + 1;
	}
}

/* "ADDRESS/BITS" or "ADDRESS": 1 parsed, 0 is no address at all, -2 malformed as sshd sees it. */
static int parse_net(const char *p, size_t n, struct addr *net, unsigned *bits)
{
	char text[ADDR_TEXT_MAX], *slash, *end;
	unsigned long value;
	struct addr zero = { 0 };

	if (n >= sizeof text)
		return memchr(p, '/', n) != NULL ? -2 : 0;
	memcpy(text, p, n);
	text[n] = '\0';
	if ((slash = strchr(text, '/')) != NULL)
		*slash++ = '\0';
	if (addr_parse_ip(net, text) != SSH_OK)
		return slash != NULL ? -2 : 0;		/* a pattern with a slash can match no address */
	*bits = net->family == ADDR_IPV4 ? 32 : 128;
	if (slash == NULL)
		return 1;
	if (*slash < '0' || *slash > '9')
		return -2;
	value = strtoul(slash, &end, 10);
	if (*end != '\0' || value > *bits)
		return -2;
	*bits = (unsigned)value;
	/* Bits behind the prefix are an oversight of the writer: 10.0.0.1/8. */
	for (unsigned i = *bits; i < (net->family == ADDR_IPV4 ? 32u : 128u); i++)
		zero.ip[i / 8] = (uint8_t)(zero.ip[i / 8] | (net->ip[i / 8] & 0x80 >> i % 8));
	return memcmp(zero.ip, (uint8_t[16]){ 0 }, 16) == 0 ? 1 : -2;
}

/* One entry without its '!': 1 match, 0 none, -2 malformed. */
static int address_item(const struct addr *a, const char *text, const char *p, const char *end)
{
	struct addr net;
	unsigned bits;
	int r = parse_net(p, (size_t)(end - p), &net, &bits);

	if (r < 0 || a->family == ADDR_NONE || a->family == ADDR_UNIX)
		return r < 0 ? r : 0;
	return r == 1 ? addr_in_prefix(a, &net, bits) : glob_range(text, p, end, 1);
}

int conf_address_list(const struct addr *a, const char *list)
{
	char text[ADDR_TEXT_MAX];
	int found = 0;

	addr_ip_text(a, text);
	for (const char *p = list;; ) {
		const char *end = p + strcspn(p, ",");
		int negated = *p == '!', r;

		if (end == p + negated)
			return -2;
		if ((r = address_item(a, text, p + negated, end)) == -2)
			return -2;
		if (r == 1 && found >= 0)
			found = negated ? -1 : 1;	/* read on: the rest may be malformed */
		if (*end == '\0')
			return found;
		p = end + 1;
	}
}
